import fc from 'fast-check';
import { Frame, VNET_HEADER } from '../../src/netgraph/index.js';
import { writeVirtio } from '../../src/wire/index.js';
import { buildFrame, type FrameShape } from '../wire/frames.js';
import { byteMutation } from './support.js';

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

const ipv4 = (protocol: number, ...more: number[]): number[] => [
  ...[...MACS, 8, 0, 0x45, 0, 0, 20 + more.length, 0, 1, 0, 0, 64, protocol, 0, 0],
  ...[10, 0, 0, 1, 10, 0, 0, 2, ...more],
];

/** Frames of the kinds that there are, as they should be. */
const plain: number[][] = [
  [...MACS, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
  ipv4(1, 8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4), // echo request
  ipv4(1, 3, 4, 0, 0, 0, 0, 5, 0xdc, ...ipv4(6, 0, 80, 0, 81).slice(14)), // fragmentation needed
  ipv4(2, 0x11, 0, 0, 0),
  ipv4(47, 0x30, 1, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 0, 0xff, 3, 0, 0x21),
  [...MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255, ...new Array(32).fill(0xfe), 135, 0, 0, 0, 0, 0, 0, 0],
  [...MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 44, 64, ...new Array(32).fill(1), 17, 0, 0, 1, 0, 0, 0, 9],
  [...MACS, 0x88, 0x63, 0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0],
  [...MACS, 0x88, 0x64, 0x11, 0, 0, 1, 0, 2, 0xc0, 0x21],
  [...MACS, 0x88, 0x09, 1, 1, 1, 20, ...new Array(40).fill(0)], // LACP
  [...MACS, 0, 3, 0x42, 0x42, 3],
];

const shape: fc.Arbitrary<FrameShape> = fc.record(
  {
    version: fc.constantFrom<4 | 6>(4, 6),
    protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
    vlans: fc.array(fc.constantFrom<[number, number]>([0x8100, 5], [0x88a8, 0xf0ff], [0x8100, 0]), {
      maxLength: 9,
    }),
    ipOptions: fc.constantFrom([], [1, 1, 1, 1], [7, 3, 4, 0]),
    extensions: fc.array(
      fc.constantFrom<'hop' | 'routing' | 'destination'>('hop', 'routing', 'destination'),
      {
        maxLength: 3,
      },
    ),
    tcpOptions: fc.constantFrom([], [1, 1, 1, 1], [2, 4, 5, 0xb4]),
    flags: fc.nat(255),
    payload: fc.constantFrom(0, 1, 7, 100, 1400, 3000).map((length) => new Array<number>(length).fill(0x61)),
    padding: fc.constantFrom(0, 6),
  },
  { requiredKeys: ['version', 'protocol', 'payload'] },
);

const small = fc.oneof(
  fc.nat(3),
  fc.nat(100),
  fc.nat(0xffff),
  fc.constantFrom(14, 34, 16, 6, 1448, 8, 0xffff),
);

/** An offload header: one that fits, one that might, or anything at all. */
const header = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant('fitting' as const), gsoSize: small, cut: fc.boolean() }),
  fc.record({
    kind: fc.constant('odd' as const),
    flags: fc.nat(7),
    gsoType: fc.constantFrom(0, 1, 3, 4, 5, 0x80, 0x81, 0x84, 6, 255),
    gsoSize: small,
    headerLength: small,
    csumStart: small,
    csumOffset: small,
    buffers: small,
  }),
  fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ minLength: 12, maxLength: 12 }) }),
);

/** A frame, with an offload header before it or without one. */
export const frame = fc
  .record({
    built: fc.oneof(
      { weight: 6, arbitrary: shape },
      { weight: 3, arbitrary: fc.constantFrom(...plain) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
    ),
    mutate: byteMutation,
    header,
  })
  .map(({ built, mutate, header }) => {
    const base =
      'version' in built ? buildFrame(built, header === undefined ? 'complete' : 'partial') : undefined;
    const bytes = mutate(base === undefined ? (built as ArrayLike<number>) : base.bytes);
    if (header === undefined) return new Frame(bytes);
    const whole = new Uint8Array(VNET_HEADER + bytes.length);
    whole.set(bytes, VNET_HEADER);
    if (header.kind === 'bytes') whole.set(header.bytes);
    else if (header.kind === 'odd') writeVirtio(whole, 0, header);
    else if (base !== undefined && 'version' in built) {
      const tcp = built.protocol === 'tcp';
      writeVirtio(whole, 0, {
        flags: 1,
        gsoType: !header.cut ? 0 : tcp ? (built.version === 4 ? 1 : 4) : header.gsoSize % 2 ? 3 : 5,
        gsoSize: header.gsoSize,
        headerLength: base.data,
        csumStart: base.transport,
        csumOffset: tcp ? 16 : 6,
      });
    }
    return new Frame(whole, VNET_HEADER, bytes.length, true);
  });
