/** Size of struct virtio_net_hdr_mrg_rxbuf, which stands before every frame that carries offload state. */
export const VNET_HEADER = 12;

/** In debug mode: what the bytes of frames become whose time is over. */
export const POISON = 0xdb;

/**
 * One Ethernet frame (or whatever a graph carries) on its way through the graph.
 *
 * A frame is *borrowed*: it is valid until the function it was handed to returns. Who keeps it longer takes
 * `retain()`; who changes its bytes asks for `writable()`. Only fan-out shares a frame.
 */
export class Frame {
  /** The storage that the frame lies in, often shared with other frames of the batch. */
  bytes: Uint8Array;
  /** Where the first byte of the frame is in `bytes`. */
  offset: number;
  /** Length in bytes, without the offload header. */
  length: number;
  /**
   * True when the VNET_HEADER bytes before `offset` hold a virtio_net_hdr in native byte order: checksums may
   * be partial and the frame may be a segment larger than any MTU. False: the bytes are as on a wire.
   */
  offload: boolean;
  /** True while more than one receiver gets this very frame, so that none may write to it. */
  shared = false;

  constructor(bytes: Uint8Array, offset = 0, length = bytes.length - offset, offload = false) {
    // A Node Buffer would do but for its slice(), which copies nothing.
    const plain = bytes?.constructor === Uint8Array;
    if (!plain && !(bytes instanceof Uint8Array))
      throw new TypeError('the bytes of a frame are a Uint8Array');
    this.bytes = plain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.offset = offset;
    this.length = length;
    this.offload = offload;
  }

  /** In debug mode: whoever still uses the frame from now on is found out. */
  expire(): void {
    const used = (): never => {
      throw new ExpiredFrame(this);
    };
    const trap = { get: used, set: used };
    Object.defineProperties(this, {
      bytes: trap,
      offset: trap,
      length: trap,
      offload: trap,
      shared: trap,
    });
  }

  /** A view of the frame's bytes, valid as long as the frame is. Costs an allocation: not for the data path. */
  view(): Uint8Array {
    return this.bytes.subarray(this.offset, this.offset + this.length);
  }

  /** A frame with its own copy of the bytes (and offload header), which stays valid. */
  retain(): Frame {
    const head = this.offload ? VNET_HEADER : 0;
    const start = this.offset - head;
    return new Frame(this.bytes.slice(start, this.offset + this.length), head, this.length, this.offload);
  }

  /** Whether its bytes may be changed where they are: nobody else sees them. */
  get mayWrite(): boolean {
    return !this.shared;
  }

  /** This frame, or a copy of it when others see the same bytes: the one that may be written to. */
  writable(): Frame {
    return this.mayWrite ? this : this.retain();
  }
}

/**
 * A frame was used after its time. The fault is that of who kept it, not of a node that it was sent to: `Hook.send` throws
 * this to whoever sends such a frame.
 */
export class ExpiredFrame extends Error {
  constructor(readonly frame: Frame) {
    super('a frame was used after its batch: whoever keeps one must retain() it');
  }
}
