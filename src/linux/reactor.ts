import { native, type Poller } from './native.js';

/** Hears of a watched descriptor: see Poller.watch of the addon. */
export type Watcher = (bytes: Uint8Array | null, nsid: number, overrun: boolean) => void;

/** The addon's Poller with a function for each watched descriptor. */
export class Reactor {
  readonly poller: Poller;
  private readonly watchers = new Map<number, Watcher>();

  constructor(onFrames: (count: number) => void, ioUring: boolean) {
    const onEvent: ConstructorParameters<typeof native.Poller>[1] = (slot, bytes, nsid, overrun) => {
      const watcher = this.watchers.get(slot);
      if (bytes === null && !overrun) this.watchers.delete(slot);
      watcher?.(bytes, nsid, overrun);
    };
    this.poller = new native.Poller(onFrames, onEvent, ioUring);
  }

  /** Takes the descriptor over. @returns what ends the watch */
  watch(fd: number, watcher: Watcher): () => void {
    const slot = this.poller.watch(fd);
    this.watchers.set(slot, watcher);
    return () => {
      if (this.watchers.get(slot) !== watcher) return;
      this.watchers.delete(slot);
      this.poller.remove(slot);
    };
  }

  close(): void {
    this.watchers.clear();
    this.poller.close();
  }
}
