import { u16 } from './bytes.js';
import { EtherType, getMac } from './ethernet.js';

/** ARP for IPv4 over Ethernet (RFC 826). */
export const ARP_PACKET = 28;

export const ArpOperation = { request: 1, reply: 2 } as const;

/** An ARP packet for IPv4 over Ethernet; other kinds do not parse. */
export class Arp {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
  ) {}

  static parse(bytes: Uint8Array, offset: number, end: number): Arp | undefined {
    if (offset + ARP_PACKET > end) return undefined;
    const ethernet = u16(bytes, offset) === 1 && bytes[offset + 4] === 6;
    const ipv4 = u16(bytes, offset + 2) === EtherType.ipv4 && bytes[offset + 5] === 4;
    return ethernet && ipv4 ? new Arp(bytes, offset) : undefined;
  }

  get operation(): number {
    return u16(this.bytes, this.offset + 6);
  }

  get senderMac(): number {
    return getMac(this.bytes, this.offset + 8);
  }

  /** Where the sender's IPv4 address is in `bytes`. */
  get senderAddress(): number {
    return this.offset + 14;
  }

  get targetMac(): number {
    return getMac(this.bytes, this.offset + 18);
  }

  /** Where the target's IPv4 address is in `bytes`. */
  get targetAddress(): number {
    return this.offset + 24;
  }
}
