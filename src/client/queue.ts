interface Entry<T> {
  readonly value: T;
  readonly size: number;
}

/** What keeping a value costs besides its own bytes. */
const OVERHEAD = 64;

/**
 * What arrived and was not read yet: bounded, first in first out. Like a socket buffer, it drops what does not
 * fit, counts it, and ends in end-of-file or an error.
 */
export class ReceiveQueue<T> implements AsyncIterable<T> {
  /** How many did not fit. */
  dropped = 0;
  private entries: Entry<T>[] = [];
  /** Where the oldest is. */
  private head = 0;
  private size = 0;
  private ended = false;
  private error: Error | undefined;
  private waiting: (() => void)[] = [];

  constructor(
    /** Most bytes that may wait. */
    private readonly limit: number,
  ) {}

  /** Whether reading would not wait. */
  get isReadable(): boolean {
    return !this.isEmpty || this.ended;
  }

  /** Resolves when it is readable. */
  async readable(): Promise<void> {
    while (!this.isReadable) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Appends a value that takes `bytes`. Returns false when it was dropped. */
  push(value: T, bytes: number): boolean {
    if (this.ended) return false;
    const size = bytes + OVERHEAD;
    if (this.size + size > this.limit && !this.isEmpty) {
      this.dropped++;
      return false;
    }
    this.entries.push({ value, size });
    this.size += size;
    this.wake();
    return true;
  }

  /** The oldest value (that `wanted` accepts), without waiting. */
  take(wanted?: (value: T) => boolean): T | undefined {
    let at = this.head;
    while (at < this.entries.length && wanted?.(this.entries[at].value) === false) at++;
    if (at >= this.entries.length) return undefined;
    const { value, size } = this.entries[at];
    this.size -= size;
    // What stands before it moves up by one.
    this.entries.copyWithin(this.head + 1, this.head, at);
    this.head++;
    if (this.head > 1000 && this.head > this.entries.length / 2) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return value;
  }

  /** Nothing more will come. Who reads gets what is there, and then end-of-file, or the error if there is one. */
  end(error?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.wake();
  }

  /** The oldest value once there is one; undefined at the end. Throws the error with which the queue ended. */
  async next(): Promise<T | undefined> {
    await this.readable();
    if (this.isEmpty && this.error !== undefined) throw this.error;
    return this.take();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const value = await this.next();
      if (value === undefined) return;
      yield value;
    }
  }

  private get isEmpty(): boolean {
    return this.head >= this.entries.length;
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
