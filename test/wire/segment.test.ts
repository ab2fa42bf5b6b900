import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Emit, segment } from '../../src/wire/segment.js';
import { Gso, isWireReady, VIRTIO_HEADER, writeVirtio } from '../../src/wire/virtio.js';
import { buildFrame, buildSegment, type FrameShape, slowSum, withVirtio } from './frames.js';

interface Run {
  result: string;
  frames: Uint8Array[];
}

function run(bytes: Uint8Array, keep = false): Run {
  const frames: Uint8Array[] = [];
  const emit: Emit = (from, offset, length) => {
    expect(isWireReady(from, offset - VIRTIO_HEADER)).toBe(true);
    frames.push(from.slice(offset, offset + length));
  };
  const result = segment(bytes, VIRTIO_HEADER, bytes.length - VIRTIO_HEADER, emit, keep);
  return { result, frames };
}

const count = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => index * 7 + (index >> 8));

const tags: [number, number][] = [[0x8100, 0x0005]];

const shapes = fc.record<FrameShape>({
  version: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
  vlans: fc.constantFrom([], tags),
  ipOptions: fc.constantFrom([], [1, 1, 1, 1]),
  extensions: fc.constantFrom([], ['hop' as const], ['destination' as const, 'routing' as const]),
  identification: fc.nat(0xffff),
  tcpOptions: fc.constantFrom([], [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
  sequence: fc.nat(0xffff_ffff),
  flags: fc.nat(255),
  payload: fc.uint8Array({ minLength: 2, maxLength: 600 }),
});

const gsoOf = ({ version, protocol }: FrameShape): number =>
  protocol === 'udp' ? Gso.udpSegment : version === 4 ? Gso.tcp4 : Gso.tcp6;

/** The pieces as someone would build them who had the data in pieces to begin with. */
function expected(shape: FrameShape, size: number): number[][] {
  const pieces = Math.ceil(shape.payload.length / size);
  return Array.from({ length: pieces }, (_, index) => {
    const last = index === pieces - 1;
    const flags = (shape.flags ?? 0) & (last ? 0xff : ~0x09) & (index === 0 ? 0xff : ~0x80);
    return buildFrame({
      ...shape,
      identification: ((shape.identification ?? 0) + index) & 0xffff,
      sequence: ((shape.sequence ?? 0) + index * size) >>> 0,
      flags,
      payload: shape.payload.slice(index * size, (index + 1) * size),
    }).bytes;
  });
}

describe('segment', () => {
  it('cuts TCP and UDP into the packets that would have been sent one by one', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 599 }), (shape, wanted) => {
        const size = Math.max(wanted, Math.ceil(shape.payload.length / 128));
        if (size >= shape.payload.length) return;
        const { result, frames } = run(buildSegment(shape, gsoOf(shape), size));
        expect(result).toBe('cut');
        expect(frames.map((frame) => [...frame])).toEqual(expected(shape, size));
      }),
      { numRuns: 500 },
    );
  });

  it('only reads a frame that it cuts', () => {
    const bytes = buildSegment({ version: 4, protocol: 'tcp', payload: count(5000) }, Gso.tcp4, 1000);
    const before = bytes.slice();
    run(bytes);
    expect(bytes).toEqual(before);
  });

  it('completes a checksum in place and says so in the header', () => {
    const shape: FrameShape = { version: 6, protocol: 'udp', payload: count(301) };
    const { bytes, transport } = buildFrame(shape, 'partial');
    const frame = withVirtio({ flags: 1, csumStart: transport, csumOffset: 6 }, bytes);
    expect(run(frame)).toMatchObject({ result: 'whole' });
    expect([...frame]).toEqual([...new Uint8Array(VIRTIO_HEADER), ...buildFrame(shape).bytes]);
    // Once more changes nothing: the header no longer asks for it.
    expect([...run(frame).frames[0]]).toEqual(buildFrame(shape).bytes);
  });

  it('completes it in a copy when others see the bytes', () => {
    const shape: FrameShape = { version: 4, protocol: 'tcp', payload: count(301) };
    const frame = buildSegment(shape, Gso.tcp4, 1448);
    const before = frame.slice();
    expect([...run(frame, true).frames[0]]).toEqual(buildFrame(shape).bytes);
    expect(frame).toEqual(before);
  });

  it('emits what needs nothing as it lies', () => {
    const frame = withVirtio({ flags: 2 }, buildFrame({ version: 4, protocol: 'udp', payload: [] }).bytes);
    const emitted: [Uint8Array, number, number][] = [];
    segment(frame, VIRTIO_HEADER, frame.length - VIRTIO_HEADER, (...args) => emitted.push(args));
    expect(emitted).toEqual([[frame, VIRTIO_HEADER, frame.length - VIRTIO_HEADER]]);
    expect(emitted[0][0]).toBe(frame);
  });

  it('sends a segment whole whose data fits, though data and options do not (Linux drops it)', () => {
    const shape: FrameShape = { version: 4, protocol: 'tcp', tcpOptions: [1, 1, 1, 1], payload: count(100) };
    const { result, frames } = run(buildSegment(shape, Gso.tcp4, 102));
    expect(result).toBe('whole');
    expect([...frames[0]]).toEqual(buildFrame(shape).bytes);
  });
});

