import { u16 } from './bytes.js';

/** Without extension headers. */
export const IPV6_HEADER = 40;

/** The fragment extension header (RFC 8200, 4.5). */
export const IPV6_FRAGMENT_HEADER = 8;

export const NextHeader = { hopByHop: 0, routing: 43, fragment: 44, destination: 60, none: 59 } as const;

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`, the first one if several. */
export function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => u16(bytes, at + index * 2).toString(16));
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.reduce((best, run) => Math.max(best, run[0].length), 0);
  const run = runs.find(([zeros]) => zeros.length === longest);
  if (run === undefined) return groups.join(':');
  const text = groups.join(':');
  const before = text.slice(0, run.index).replace(/:$/, '');
  const after = text.slice(run.index + longest).replace(/^:/, '');
  return `${before}::${after}`;
}

const isWalked = (header: number): boolean =>
  header === NextHeader.hopByHop || header === NextHeader.routing || header === NextHeader.destination;

/**
 * An IPv6 header (RFC 8200) inside a buffer: version 6, and all hop-by-hop, routing and destination headers are
 * whole. Fragment, authentication and unknown headers end the walk and count as the transport.
 */
export class Ipv6 {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
    /** Where the bytes end that may belong to the packet: the end of the frame, padding included. */
    readonly end: number,
    /** Where the transport header is, past the extension headers. */
    readonly transport: number,
    /** What the last walked header says that follows it. */
    readonly protocol: number,
    /** Where a fragment header would go (RFC 8200, 4.5): past what routers on the way need to see. */
    readonly fragmentable: number,
    /** Where the next-header byte is that names what is at `fragmentable`. */
    readonly fragmentableName: number,
  ) {}

  static parse(bytes: Uint8Array, offset: number, end: number): Ipv6 | undefined {
    if (offset + IPV6_HEADER > end || bytes[offset] >>> 4 !== 6) return undefined;
    let at = offset + IPV6_HEADER;
    let name = offset + 6;
    let fragmentable = 0;
    let fragmentableName = 0;
    let routed = false;
    while (isWalked(bytes[name])) {
      if (bytes[name] === NextHeader.routing) routed = true;
      else if (bytes[name] === NextHeader.destination && routed && fragmentable === 0) {
        fragmentable = at;
        fragmentableName = name;
      }
      if (at + 8 > end) return undefined;
      name = at;
      at += (bytes[at + 1] + 1) * 8;
      if (at > end) return undefined;
    }
    if (fragmentable === 0) {
      fragmentable = at;
      fragmentableName = name;
    }
    return new Ipv6(bytes, offset, end, at, bytes[name], fragmentable, fragmentableName);
  }

  /** What the header says; 0 in segments too long for the field, and not to be trusted to fit the frame. */
  get payloadLength(): number {
    return u16(this.bytes, this.offset + 4);
  }

  get hopLimit(): number {
    return this.bytes[this.offset + 7];
  }

  get sourceAddress(): number {
    return this.offset + 8;
  }

  get destinationAddress(): number {
    return this.offset + 24;
  }

  /** Where the packet ends by its own account, but never before the transport or past the frame. */
  get packetEnd(): number {
    const told = this.offset + IPV6_HEADER + this.payloadLength;
    return told < this.transport ? this.end : Math.min(this.end, told);
  }
}
