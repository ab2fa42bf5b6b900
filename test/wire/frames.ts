// Frames to test with, built the slow and obvious way, and checksums added up byte by byte: nothing here uses
// the code under test but the header of virtio.
import { VIRTIO_HEADER, type VirtioHeader, writeVirtio } from '../../src/wire/virtio.js';

export const be16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];

export const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

/** A repeatable generator of 32-bit numbers (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** RFC 1071, not inverted, in plain arithmetic. */
export function slowSum(bytes: ArrayLike<number>, initial = 0): number {
  let sum = initial;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at] * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return sum;
}

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

export interface FrameShape {
  version: 4 | 6;
  protocol: 'tcp' | 'udp';
  /** Tags from the outside in: EtherType and tag control information. */
  vlans?: [number, number][];
  /** IPv4 options: a multiple of 4 bytes. */
  ipOptions?: number[];
  /** IPv6 extension headers in order. */
  extensions?: ('hop' | 'routing' | 'destination')[];
  identification?: number;
  /** TCP options: a multiple of 4 bytes. */
  tcpOptions?: number[];
  sequence?: number;
  flags?: number;
  payload: Uint8Array | number[];
  /** Bytes after the packet, as Ethernet pads short ones. */
  padding?: number;
}

export interface BuiltFrame {
  bytes: number[];
  /** Where the transport header is in the frame. */
  transport: number;
  /** Where its data is. */
  data: number;
}

const numberOf = { hop: 0, routing: 43, destination: 60 } as const;

function extensionHeaders(kinds: readonly (keyof typeof numberOf)[], protocol: number): number[] {
  return kinds.flatMap((kind, index) => {
    const next = index + 1 < kinds.length ? numberOf[kinds[index + 1]] : protocol;
    // PadN fills an options header; a routing header of an unknown type with no segments left is skipped.
    if (kind === 'routing') return [next, 0, 253, 0, 0, 0, 0, 0];
    return [next, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  });
}

function addressesOf(version: 4 | 6): number[] {
  if (version === 4) return [10, 0, 0, 1, 10, 0, 0, 2];
  return [1, 2].flatMap((host) => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
}

function transportHeader(shape: FrameShape): number[] {
  if (shape.protocol === 'udp') {
    return [...be16(5000), ...be16(6000), ...be16(8 + shape.payload.length), 0, 0];
  }
  const options = shape.tcpOptions ?? [];
  const words = 5 + options.length / 4;
  const flags = shape.flags ?? 0x18;
  const start = [...be16(5000), ...be16(6000), ...be32(shape.sequence ?? 1000), ...be32(77)];
  return [...start, words << 4, flags, ...be16(500), 0, 0, 0, 0, ...options];
}

function ipHeader(shape: FrameShape, protocol: number, length: number): number[] {
  const addresses = addressesOf(shape.version);
  if (shape.version === 6) {
    const extensions = extensionHeaders(shape.extensions ?? [], protocol);
    const first = shape.extensions?.length ? numberOf[shape.extensions[0]] : protocol;
    const payloadLength = length + extensions.length;
    return [0x60, 0, 0, 0, ...be16(payloadLength), first, 64, ...addresses, ...extensions];
  }
  const options = shape.ipOptions ?? [];
  const total = 20 + options.length + length;
  const start = [0x45 + options.length / 4, 0, ...be16(total), ...be16(shape.identification ?? 1), 0x40, 0];
  const header = [...start, 64, protocol, 0, 0, ...addresses, ...options];
  [header[10], header[11]] = be16(~slowSum(header) & 0xffff);
  return header;
}

/**
 * A frame whose transport checksum is `complete`, or `partial` as a sender with offloads leaves it, or left at
 * `zero`.
 */
export function buildFrame(shape: FrameShape, sum: 'complete' | 'partial' | 'zero' = 'complete'): BuiltFrame {
  const protocol = shape.protocol === 'tcp' ? 6 : 17;
  const transport = transportHeader(shape);
  const length = transport.length + shape.payload.length;
  const type = be16(shape.version === 4 ? 0x0800 : 0x86dd);
  const tags = (shape.vlans ?? []).flatMap(([tpid, control]) => [...be16(tpid), ...be16(control)]);
  const before = [...MACS, ...tags, ...type, ...ipHeader(shape, protocol, length)];
  const pseudo = slowSum([...addressesOf(shape.version), 0, protocol, ...be32(length)]);
  const field = shape.protocol === 'tcp' ? 16 : 6;
  const complete = ~slowSum([...transport, ...shape.payload], pseudo) & 0xffff;
  const value = { complete: complete || (protocol === 17 ? 0xffff : 0), partial: pseudo, zero: 0 }[sum];
  [transport[field], transport[field + 1]] = be16(value);
  const padding = new Array<number>(shape.padding ?? 0).fill(0);
  return {
    bytes: [...before, ...transport, ...shape.payload, ...padding],
    transport: before.length,
    data: before.length + transport.length,
  };
}

/** The frame behind an offload header: what a TAP with IFF_VNET_HDR reads and writes. */
export function withVirtio(header: Partial<VirtioHeader>, frame: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(VIRTIO_HEADER + frame.length);
  writeVirtio(bytes, 0, header);
  bytes.set(frame, VIRTIO_HEADER);
  return bytes;
}

/** A segment as the kernel hands it out: a partial checksum, and pieces of `gsoSize` bytes to be made. */
export function buildSegment(shape: FrameShape, gsoType: number, gsoSize: number): Uint8Array {
  const { bytes, transport, data } = buildFrame(shape, 'partial');
  const csumOffset = shape.protocol === 'tcp' ? 16 : 6;
  const header = { flags: 1, gsoType, gsoSize, headerLength: data, csumStart: transport, csumOffset };
  return withVirtio(header, bytes);
}