/** Joins IPv6 fragments, as a receiver would. `unfragmentable`: where the fragment header is in each. */
function reassemble(frames: readonly Uint8Array[], fragmentHeader: number): number[] {
  const data: number[] = [];
  frames.forEach((frame, index) => {
    const field = frame[fragmentHeader + 2] * 256 + frame[fragmentHeader + 3];
    expect(field & 0xfff8).toBe(data.length);
    expect(field & 1).toBe(index === frames.length - 1 ? 0 : 1);
    data.push(...frame.subarray(fragmentHeader + 8));
  });
  return data;
}

describe('segment, UDP fragments', () => {
  it('over IPv4 fit together', () => {
    const shape: FrameShape = { version: 4, protocol: 'udp', payload: count(3000), ipOptions: [1, 1, 1, 1] };
    const { result, frames } = run(buildSegment(shape, Gso.udpFragment, 1003));
    expect(result).toBe('cut');
    expect(frames.map((frame) => frame.length - 38)).toEqual([1000, 1000, 1000, 8]);
    // DF is gone, MF stands in all but the last, offsets count by 8.
    expect(frames.map((frame) => frame[20] * 256 + frame[21])).toEqual([0x2000, 0x207d, 0x20fa, 0x0177]);
    for (const frame of frames) expect(slowSum(frame.subarray(14, 38))).toBe(0xffff);
    const whole = buildFrame(shape);
    expect(frames.flatMap((frame) => [...frame.subarray(38)])).toEqual(whole.bytes.slice(whole.transport));
  });

  it('over IPv6 fit together, whichever extension headers there are', () => {
    const kinds = [['hop'], ['hop', 'routing'], ['hop', 'routing', 'destination']] as const;
    for (const extensions of kinds) {
      const shape: FrameShape = {
        version: 6,
        protocol: 'udp',
        payload: count(900),
        extensions: [...extensions],
      };
      const { frames } = run(buildSegment(shape, Gso.udpFragment, 16));
      const whole = buildFrame(shape);
      // Destination options behind a routing header are for the end only: they are part of what is cut.
      const data = whole.transport - (extensions.length === 3 ? 16 : 0);
      expect(reassemble(frames, data)).toEqual(whole.bytes.slice(data));
      for (const frame of frames) {
        expect(frame[18] * 256 + frame[19]).toBe(frame.length - 54);
        expect(frame.subarray(data + 4, data + 8)).toEqual(frames[0].subarray(data + 4, data + 8));
      }
    }
  });

  it('over IPv6 count their offsets from the fragmentable part on, as RFC 8200 has it', () => {
    for (const extensions of [[], ['hop'], ['hop', 'routing', 'hop']] as const) {
      const shape: FrameShape = {
        version: 6,
        protocol: 'udp',
        payload: count(56),
        extensions: [...extensions],
      };
      const { frames } = run(buildSegment(shape, Gso.udpFragment, 24));
      const field = buildFrame(shape).transport + 2;
      expect(frames.map((frame) => frame[field] * 256 + frame[field + 1])).toEqual([1, 24 + 1, 48]);
    }
  });

  it('over IPv6 differ in their identification when the datagrams do', () => {
    const idOf = (first: number): string => {
      const payload = count(900);
      payload[0] = first;
      const { frames } = run(buildSegment({ version: 6, protocol: 'udp', payload }, Gso.udpFragment, 800));
      return frames[0].subarray(58, 62).join();
    };
    expect(new Set(Array.from({ length: 256 }, (_, first) => idOf(first))).size).toBe(256);
  });
});

