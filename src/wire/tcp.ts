import { u16, u32 } from './bytes.js';

/** Without options. */
export const TCP_HEADER = 20;

/** Where the checksum is in the header. */
export const TCP_CHECKSUM = 16;

/** Bits of the thirteenth byte (RFC 9293, 3.1; RFC 3168). */
export const TcpFlag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const;

/** A TCP header inside a buffer, whole with its options. */
export class Tcp {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
  ) {}

  static parse(bytes: Uint8Array, offset: number, end: number): Tcp | undefined {
    if (offset + TCP_HEADER > end) return undefined;
    const headerLength = (bytes[offset + 12] >>> 4) * 4;
    if (headerLength < TCP_HEADER || offset + headerLength > end) return undefined;
    return new Tcp(bytes, offset);
  }

  get sourcePort(): number {
    return u16(this.bytes, this.offset);
  }

  get destinationPort(): number {
    return u16(this.bytes, this.offset + 2);
  }

  get sequence(): number {
    return u32(this.bytes, this.offset + 4);
  }

  get acknowledgment(): number {
    return u32(this.bytes, this.offset + 8);
  }

  /** Bytes, options included. */
  get headerLength(): number {
    return (this.bytes[this.offset + 12] >>> 4) * 4;
  }

  /** Bits of TcpFlag. */
  get flags(): number {
    return this.bytes[this.offset + 13];
  }

  /** As sent, not scaled. */
  get window(): number {
    return u16(this.bytes, this.offset + 14);
  }

  get checksum(): number {
    return u16(this.bytes, this.offset + TCP_CHECKSUM);
  }

  /** Where the data is. */
  get payload(): number {
    return this.offset + this.headerLength;
  }
}
