/** Whatever has the same key is done one after the other; all of it can be held. */
export class Turns<K> {
  /** The last of each key that has anything to do. */
  private readonly lines = new Map<K, Promise<unknown>>();
  /** Resolves when nobody holds. */
  private gate: Promise<unknown> = Promise.resolve();

  async take<T>(key: K, work: () => Promise<T>): Promise<T> {
    await this.opened();
    const result = (this.lines.get(key) ?? Promise.resolve()).then(work);
    const end = result
      .catch(() => {})
      .then(() => {
        if (this.lines.get(key) === end) this.lines.delete(key);
      });
    this.lines.set(key, end);
    return result;
  }

  /** Resolves when nothing is under way; whatever comes then waits until the result is called. */
  async hold(): Promise<() => void> {
    const before = this.gate;
    let release = (): void => {};
    this.gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    await before;
    await Promise.all(this.lines.values());
    return release;
  }

  private async opened(): Promise<void> {
    for (let gate: unknown; gate !== this.gate; ) {
      gate = this.gate;
      await gate;
    }
  }
}
