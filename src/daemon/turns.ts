/** Milliseconds of requests in one go, before frames and who else waits get their turn. */
const SLICE = 4;

/** Somebody with requests. */
export interface Client {
  /** Those of one owner share its turns, however many they are. */
  readonly owner: unknown;
  /** Does requests, each of which it asks `Turns.take` for. */
  work(): void;
}

/**
 * Who may do a request now. Each of them keeps this process busy, for milliseconds where interfaces come and go; so
 * when time is up the others wait in lines, one for each owner, and the owners take turns.
 */
export class Turns {
  private readonly lines = new Map<unknown, Set<Client>>();
  /** When the present slice ends; undefined between slices. */
  private end: number | undefined;
  private serving: Client | undefined;
  /** Who is served gets something done, however long the one before it took. */
  private granted = false;

  /** Whether a client may do a request now. If not, its `work` is called when it may. */
  take(client: Client): boolean {
    const now = performance.now();
    const end = this.end ?? this.begin(now);
    if (client === this.serving) {
      if (now < end || !this.granted) {
        this.granted = true;
        return true;
      }
    } else if (now < end && this.lines.size === 0) return true;
    const line = this.lines.get(client.owner) ?? new Set();
    this.lines.set(client.owner, line.add(client));
    return false;
  }

  private begin(now: number): number {
    this.end = now + SLICE;
    setImmediate(() => this.next());
    return this.end;
  }

  private next(): void {
    this.end = undefined;
    if (this.lines.size === 0) return;
    const end = this.begin(performance.now());
    do {
      const [[owner, line]] = this.lines;
      const [client] = line;
      line.delete(client);
      this.lines.delete(owner);
      if (line.size > 0) this.lines.set(owner, line);
      this.serving = client;
      this.granted = false;
      client.work();
      this.serving = undefined;
    } while (this.lines.size > 0 && performance.now() < end);
  }
}
