import { segment } from '../wire/segment.js';
import { countDrop } from './drops.js';
import { EINVAL } from './errors.js';
import { Frame, POISON } from './frame.js';
import { type Hook, pass, type ReceiveFrame } from './hook.js';

/**
 * Lets a type that wants frames as they are on a wire receive them so: large segments arrive cut to size, checksums
 * complete. The errno is that of the last piece that was dropped.
 */
export function onWire(receive: ReceiveFrame): ReceiveFrame {
  return (frame, hook) => (frame.offload ? receiveCut(frame, hook, receive) : receive(frame, hook));
}

function receiveCut(frame: Frame, hook: Hook, receive: ReceiveFrame): number {
  const { bytes, offset, length } = frame;
  const keep = !frame.mayWrite;
  const { debug } = hook.node.graph.env;
  let error = 0;
  const emit = (at: Uint8Array, start: number, size: number): void => {
    const piece = new Frame(at, start, size);
    // What needs nothing comes as it lies, among the bytes that others see.
    piece.shared = keep && at === bytes;
    error = pass(hook.node, piece, receive(piece, hook)) || error;
    if (!debug) return;
    piece.expire();
    if (at !== bytes) at.fill(POISON, start, start + size);
  };
  if (segment(bytes, offset, length, emit, keep) !== 'malformed') return error;
  countDrop(hook.node, 'malformed');
  return EINVAL;
}
