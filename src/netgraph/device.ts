import type { Vnet } from '../vnet/index.js';
import type { Frame } from './frame.js';

/** An address of an interface, as getifaddrs reports it. */
export interface InterfaceAddress {
  family: 'inet' | 'inet6';
  /** 4 or 16 bytes in network order. */
  address: Uint8Array;
}

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
  /** Hands a frame to the vnet's network stack. Returns 0, or an errno when it was dropped. */
  transmit(frame: Frame): number;
  /** Takes the interface out of its vnet. */
  destroy(): void;
}

/** What a device tells its node. */
export interface EthernetEvents {
  /** The network stack sends a frame. It is borrowed until the call returns. */
  receive(frame: Frame): void;
  /** Somebody else deleted the interface; the device is of no use any more. */
  gone(): void;
}

/** Where interfaces come from: TAPs of Linux, or a simulation in tests. */
export interface DeviceProvider {
  /**
   * Makes an Ethernet interface in a vnet. Without an address it chooses one that is the same for the same
   * vnet and name, and unique on the host.
   * @throws NgError EEXIST the name is taken by another interface; others as the system says
   */
  createEthernet(vnet: Vnet, name: string, events: EthernetEvents): EthernetDevice;
}
