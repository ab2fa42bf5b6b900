/** The data path: frames read in batches, frames written in batches. Nothing here allocates per frame. */
import type { DeviceCounters } from '../netgraph/device.js';
import { EINVAL, ENETDOWN, ENOBUFS } from '../netgraph/errors.js';
import { Frame, POISON, VNET_HEADER } from '../netgraph/frame.js';
import type { Poller } from './native.js';

const ETHERNET_HEADER = 14;
/** A 64 KiB segment with link headers: what the addon has room for on the way in. */
const LARGEST = 66048 - VNET_HEADER;
const ZERO_HEADER = new Uint8Array(VNET_HEADER);

/** A frame of the slab. The write is put off to the end of the batch, so the bytes must stay as they are till then. */
class SlabFrame extends Frame {
  queued = false;

  override get mayWrite(): boolean {
    return !this.queued && !this.shared;
  }
}

/** The part of an interface that the data path needs. */
export interface Port {
  readonly counters: DeviceCounters;
  readonly queue: Queue;
  receive(frame: Frame): void;
  /** Its interface was found deleted. */
  lost(): void;
}

/** What waits to be written to one interface. */
export class Queue {
  /** [offset, length] in the slab, offload headers included: the Poller's batch of the slot. */
  pairs: Int32Array = new Int32Array(0);
  count = 0;
  octets = 0;
  /** Slot in the Poller, or -1: the interface is gone. */
  slot = -1;
  /** IFF_UP. */
  up = false;
}

/** Moves frames between the Poller and the interfaces of a TapHost. */
export class Batches {
  /** By slot. */
  readonly ports: (Port | undefined)[] = [];
  private readonly slab: Uint8Array;
  private readonly entries: Int32Array;
  private readonly frames: SlabFrame[] = [];
  /** Ports with something to write, `dirtyCount` of them: to cut an array short calls the runtime, each time. */
  private readonly dirty: (Port | undefined)[] = [];
  private dirtyCount = 0;
  /** Entries of the Poller's list. */
  private listed = 0;
  /** Where the next copy goes in the part of the slab that is not read into. */
  private scratch: number;
  private reading = false;
  private scheduled = false;

  constructor(
    private readonly poller: Poller,
    private readonly report: (error: unknown) => void,
    /** Poisons frames after their batch. */
    private readonly debug: boolean,
  ) {
    this.slab = new Uint8Array(poller.slab);
    this.entries = poller.frames;
    this.scratch = poller.scratch;
    for (let i = 0; i < this.entries.length / 3; i++) this.frames.push(new SlabFrame(this.slab));
  }

  /** Hands a batch to the graph, then writes what came of it. */
  received(count: number): void {
    this.reading = true;
    let i = 0;
    while (i < count) {
      try {
        while (i < count) this.deliver(i++);
      } catch (error) {
        this.report(error); // and go on with the next frame
      }
    }
    this.reading = false;
    this.flush();
    if (this.debug) for (i = 0; i < count; i++) if (this.entries[3 * i + 2]! > 0) this.poison(i);
  }

  /** Makes sure that whoever still uses a frame of the last batch, or its bytes, is found out. */
  private poison(i: number): void {
    const [, offset, length] = this.entries.subarray(3 * i);
    this.slab.fill(POISON, offset! - VNET_HEADER, offset! + length!);
    this.frames[i]!.expire();
    this.frames[i] = new SlabFrame(this.slab);
  }

  private deliver(i: number): void {
    const port = this.ports[this.entries[3 * i]!];
    if (port === undefined) return; // destroyed while the batch was on its way
    const length = this.entries[3 * i + 2]!;
    if (length <= 0) {
      if (length < 0) port.lost();
      else port.counters.dropInvalid++;
      return;
    }
    const frame = this.frames[i]!;
    frame.bytes = this.slab;
    frame.offset = this.entries[3 * i + 1]!;
    frame.length = length;
    frame.offload = true;
    frame.shared = false;
    frame.queued = false;
    port.counters.rxFrames++;
    port.counters.rxOctets += length;
    port.receive(frame);
  }

