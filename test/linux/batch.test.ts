import { describe, expect, it } from 'vitest';
import { Batches, type Port, Queue } from '../../src/linux/batch.js';
import type { Poller } from '../../src/linux/native.js';
import { type Frame, type Hook, newCounters, onWire, VNET_HEADER } from '../../src/netgraph/index.js';

const SCRATCH = 1 << 12;
const START = 64;
const LENGTH = 60;

/** The data path over a slab in memory: what `source` receives, and what was written to the others. */
function scene() {
  const slab = new Uint8Array(2 * SCRATCH);
  const written: number[][] = [];
  const poller = {
    slab: slab.buffer,
    scratch: SCRATCH,
    frames: new Int32Array(3),
    failures: new Int32Array(5),
    flush(_slot: number, pairs: Int32Array, count: number) {
      for (let i = 0; i < count; i++) {
        const [offset, length] = pairs.subarray(2 * i);
        written.push([...slab.slice(offset! + VNET_HEADER, offset! + length!)]);
      }
      return 0;
    },
  };
  const report = (error: unknown) => {
    throw error;
  };
  const batches = new Batches(poller as unknown as Poller, report, false);
  const port = (slot: number): Port & { receive: (frame: Frame) => void } => {
    const made = { counters: newCounters(), queue: new Queue(), receive() {}, lost() {} };
    made.queue.slot = slot;
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

const scribble = (frame: Frame): number => {
  frame.writable().view().fill(0x2a);
  return 0;
};

describe('a frame that waits to be written', () => {
  it.each([
    ['as it is', scribble],
    ['as on a wire', onWire(scribble)],
  ])('is not changed by who gets it next, %s', (_, next) => {
    const { batches, port, source, arrive, written } = scene();
    const out = port(1);
    source.receive = (frame) => {
      batches.transmit(out, frame);
      next(frame, {} as Hook);
    };
    arrive();
    expect(written).toEqual([new Array(LENGTH).fill(1)]);
  });
});
