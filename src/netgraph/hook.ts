import type { ReceiveMessage } from './define.js';
import type { Frame } from './frame.js';
import type { Node } from './node.js';

/**
 * What became of a frame in a node: 0, or the errno with which it was dropped and the node has counted it; a hook of
 * the node to pass it on through, as the last thing the node does with it (which spares the stack); undefined: there is
 * no such hook. The graph counts that, and what a node drops by throwing NgError.
 */
export type Passed = Hook | number | undefined;

/** Handles a frame that arrives through a hook. */
export type ReceiveFrame = (frame: Frame, hook: Hook) => Passed;

/** Reasons for frames to leave the direct path, as bits of `Hook.gate` and `Node.gate`. */
export const Gate = {
  /** Gone, or not yet complete: nothing passes. */
  INVALID: 1,
  /** A writer is at work in the node. */
  BUSY: 2,
  /** Something waits in the node's queue, and order is kept. */
  WAITING: 4,
  /** What arrives is always queued: HK_QUEUE, and the same for a whole node. */
  QUEUE: 8,
  /** What arrives counts as a writer: NGF_FORCE_WRITER, HK_FORCE_WRITER. */
  WRITER: 16,
} as const;

/** One end of an edge. Its other end is `peer`; both come and go together. */
export class Hook {
  peer: Hook;
  /** Where the last frame that arrived here went from this node: a guess at where the next one will. */
  likely: Hook = this;
  /** Bits of `Gate`: non-zero takes frames for this hook off the direct path. */
  gate: number = Gate.INVALID;
  /** NG_HOOK_SET_RCVDATA: what handles frames that arrive here. */
  receive: ReceiveFrame = nothing;
  /** NG_HOOK_SET_RCVMSG: handles messages that arrive here, in place of the node. */
  receiveMessage: ReceiveMessage | undefined;

  constructor(
    readonly node: Node,
    public name: string,
  ) {
    this.peer = this;
  }

  /** Whether the hook is part of an edge. A hook that was destroyed is its own peer. */
  get isValid(): boolean {
    return (this.gate & Gate.INVALID) === 0;
  }

  /**
   * NG_SEND_DATA: hands a frame to the node at the other end, which has dealt with it (or keeps a copy) when
   * this returns. Returns 0, or the errno with which the frame was dropped. Throws only what `ExpiredFrame` is for.
   */
  send(frame: Frame): number {
    const { executor } = this.node;
    executor.depth++;
    const { tooDeep } = executor;
    let { peer } = this;
    let error: number;
    try {
      for (;;) {
        const { node, likely } = peer;
        if ((peer.gate | node.gate) !== 0 || tooDeep || executor.budget <= 0) {
          error = executor.deliverSlowly(peer, frame);
          break;
        }
        executor.budget--;
        node.readers++;
        let passed: Passed;
        try {
          passed = peer.receive(frame, peer);
        } catch (thrown) {
          passed = executor.receiveFailed(node, frame, thrown);
        } finally {
          node.readers--;
        }
        if (typeof passed !== 'object') {
          error = passed === 0 ? 0 : executor.settle(node, passed);
          break;
        }
        // The same value either way. But what was guessed the processor need not wait for: it is at the next node already
        // while this one's answer is still on its way from memory. Long chains take 12 ns a hop instead of 20.
        const next = (passed as Hook | null)?.peer;
        if (next === likely) peer = likely;
        else if (passed instanceof Hook) peer = peer.likely = passed.peer;
        else {
          error = executor.settle(node, passed);
          break;
        }
      }
    } catch (thrown) {
      error = executor.sendFailed(this.node, thrown);
    } finally {
      if (--executor.depth === 0) executor.leave();
    }
    return error;
  }

  /** NG_HOOK_FORCE_QUEUE: whether frames that arrive here are queued rather than delivered directly. */
  set queued(on: boolean) {
    this.gate = on ? this.gate | Gate.QUEUE : this.gate & ~Gate.QUEUE;
  }

  /** NG_HOOK_FORCE_WRITER: whether frames that arrive here have the node to themselves. */
  set exclusive(on: boolean) {
    this.gate = on ? this.gate | Gate.WRITER : this.gate & ~Gate.WRITER;
  }

  toString(): string {
    return `${this.node}${this.name}`;
  }
}

function nothing(): undefined {}

/** Does what a node said is to become of a frame. Returns 0, or the errno with which it was dropped. */
export const pass = (node: Node, frame: Frame, to: Passed): number =>
  to instanceof Hook ? to.send(frame) : node.executor.settle(node, to);