describe('segment, receivers', () => {
  const segmentOf = (fill: number): Uint8Array =>
    buildSegment(
      { version: 4, protocol: 'udp', payload: new Uint8Array(300).fill(fill) },
      Gso.udpSegment,
      100,
    );

  it('may cause other frames to be cut while they hold theirs', () => {
    const inner = segmentOf(2);
    const outer = segmentOf(1);
    const length = outer.length - VIRTIO_HEADER;
    const seen: number[] = [];
    segment(outer, VIRTIO_HEADER, length, (bytes, offset, size) => {
      segment(inner, VIRTIO_HEADER, length, (from, at) => seen.push(from[at + 50]));
      seen.push(bytes[offset + size - 1]);
    });
    expect(seen).toEqual([2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2, 1]);
  });

  it('may write to what they get', () => {
    const frame = segmentOf(1);
    const untouched = run(frame).frames;
    const seen: Uint8Array[] = [];
    segment(frame, VIRTIO_HEADER, frame.length - VIRTIO_HEADER, (bytes, offset, length) => {
      seen.push(bytes.slice(offset, offset + length));
      bytes.fill(0xee);
    });
    expect(seen).toEqual(untouched);
  });

  it('may throw', () => {
    const frame = segmentOf(1);
    const fail = () => {
      throw new Error('no');
    };
    for (let round = 0; round < 3; round++) {
      expect(() => segment(frame, VIRTIO_HEADER, frame.length - VIRTIO_HEADER, fail)).toThrow('no');
    }
    expect(run(frame).frames.length).toBe(3);
  });
});

describe('segment, garbage', () => {
  const header = fc.record({
    flags: fc.constantFrom(0, 1, 3, 255),
    gsoType: fc.constantFrom(0, 1, 2, 3, 4, 5, 0x81, 0x84, 255),
    headerLength: fc.constantFrom(0, 54),
    gsoSize: fc.oneof(fc.nat(64), fc.nat(0xffff)),
    csumStart: fc.oneof(fc.constantFrom(34, 38, 54), fc.nat(0xffff)),
    csumOffset: fc.oneof(fc.constantFrom(6, 16), fc.nat(0xffff)),
  });
  const damage = fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 4 });

  it('is called malformed or emitted, with no byte written outside the frame', () => {
    fc.assert(
      fc.property(shapes, header, damage, fc.nat(700), fc.boolean(), (shape, asked, harm, cut, keep) => {
        const { bytes } = buildFrame(shape, 'partial');
        for (const [at, value] of harm) if (at < bytes.length) bytes[at] = value;
        const frame = bytes.slice(0, Math.max(0, bytes.length - (cut > 600 ? cut - 600 : 0)));
        const room = new Uint8Array(VIRTIO_HEADER + frame.length + 64).fill(0xa5);
        writeVirtio(room, 32, asked);
        room.set(frame, 32 + VIRTIO_HEADER);
        const before = room.slice();
        let emitted = 0;
        const result = segment(
          room,
          32 + VIRTIO_HEADER,
          frame.length,
          (_, __, length) => {
            expect(length).toBeLessThanOrEqual(frame.length + 8);
            emitted++;
          },
          keep,
        );
        expect(emitted > 0).toBe(result !== 'malformed');
        expect(room.subarray(0, 32)).toEqual(before.subarray(0, 32));
        const end = 32 + VIRTIO_HEADER + frame.length;
        expect(room.subarray(end)).toEqual(before.subarray(end));
        if (keep || result !== 'whole') expect(room).toEqual(before);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses frames that do not lie in the bytes', () => {
    const bytes = new Uint8Array(100);
    const never: Emit = () => expect.unreachable();
    for (const [offset, length] of [
      [0, 50],
      [11, 50],
      [12, 13],
      [12, 89],
      [-5, 50],
      [200, 50],
    ]) {
      expect(segment(bytes, offset, length, never)).toBe('malformed');
    }
  });
});
