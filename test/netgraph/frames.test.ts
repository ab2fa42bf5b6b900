import { describe, expect, it } from 'vitest';
import { defineNode, Frame, VNET_HEADER } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const text = (frame: Frame) => Buffer.from(frame.view()).toString();

describe('a frame', () => {
  it('is a part of some storage, seen through view()', () => {
    const frame = new Frame(Buffer.from('..frame..'), 2, 5);
    expect(text(frame)).toBe('frame');
    expect(text(new Frame(Buffer.from('..frame'), 2))).toBe('frame');
  });

  it('is made of bytes only', () => {
    for (const wrong of ['hello', [1, 2], new Uint16Array(3), new ArrayBuffer(3), null])
      expect(() => new Frame(wrong as unknown as Uint8Array)).toThrow(TypeError);
  });

  it('that is retained has bytes of its own', () => {
    const storage = Buffer.from('..frame..');
    const kept = new Frame(storage, 2, 5).retain();
    storage.fill(0);
    expect(text(kept)).toBe('frame');
  });

  it('takes its offload header along when it is retained', () => {
    const storage = new Uint8Array(VNET_HEADER + 10).map((_, i) => i);
    const kept = new Frame(storage, VNET_HEADER, 10, true).retain();
    expect(kept.offload).toBe(true);
    expect([...kept.bytes.subarray(kept.offset - VNET_HEADER, kept.offset)]).toEqual([
      ...storage.subarray(0, VNET_HEADER),
    ]);
    expect(kept.view()[0]).toBe(VNET_HEADER);
  });

  it('that is writable is itself when nobody else has it, and else a copy', () => {
    const frame = new Frame(Buffer.from('frame'));
    expect(frame.writable()).toBe(frame);
    frame.shared = true;
    const copy = frame.writable();
    expect(copy).not.toBe(frame);
    expect(copy.shared).toBe(false);
    copy.view().fill(0);
    expect(text(frame)).toBe('frame');
  });
});

describe('a frame with offloads', () => {
  /** An Ethernet frame with a UDP datagram whose checksum is left to the receiver. */
  function partial(): Frame {
    const bytes = new Uint8Array(VNET_HEADER + 60);
    bytes[0] = 1;
    const view = new DataView(bytes.buffer);
    view.setUint16(6, 34, true);
    view.setUint16(8, 6, true);
    view.setUint16(VNET_HEADER + 12, 0x0800);
    view.setUint8(VNET_HEADER + 14, 0x45);
    view.setUint16(VNET_HEADER + 16, 46);
    view.setUint8(VNET_HEADER + 23, 17);
    view.setUint16(VNET_HEADER + 38, 26);
    return new Frame(bytes, VNET_HEADER, 60, true);
  }

  it('reaches a type as it is, or as it would be on a wire: what the type wants', () => {
    for (const frames of ['offload', 'wire'] as const) {
      const seen: Frame[] = [];
      const type = defineNode({
        type: 'viewer',
        cookie: 87,
        frames,
        create: () => ({
          receive(frame) {
            seen.push(frame.retain());
            return 0;
          },
        }),
      });
      const me = new Program(simulatedWorld({ types: [type] }));
      me.mkpeer('.', 'viewer', 'v', 'x');
      expect(me.node.findHook('v')!.send(partial())).toBe(0);
      expect(seen.map(({ offload, length }) => [offload, length])).toEqual([[frames === 'offload', 60]]);
      const checksum = new DataView(seen[0].view().slice().buffer).getUint16(40);
      expect(checksum === 0).toBe(frames === 'offload');
    }
  });
});

describe('fan-out', () => {
  /** Scribbles over every frame that it gets, as far as it may. */
  const declareScribbler = (frames: 'offload' | 'wire') =>
    defineNode({
      type: 'scribbler',
      cookie: 86,
      frames,
      create: () => ({
        receive(frame) {
          frame.writable().view().fill(0x2a);
          return 0;
        },
      }),
    });
  const scribbler = declareScribbler('offload');

  function scribbling() {
    const world = simulatedWorld({ types: [scribbler] });
    return new Program(world);
  }

  it('in a hub lets nobody write to what others still get', () => {
    const me = scribbling();
    me.mkpeer('.', 'hub', 'in', 'in');
    me.connect('.', 'in', 'before', 'before');
    me.mkpeer('in', 'scribbler', 's', 'x');
    me.connect('.', 'in', 'after', 'after');
    me.mkpeer('in', 'scribbler', 's2', 'x');
    me.send('in', 'frame');
    expect(me.received()).toEqual(['after:frame', 'before:frame']);
  });

  it('does not even when a frame with offloads reaches one who wants it as on a wire', () => {
    for (const needsChecksum of [0, 1]) {
      const me = new Program(simulatedWorld({ types: [declareScribbler('wire')] }));
      me.mkpeer('.', 'hub', 'in', 'in');
      me.connect('.', 'in', 'last', 'last');
      me.mkpeer('in', 'scribbler', 's', 'x');
      const bytes = new Uint8Array(VNET_HEADER + 60).fill(0x61, VNET_HEADER);
      bytes[0] = needsChecksum;
      bytes[6] = 34; // where the checksummed bytes begin, and the field among them
      bytes[8] = 6;
      me.node.findHook('in')!.send(new Frame(bytes, VNET_HEADER, 60, true));
      expect(me.received()[0]).toMatch(/^last:a{40}..a{18}$/s);
    }
  });

  it('in a tee does not either', () => {
    const me = scribbling();
    me.mkpeer('.', 'tee', 'l', 'left');
    me.mkpeer('l', 'scribbler', 'left2right', 'x');
    me.connect('.', 'l', 'r', 'right');
    me.send('l', 'frame');
    expect(me.received()).toEqual(['r:frame']);
  });

  it('within fan-out stays shared until the outermost is done', () => {
    const me = scribbling();
    me.mkpeer('.', 'hub', 'in', 'in');
    me.connect('.', 'in', 'last', 'last');
    me.mkpeer('in', 'hub', 'inner', 'outer');
    me.mkpeer('in.inner', 'scribbler', 's', 'x');
    me.send('in', 'frame');
    expect(me.received()).toEqual(['last:frame']);
  });

  it('gives the last receiver the very frame', () => {
    const world = simulatedWorld({ types: [scribbler] });
    const me = new Program(world);
    me.mkpeer('.', 'hub', 'in', 'in');
    me.mkpeer('in', 'scribbler', 's', 'x');
    const frame = new Frame(Buffer.from('frame'));
    me.node.findHook('in')!.send(frame);
    expect(text(frame)).toBe('*****');
    expect(frame.shared).toBe(false);
  });
});
