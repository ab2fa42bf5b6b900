import { u16 } from './bytes.js';

/** Without options. */
export const IPV4_HEADER = 20;

export const Protocol = { icmp: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58 } as const;

/** Dotted decimal of the 4 bytes at `at`. */
export const formatIpv4 = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

/** An IPv4 header (RFC 791) inside a buffer: version 4, and the whole header with its options is there. */
export class Ipv4 {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
    /** Where the bytes end that may belong to the packet: the end of the frame, padding included. */
    readonly end: number,
  ) {}

  static parse(bytes: Uint8Array, offset: number, end: number): Ipv4 | undefined {
    if (offset + IPV4_HEADER > end || bytes[offset] >>> 4 !== 4) return undefined;
    const headerLength = (bytes[offset] & 15) * 4;
    if (headerLength < IPV4_HEADER || offset + headerLength > end) return undefined;
    return new Ipv4(bytes, offset, end);
  }

  /** Bytes, options included. */
  get headerLength(): number {
    return (this.bytes[this.offset] & 15) * 4;
  }

  /** What the header says: 0 in segments too long for the field, and not to be trusted to fit the frame. */
  get totalLength(): number {
    return u16(this.bytes, this.offset + 2);
  }

  get identification(): number {
    return u16(this.bytes, this.offset + 4);
  }

  get moreFragments(): boolean {
    return (this.bytes[this.offset + 6] & 0x20) !== 0;
  }

  /** Bytes of the datagram that stand before this fragment. */
  get fragmentOffset(): number {
    return (u16(this.bytes, this.offset + 6) & 0x1fff) * 8;
  }

  get protocol(): number {
    return this.bytes[this.offset + 9];
  }

  get sourceAddress(): number {
    return this.offset + 12;
  }

  get destinationAddress(): number {
    return this.offset + 16;
  }

  /** Where the transport header is. */
  get transport(): number {
    return this.offset + this.headerLength;
  }

  /** Where the packet ends by its own account, but never past the frame. */
  get packetEnd(): number {
    const total = this.totalLength;
    return total < this.headerLength ? this.end : Math.min(this.end, this.offset + total);
  }
}
