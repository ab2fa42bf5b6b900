import type { Delivery } from './define.js';
import { countDrop } from './drops.js';
import type { Environment } from './environment.js';
import { EIO, ENETDOWN, ENOBUFS, NgError, textOf } from './errors.js';
import { ExpiredFrame, type Frame } from './frame.js';
import { Gate, type Hook, type Passed, pass } from './hook.js';
import { limits, MAX_DEPTH, MAX_HOPS } from './limits.js';
import { HEADER_SIZE } from './message.js';
import type { Node } from './node.js';

/** Something that waits for a node: a frame, a message, or work on the node itself (ng_send_fn). */
export type Item =
  | { readonly kind: 'frame'; readonly frame: Frame; readonly hook: Hook }
  | { readonly kind: 'message'; readonly delivery: Delivery; readonly done: Done }
  | { readonly kind: 'work'; readonly run: () => void };

/** Told once what came of a message: nothing, or the NgError with which it was refused. */
export type Done = (error?: NgError) => void;

/** Hops of queued work in one go before others get their turn, and microseconds. */
const SLICE = 65536;
const SLICE_TIME = 2000;

/**
 * Runs what happens in a graph: directly where it can, queued where it must. Netgraph's rule of readers and
 * writers: while a control message that may alter a node is handled, whatever else arrives there waits; and
 * such a message waits until the node is idle, and what comes after it waits behind it.
 */
export class Executor {
  /** Calls that are nested now. */
  depth = 0;
  /** Hops left to the frame that entered the graph last. */
  budget = MAX_HOPS;

  private readonly waiting = new Set<Node>();
  private postponed = false;

  constructor(
    private readonly env: Pick<Environment, 'clock' | 'later' | 'log'>,
    private readonly handle: (delivery: Delivery) => void,
    private readonly failed: (node: Node, error: unknown) => void,
  ) {}

  /** Whether frames must wait because calls are nested too deeply; the same until the innermost one returns. */
  get tooDeep(): boolean {
    return this.depth >= MAX_DEPTH;
  }

  /** What `Hook.send` does when a gate is shut or the way was long. Returns 0 or an errno. */
  deliverSlowly(hook: Hook, frame: Frame): number {
    const { node } = hook;
    const gate = hook.gate | node.gate;
    if ((gate & Gate.INVALID) !== 0) {
      countDrop(node, 'noHook');
      return ENETDOWN;
    }
    const writer = (gate & Gate.WRITER) !== 0;
    const must = (gate & (Gate.BUSY | Gate.WAITING | Gate.QUEUE)) !== 0 || (writer && node.readers > 0);
    if (!must && !this.tooDeep && this.budget > 0) return this.deliver(hook, frame, writer);
    const { vnet } = node;
    if (!limits.maxData.hasRoom(vnet) || !limits.maxDataOctets.hasRoom(vnet, frame.length)) {
      countDrop(node, 'queueFull');
      return ENOBUFS;
    }
    this.enqueue(node, { kind: 'frame', frame: frame.retain(), hook });
    return 0;
  }

  /** Has a message handled by its node, now or when its turn comes. `done` hears of the outcome. */
  deliverMessage(delivery: Delivery, done: Done): void {
    const { node } = delivery;
    const readOnly = delivery.message.isReadOnly;
    const shut = readOnly ? Gate.BUSY | Gate.WAITING | Gate.QUEUE : Gate.WAITING | Gate.QUEUE;
    const busy = (node.gate & shut) !== 0 || (!readOnly && !isIdle(node));
    if (!busy && this.depth < MAX_DEPTH) this.runMessage(delivery, done);
    else this.queueMessage({ kind: 'message', delivery, done });
  }

  /** There is room for twice as many, so that frames keep no message from its way. */
  private queueMessage(item: Item & { kind: 'message' }): void {
    const { node } = item.delivery;
    const { vnet } = node;
    if (!limits.maxData.hasRoom(vnet, 1, 2))
      item.done(new NgError('ENOBUFS', `more waits in ${vnet} than net.graph.maxdata allows`));
    else if (!limits.maxDataOctets.hasRoom(vnet, sizeOf(item), 2))
      item.done(new NgError('ENOBUFS', `more waits in ${vnet} than net.graph.maxdatabytes allows`));
    else this.enqueue(node, item);
  }

  /** ng_send_fn: alters a node as soon as nothing else is at work in it. */
  whenIdle(node: Node, run: () => void): void {
    if (isIdle(node)) this.runWork(node, run);
    else this.enqueue(node, { kind: 'work', run });
  }

  /** Runs what a node had a timer for, unless the node is gone meanwhile. */
  runTimer(node: Node, run: () => void): void {
    if (!node.isValid) return;
    try {
      this.asReader(node, run);
    } catch (thrown) {
      this.handlerFailed(node, thrown);
    }
  }

  /** Called when the outermost call is over. */
  leave(): void {
    this.budget = MAX_HOPS;
    if (this.waiting.size > 0 && !this.postponed) this.drain();
  }

  /** Works off what is queued, as long as it takes but for a graph that keeps itself busy. */
  drain(): void {
    if (this.depth > 0) return;
    const { clock } = this.env;
    const end = clock.now() + SLICE_TIME;
    let left = SLICE;
    // Round robin, and each node only what waits for it now: a loop of hubs keeps nobody from its turn.
    for (const node of this.waiting) {
      this.waiting.delete(node);
      for (let turns = node.queue.length; turns > 0 && node.queue.length > 0 && left > 0; turns--) {
        this.depth++;
        this.runItem(node, node.queue.shift()!);
        this.depth--;
        left -= 1 + MAX_HOPS - this.budget;
        this.budget = MAX_HOPS;
        if (clock.now() > end) left = 0;
      }
      if (node.queue.length > 0) this.waiting.add(node);
      if (left <= 0) break;
    }
    if (this.waiting.size > 0 && !this.postponed) this.postpone();
  }

