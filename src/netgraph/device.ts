import type { Vnet } from '../vnet/index.js';
import type { Frame } from './frame.js';

/** An address of an interface, as getifaddrs reports it. */
export interface InterfaceAddress {
  family: 'inet' | 'inet6';
  /** 4 or 16 bytes in network order. */
  address: Uint8Array;
}

/** What went through an interface, and what did not. Octets are without offload headers. */
export interface DeviceCounters {
  /** From the vnet's network stack into the graph. */
  rxFrames: number;
  rxOctets: number;
  /** From the graph into the vnet's network stack. */
  txFrames: number;
  txOctets: number;
  /** From the stack, but lost: nothing to go out to; dropped on its way through the graph, which counts why. */
  dropNoHook: number;
  dropRefused: number;
  /** Not written: interface down; kernel out of memory; interface deleted; not a valid frame. */
  dropDown: number;
  dropNoBuffer: number;
  dropGone: number;
  dropInvalid: number;
}

/** Counters that have counted nothing yet. */
export const newCounters = (): DeviceCounters => ({
  rxFrames: 0,
  rxOctets: 0,
  txFrames: 0,
  txOctets: 0,
  dropNoHook: 0,
  dropRefused: 0,
  dropDown: 0,
  dropNoBuffer: 0,
  dropGone: 0,
  dropInvalid: 0,
});

/** One Ethernet interface in the vnet of a node, as `eiface` needs it. */
export interface EthernetDevice {
  /** The interface's present name, which follows renames. */
  readonly name: string;
  /** Whether the interface is administratively up (IFF_UP). */
  readonly up: boolean;
  /** 6 bytes. */
  address(): Uint8Array;
  /** @throws NgError when the system refuses the address */
  setAddress(address: Uint8Array): void;
  /** Link state as the interface's owner sees it: IFF_LOWER_UP. */
  setCarrier(on: boolean): void;
  addresses(): InterfaceAddress[];
  /** Whether the network stack gives and gets large segments and partial checksums. */
  readonly offloads: boolean;
  setOffloads(on: boolean): void;
  /** What went through, and what did not, by reason. */
  readonly counters: DeviceCounters;
  /**
   * Hands a frame to the vnet's network stack. Returns 0, or why it was dropped: ENETDOWN (the interface is down),
   * EINVAL (shorter than an Ethernet header, or too long), ENOBUFS.
   */
  transmit(frame: Frame): number;
  /** Renames the interface. @throws NgError EEXIST, EINVAL */
  setName(name: string): void;
  /** Takes the interface out of its vnet. */
  destroy(): void;
  /** What `resumeEthernet` finds the interface by when the program starts anew. JSON. */
  resume(): unknown;
}

/** What a device tells its node. */
export interface EthernetEvents {
  /** The network stack sends a frame. It is borrowed until the call returns. */
  receive(frame: Frame): void;
  /** Somebody else deleted the interface; the device is of no use any more. */
  gone(): void;
  /** What `EthernetDevice.resume` gives may have changed. */
  changed?(): void;
}

/** Where interfaces come from: TAPs of Linux, or a simulation in tests. */
export interface DeviceProvider {
  /**
   * Makes an Ethernet interface in a vnet. Without an address it chooses one that is the same for the same
   * vnet and name, and unique on the host.
   * @throws NgError EEXIST the name is taken by another interface; others as the system says
   */
  createEthernet(vnet: Vnet, name: string, events: EthernetEvents): EthernetDevice;
  /** Names of all interfaces in a vnet, also of those that others made. */
  names(vnet: Vnet): ReadonlySet<string>;
  /**
   * Takes up an interface that outlived the program; makes one like it if it did not.
   * @param kept what `EthernetDevice.resume` gave
   * @throws NgError as `createEthernet`
   */
  resumeEthernet(vnet: Vnet, kept: unknown, events: EthernetEvents): EthernetDevice;
}

/** An Ethernet address as text: `02:00:00:00:00:01`. */
export const macText = (address: Uint8Array): string =>
  Array.from(address, (octet) => octet.toString(16).padStart(2, '0')).join(':');
