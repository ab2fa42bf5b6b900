import { describe, expect, it } from 'vitest';
import { Batches, type Port, Queue } from '../../src/linux/batch.js';
import type { Poller } from '../../src/linux/native.js';
import { defineNode, type Frame, type NodeType, newCounters, VNET_HEADER } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const SCRATCH = 1 << 12;
const START = 64;
const LENGTH = 60;

/** The data path over a slab in memory: what `source` receives, and what was written to the others. */
function scene(debug = false) {
  const slab = new Uint8Array(2 * SCRATCH);
  const written: number[][] = [];
  const poller = {
    slab: slab.buffer,
    scratch: SCRATCH,
    frames: new Int32Array(3),
    list: new Int32Array(2 * 4),
    failures: new Int32Array(5 * 4),
    flush(taps: number) {
      for (let tap = 0; tap < taps; tap++) {
        const [slot, count] = poller.list.subarray(2 * tap);
        for (let i = 0; i < count!; i++) {
          const [offset, length] = batches.ports[slot!]!.queue.pairs.subarray(2 * i);
          written.push([...slab.slice(offset! + VNET_HEADER, offset! + length!)]);
        }
      }
      return 0;
    },
  };
  const report = (error: unknown) => {
    throw error;
  };
  const batches = new Batches(poller as unknown as Poller, report, debug);
  const port = (slot: number): Port & { receive: (frame: Frame) => void } => {
    const made = { counters: newCounters(), queue: new Queue(), receive() {}, lost() {} };
    made.queue.slot = slot;
    made.queue.pairs = new Int32Array(2 * 4);
    made.queue.up = true;
    batches.ports[slot] = made;
    return made;
  };
  const source = port(0);
  /** A frame of ones that needs nothing to be done arrives at `source`. */
  const arrive = () => {
    slab.fill(1, START, START + LENGTH);
    slab.fill(0, START - VNET_HEADER, START);
    poller.frames.set([0, START, LENGTH]);
    batches.received(1);
  };
  return { batches, port, source, arrive, written };
}

/** A hook that leads to a node of a type of its own. */
function hookTo(type: NodeType) {
  const world = simulatedWorld({ types: [type] });
  const me = new Program(world);
  me.mkpeer('.', type.type, 'h', 'x');
  return { world, hook: me.node.findHook('h')! };
}

describe('a frame that waits to be written', () => {
  it.each(['offload', 'wire'] as const)('is not changed by who gets it next, a type for %s', (frames) => {
    const receive = (frame: Frame) => {
      frame.writable().view().fill(0x2a);
      return 0;
    };
    const { hook } = hookTo(
      defineNode({ type: 'scribbler', cookie: 71, frames, create: () => ({ receive }) }),
    );
    const { batches, port, source, arrive, written } = scene();
    const out = port(1);
    source.receive = (frame) => {
      batches.transmit(out, frame);
      hook.send(frame);
    };
    arrive();
    expect(written).toEqual([new Array(LENGTH).fill(1)]);
  });
});

describe('a type that keeps a frame and does not retain() it', () => {
  /** Looks at the first frame that it got whenever one comes. */
  const keeper = (keep: (frame: Frame) => Frame) =>
    defineNode({
      type: 'keeper',
      cookie: 70,
      create() {
        let kept: Frame | undefined;
        return {
          receive(frame) {
            kept ??= keep(frame);
            return kept.bytes[kept.offset]! - 1;
          },
        };
      },
    });

  it.each([
    ['is found out in debug mode', (frame: Frame) => frame, 5],
    ['is not found out when it does', (frame: Frame) => frame.retain(), 0],
  ])('%s', (_, keep, second) => {
    const { source, arrive } = scene(true);
    const { world, hook } = hookTo(keeper(keep));
    const errors: number[] = [];
    source.receive = (frame) => errors.push(hook.send(frame));
    arrive();
    arrive();
    expect(errors).toEqual([0, second]);
    expect(world.log.join()).toMatch(second === 0 ? /^$/ : /of type keeper failed: .* must retain\(\) it/);
  });
});