  /** Forgets what waits for a node that goes. */
  flush(node: Node): void {
    for (const item of node.queue.splice(0)) {
      count(node, item, -1);
      if (item.kind === 'frame') countDrop(node, 'gone');
      else if (item.kind === 'message')
        this.tell(item.done, new NgError('EINVAL', `node ${node} is shutting down`));
    }
    node.gate &= ~Gate.WAITING;
    this.waiting.delete(node);
  }

  /** A type's code threw. An NgError is an errno; anything else is a defect that costs the node its life. */
  handlerFailed(node: Node, thrown: unknown): number {
    if (thrown instanceof NgError) return thrown.errno;
    countDrop(node, 'handlerFailed');
    this.failed(node, thrown);
    return EIO;
  }

  /** The same for the code that was given a frame, unless whoever sent the frame had lost it already. */
  receiveFailed(node: Node, frame: Frame, thrown: unknown): number {
    if (thrown instanceof ExpiredFrame && thrown.frame === frame) throw thrown;
    if (thrown instanceof NgError) countDrop(node, 'refused');
    return this.handlerFailed(node, thrown);
  }

  /** `Hook.send` threw: that falls back on the code of the node which sent, and on whoever called that. */
  sendFailed(node: Node, thrown: unknown): number {
    if (this.depth > 1) throw thrown;
    return this.handlerFailed(node, thrown);
  }

  /** What a node answered for a frame that it does not pass on, as 0 or an errno: one that it counts by itself. */
  settle(node: Node, answer: unknown): number {
    if (typeof answer === 'number') return answer;
    if (answer === undefined) {
      countDrop(node, 'noHook');
      return ENETDOWN;
    }
    const what = `receive returned ${textOf(answer)}, which is neither a hook nor an errno`;
    return this.handlerFailed(node, new TypeError(what));
  }

  private postpone(): void {
    this.postponed = true;
    this.env.later(() => {
      this.postponed = false;
      this.drain();
    });
  }

  private enqueue(node: Node, item: Item): void {
    count(node, item, 1);
    node.queue.push(item);
    node.gate |= Gate.WAITING;
    this.waiting.add(node);
    // A frame that its sender's first call leads to here waits for a turn of its own; all else for the end of this one.
    const outermost = this.depth === (item.kind === 'frame' ? 1 : 0);
    if (outermost && !this.postponed) this.postpone();
  }

  private runItem(node: Node, item: Item): void {
    count(node, item, -1);
    if (node.queue.length === 0) node.gate &= ~Gate.WAITING;
    if (item.kind === 'work') this.runWork(node, item.run);
    else if (item.kind === 'message') this.runMessage(item.delivery, item.done);
    else {
      const gate = item.hook.gate | node.gate;
      if ((gate & Gate.INVALID) === 0) this.deliver(item.hook, item.frame, (gate & Gate.WRITER) !== 0);
      else countDrop(node, 'gone');
    }
  }

  private deliver(hook: Hook, frame: Frame, writer: boolean): number {
    const { node } = hook;
    let passed: Passed;
    this.budget--;
    const receive = () => {
      passed = hook.receive(frame, hook);
    };
    try {
      if (writer) this.asWriter(node, receive);
      else this.asReader(node, receive);
    } catch (thrown) {
      passed = this.receiveFailed(node, frame, thrown);
    }
    return pass(node, frame, passed);
  }

  private runMessage(delivery: Delivery, done: Done): void {
    const { node } = delivery;
    const run = () => this.handle(delivery);
    let error: NgError | undefined;
    this.depth++;
    try {
      if (delivery.message.isReadOnly) this.asReader(node, run);
      else this.asWriter(node, run);
    } catch (thrown) {
      if (!(thrown instanceof NgError)) this.handlerFailed(node, thrown);
      error =
        thrown instanceof NgError ? thrown : new NgError('EIO', `node ${node} failed: ${textOf(thrown)}`);
    }
    // The outcome is told before what waited behind the message begins.
    this.tell(done, error);
    if (--this.depth === 0) this.leave();
  }

  /** Whoever asked may fail at hearing the answer, but what waits here has nothing to do with that. */
  private tell(done: Done, error: NgError | undefined): void {
    try {
      done(error);
    } catch (thrown) {
      this.env.log(`the outcome of a message: ${textOf(thrown, true)}`);
    }
  }

  private runWork(node: Node, run: () => void): void {
    try {
      this.asWriter(node, run);
    } catch (thrown) {
      this.handlerFailed(node, thrown);
    }
  }

  private asReader(node: Node, run: () => void): void {
    this.depth++;
    node.readers++;
    try {
      run();
    } finally {
      node.readers--;
      if (--this.depth === 0) this.leave();
    }
  }

  private asWriter(node: Node, run: () => void): void {
    this.depth++;
    node.gate |= Gate.BUSY;
    try {
      run();
    } finally {
      node.gate &= ~Gate.BUSY;
      if (--this.depth === 0) this.leave();
    }
  }
}

const sizeOf = (item: Exclude<Item, { kind: 'work' }>): number =>
  item.kind === 'frame' ? item.frame.length : HEADER_SIZE + item.delivery.message.data.length;

/** One more waits for a node, or one less. */
function count({ vnet }: Node, item: Item, more: 1 | -1): void {
  if (item.kind === 'work') return;
  limits.maxData.add(vnet, more);
  limits.maxDataOctets.add(vnet, more * sizeOf(item));
}

const isIdle = (node: Node): boolean => node.readers === 0 && (node.gate & Gate.BUSY) === 0;