  /** Queues a frame for an interface. Returns 0, or an errno when it was dropped. */
  transmit(port: Port, frame: Frame): number {
    const { queue } = port;
    const { length } = frame;
    if (!queue.up || queue.slot < 0) {
      if (queue.slot < 0) port.counters.dropGone++;
      else port.counters.dropDown++;
      return ENETDOWN;
    }
    if (length < ETHERNET_HEADER || length > LARGEST) {
      port.counters.dropInvalid++;
      return EINVAL;
    }
    let offset: number;
    if (frame.offload && frame instanceof SlabFrame && frame.bytes === this.slab) {
      frame.queued = true;
      offset = frame.offset - VNET_HEADER;
    } else {
      offset = this.copy(frame);
      if (offset < 0) {
        port.counters.dropNoBuffer++;
        return ENOBUFS;
      }
    }
    if (queue.count === 0) this.dirty[this.dirtyCount++] = port;
    const { pairs } = queue;
    pairs[2 * queue.count] = offset;
    pairs[2 * queue.count + 1] = length + VNET_HEADER;
    queue.count++;
    queue.octets += length;
    if (2 * queue.count === pairs.length) {
      this.list(port);
      this.write();
    } else if (!this.reading && !this.scheduled) {
      this.scheduled = true;
      queueMicrotask(this.flushLater);
    }
    return 0;
  }

  /** Copies a frame behind an offload header into the slab; returns where that begins. */
  private copy(frame: Frame): number {
    const { bytes, offset, length } = frame;
    if (this.scratch + VNET_HEADER + length > this.slab.length) this.flush();
    const start = this.scratch;
    this.scratch += VNET_HEADER + length;
    const { slab } = this;
    const from = frame.offload ? offset - VNET_HEADER : offset;
    const to = frame.offload ? start : start + VNET_HEADER;
    if (to === start + VNET_HEADER) slab.set(ZERO_HEADER, start);
    // A view costs 20 ns, but set() with it is several times as fast as a loop from a hundred bytes on.
    if (bytes === slab) slab.copyWithin(to, from, offset + length);
    else slab.set(bytes.subarray(from, offset + length), to);
    return start;
  }

  private readonly flushLater = (): void => {
    this.scheduled = false;
    this.flush();
  };

  /** Writes everything that waits. */
  flush(): void {
    const { dirty, dirtyCount } = this;
    this.dirtyCount = 0;
    for (let i = 0; i < dirtyCount; i++) {
      this.list(dirty[i]!);
      dirty[i] = undefined;
    }
    this.write();
    this.scratch = this.poller.scratch;
  }

  /** Puts what waits for an interface on the list of the next write, and counts it as written. */
  private list({ queue, counters }: Port): void {
    const { count, octets, slot } = queue;
    if (count === 0) return;
    queue.count = 0;
    queue.octets = 0;
    if (slot < 0) {
      counters.dropGone += count;
      return;
    }
    counters.txFrames += count;
    counters.txOctets += octets;
    const { list } = this.poller;
    list[2 * this.listed] = slot;
    list[2 * this.listed + 1] = count;
    this.listed++;
    if (2 * this.listed === list.length) this.write();
  }

  private write(): void {
    const taps = this.listed;
    if (taps === 0) return;
    this.listed = 0;
    if (this.poller.flush(taps) === 0) return;
    for (let i = 0; i < taps; i++) this.failed(this.ports[this.poller.list[2 * i]!]!, 5 * i);
  }

  /** Takes back what was counted for frames that the kernel did not take. */
  private failed(port: Port, at: number): void {
    const [down, noBuffer, gone, invalid, octets] = this.poller.failures.subarray(at, at + 5);
    const { counters } = port;
    counters.txFrames -= down! + noBuffer! + gone! + invalid!;
    counters.txOctets -= octets!;
    counters.dropDown += down!;
    counters.dropNoBuffer += noBuffer!;
    counters.dropGone += gone!;
    counters.dropInvalid += invalid!;
    // Not here, in the midst of somebody's transmit().
    if (gone! > 0) queueMicrotask(() => port.lost());
  }
}
