import { u16 } from './bytes.js';

export const UDP_HEADER = 8;

/** Where the checksum is in the header. */
export const UDP_CHECKSUM = 6;

/** A UDP header (RFC 768) inside a buffer. */
export class Udp {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
  ) {}

  static parse(bytes: Uint8Array, offset: number, end: number): Udp | undefined {
    return offset + UDP_HEADER > end ? undefined : new Udp(bytes, offset);
  }

  get sourcePort(): number {
    return u16(this.bytes, this.offset);
  }

  get destinationPort(): number {
    return u16(this.bytes, this.offset + 2);
  }

  /** Header and data in bytes, as the header says: not to be trusted to fit the frame. */
  get length(): number {
    return u16(this.bytes, this.offset + 4);
  }

  get checksum(): number {
    return u16(this.bytes, this.offset + UDP_CHECKSUM);
  }
}
