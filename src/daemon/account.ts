import { limits, NgError } from '../netgraph/index.js';
import type { Vnet } from '../vnet/index.js';

/** Bytes of requests that are not done, of all clients from one place together. */
const MAX_UNDONE = 64 * 2 ** 20;
/** How long a client that reads nothing may keep others of its place from their answers, in milliseconds; at most twice that. */
const PATIENCE = 2000;

/** One client as its account sees it. */
export interface Member {
  /** Bytes of answers and messages that it has not read. */
  readonly waiting: number;
  /** Bytes of requests that it sent and that are not done. */
  readonly undone: number;
  /** Bytes that it was sent and has taken, or the system for it. */
  readonly taken: number;
  /** Does requests, as far as there is room. */
  work(): void;
  /** Ends the connection, and tells why if it can. */
  drop(error: NgError): void;
}

/**
 * What the clients of one place take up together: of a jail with those inside it, or of the host.
 *
 * No answer is ever lost to want of room: who asks waits until there is some. So nobody may hold on to it: when others
 * wait, who has not read a byte for a while goes.
 */
export class Account {
  /** Until their connections are closed, on both sides. */
  readonly clients = new Set<Member>();
  /** Bytes of all kinds that they have not read. */
  private unread = 0;
  /** Bytes of answers and messages among those. */
  private waiting = 0;
  private undone = 0;
  private readonly line = new Set<Member>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly vnet: Vnet,
    /** That of the jail around this one, in which all of this counts, too. */
    private readonly outer?: Account,
  ) {}

  /** What they may have to read, in bytes: of frames, and the same again of answers and messages. */
  private get space(): number {
    return this.vnet.state === 'gone' ? 0 : limits.maxReceiveSpace.get(this.vnet);
  }

  /** Whether there is room for a message, which may use twice as much as what they ask for: it cannot wait. */
  get takesMessages(): boolean {
    return this.waiting <= 2 * this.space && (this.outer?.takesMessages ?? true);
  }

  /** Whether there is room for a frame; for one to a client that has read those before, there is however little others read. */
  takesFrames(isBehind: boolean): boolean {
    const hasRoom = this.unread - this.waiting <= (isBehind ? 1 : 2) * this.space;
    return hasRoom && (this.outer?.takesFrames(isBehind) ?? true);
  }

  /** Whether nothing is left of any client. */
  get isUnused(): boolean {
    return this.clients.size === 0 && this.undone === 0;
  }

  enter(client: Member): void {
    this.clients.add(client);
    this.outer?.enter(client);
  }

  leave(client: Member): void {
    this.clients.delete(client);
    this.line.delete(client);
    this.outer?.leave(client);
  }

  /** Whether a client may ask for something. If not, its `work` is called when it may. */
  mayAsk(client: Member): boolean {
    if (this.waiting <= this.space) return this.outer?.mayAsk(client) ?? true;
    this.line.add(client);
    this.timer ??= this.watch();
    return false;
  }

  /** Counts bytes of all kinds that were written, or that were read. */
  countUnread(change: number): void {
    this.unread += change;
    this.outer?.countUnread(change);
  }

  /** Counts bytes of answers and messages among those. */
  countWaiting(change: number): void {
    this.waiting += change;
    this.outer?.countWaiting(change);
    if (change < 0) this.advance();
  }

  /** Counts bytes of requests that came, or that were done. Who has sent the most goes when it is too much. */
  countUndone(change: number): void {
    this.undone += change;
    this.outer?.countUndone(change);
    if (change < 0 || this.undone <= MAX_UNDONE) return;
    const [first, ...others] = this.clients;
    const most = others.reduce((most, client) => (client.undone > most.undone ? client : most), first);
    most.drop(new NgError('ENOBUFS', `more than ${MAX_UNDONE} bytes of requests that are not done`));
  }

  private advance(): void {
    for (const client of this.line) {
      if (this.waiting > this.space) return;
      this.line.delete(client);
      client.work();
    }
  }

  /** Makes those go that read nothing while others wait. */
  private watch(): NodeJS.Timeout {
    let before = new Map<Member, number>();
    return setInterval(() => {
      this.advance(); // there may be more room by decree
      const now = new Map<Member, number>();
      for (const client of this.line.size > 0 ? [...this.clients] : []) {
        if (client.waiting === 0) continue;
        if (before.get(client) !== client.taken) now.set(client, client.taken);
        else
          client.drop(new NgError('ETIMEDOUT', 'it does not read its answers, and others wait for theirs'));
      }
      before = now;
      if (this.line.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    }, PATIENCE).unref();
  }
}
