import { closeSync } from 'node:fs';
import {
  type EthernetDevice,
  type EthernetEvents,
  type InterfaceAddress,
  macText,
  newCounters,
} from '../../netgraph/device.js';
import { NgError } from '../../netgraph/errors.js';
import type { Frame } from '../../netgraph/frame.js';
import type { Vnet } from '../../vnet/index.js';
import { type Port, Queue } from '../batch.js';
import { addressBytes, addressNumber } from '../mac.js';
import { codeOf, native } from '../native.js';
import { type Link, Rtnetlink } from '../rtnetlink.js';
import type { TapHost } from './host.js';

/** Longest name of an interface, in bytes: IFNAMSIZ less its NUL. */
const MAX_NAME = 15;

/** Tells an interface from all others: inode of its namespace, and index. */
export const keyOf = (inode: number, index: number): string => `${inode}/${index}`;

/** What an interface is found by after the program started anew, and what it was like. */
export interface Kept {
  name: string;
  index: number;
  /** Inode of its namespace. */
  netns: number;
  mac: string;
  offloads: boolean;
}

/** A TAP. */
export class TapDevice implements EthernetDevice, Port {
  readonly counters = newCounters();
  /** @internal */
  readonly queue = new Queue();
  /** @internal Where it is: inode of the namespace, index of the interface. */
  inode = 0;
  /** @internal */
  index = 0;
  private lastName: string;
  private mac: number;

  /** Made by TapHost only. */
  constructor(
    private readonly host: TapHost,
    /** The vnet of the node that it belongs to. */
    readonly vnet: Vnet,
    /** @internal */
    readonly fd: number,
    name: string,
    mac: number,
    public offloads: boolean,
    private readonly events: EthernetEvents,
  ) {
    this.lastName = name;
    this.mac = mac;
  }

  get name(): string {
    if (this.queue.slot < 0) return this.lastName;
    try {
      this.lastName = native.tapName(this.fd);
    } catch (error) {
      if (codeOf(error) !== 'EBADFD') throw NgError.fromSystem(error, `interface ${this.lastName}`);
    }
    return this.lastName;
  }

  get up(): boolean {
    return this.queue.up;
  }

  address(): Uint8Array {
    return this.control(() => native.tapAddress(this.fd));
  }

  setAddress(address: Uint8Array): void {
    if (address.length !== 6) throw new NgError('EINVAL', `${this.name}: an Ethernet address has 6 bytes`);
    if (address[0] & 1 || address.every((byte) => byte === 0))
      throw new NgError(
        'EADDRNOTAVAIL',
        `${this.name}: ${macText(address)} is not the address of one station`,
      );
    this.control(() => native.tapSetAddress(this.fd, address));
    this.take(addressNumber(address));
  }

  setCarrier(on: boolean): void {
    this.control(() => native.tapSetCarrier(this.fd, on));
  }

  setOffloads(on: boolean): void {
    this.offloads = this.control(() => native.tapSetOffloads(this.fd, on)) !== 0;
    this.host.merge(this);
  }

  setName(name: string): void {
    const length = Buffer.byteLength(name);
    if (length === 0) throw new NgError('EINVAL', `${this.name}: an interface needs a name`);
    if (length > MAX_NAME)
      throw new NgError('ENAMETOOLONG', `"${name}" is too long for an interface: at most ${MAX_NAME} bytes`);
    this.inPlace((rtnetlink) => rtnetlink.setLink(this.index, { name }));
    this.lastName = name;
    this.events.changed?.();
  }

  addresses(): InterfaceAddress[] {
    const found = this.inPlace((rtnetlink) => rtnetlink.addresses(this.index));
    return found.map(({ family, address }) => ({ family, address }));
  }

  resume(): Kept {
    const { name, index, inode: netns, mac, offloads } = this;
    return { name, index, netns, mac: Buffer.from(addressBytes(mac)).toString('hex'), offloads };
  }

  transmit(frame: Frame): number {
    return this.host.batches.transmit(this, frame);
  }

  destroy(): void {
    if (this.queue.slot < 0) return;
    this.lastName = this.name;
    this.host.drop(this);
    this.queue.slot = -1;
    this.queue.up = false;
    this.host.leave(this);
    this.host.taken.delete(this.mac);
    this.host.removals.add(this.fd);
  }

  /** @internal Stops moving frames: it is as if it were gone. Returns what tells it from all others. */
  detach(): string {
    this.host.drop(this);
    this.queue.slot = -1;
    return keyOf(this.inode, this.index);
  }

  /** @internal */
  attach(): void {
    this.host.pick(this);
  }

  /** @internal */
  receive(frame: Frame): void {
    this.events.receive(frame);
  }

  /** @internal */
  lost(): void {
    if (this.queue.slot < 0) return;
    this.destroy();
    try {
      this.events.gone();
    } catch (error) {
      this.host.report(error);
    }
  }

  /** @internal */
  changed({ up, name, address }: Link, moved = false): void {
    this.queue.up = up;
    if (moved || name !== this.lastName) this.events.changed?.();
    this.lastName = name;
    if (address.length === 6) this.take(addressNumber(address));
  }

  /** Notes what address it has. */
  private take(mac: number): void {
    if (mac === this.mac) return;
    this.host.taken.delete(this.mac);
    this.host.taken.add(mac);
    this.mac = mac;
    this.events.changed?.();
  }

  private inPlace<T>(work: (rtnetlink: Rtnetlink) => T): T {
    return this.control(() => {
      const netns = native.tapNetns(this.fd);
      try {
        return work(new Rtnetlink(netns));
      } finally {
        closeSync(netns);
      }
    });
  }

  private control<T>(work: () => T): T {
    if (this.queue.slot < 0) throw new NgError('ENXIO', `interface ${this.lastName} is gone`);
    try {
      return work();
    } catch (error) {
      if (codeOf(error) === 'EBADFD') throw new NgError('ENXIO', `interface ${this.lastName} is gone`);
      throw NgError.fromSystem(error, `interface ${this.lastName}`);
    }
  }
}
