import type { Socket } from 'node:net';
import type { Jail } from '../jail/index.js';
import { descriptorOf } from '../linux/index.js';
import {
  ENOBUFS,
  ENOTCONN,
  Frame,
  limits,
  Message,
  NgError,
  type NodeState,
  nodeState,
  restoreSettings,
} from '../netgraph/index.js';
import { ControlSocket, DataSocket } from '../nodes/socket.js';
import {
  type ControlRecord,
  encodeRecord,
  encodeResult,
  Kind,
  RecordReader,
  recordLength,
  splitName,
} from '../protocol/index.js';
import type { Vnet } from '../vnet/index.js';
import type { World } from '../world/index.js';
import type { Account, Member } from './account.js';
import { callHandlers } from './calls.js';
import type { Daemon } from './daemon.js';
import { readCall } from './params.js';

/** How long a client that is told to go, or goes, may read nothing of what was written to it, in milliseconds. */
const GRACE = 1000;
/** Bytes of answers that a client may have to read still and yet ask for more. */
const BEHIND = 16 * 1024;

/** What the successor of this process needs to go on with a client. JSON. */
export interface ClientState {
  /** ID of the jail that its process is in, and of the one it acts in; 0 is the host. */
  readonly home: number;
  readonly jail: number;
  /** Its socket node, and whether it had one that was shut down. */
  readonly node?: NodeState;
  readonly ended?: boolean;
  /** What it sent and was not done, in base64. */
  readonly input: string;
  /** ID of the request that is to be answered. */
  readonly owed?: number;
}

/** One client: its requests, one after the other, and the socket node that it may have made. */
export class Connection implements Member {
  /** Where the client is and acts; undefined for the host. Changes with `hello` only. */
  jail: Jail | undefined;
  private control: ControlSocket | undefined;
  private data: DataSocket | undefined;
  private reader = new RecordReader();
  private readonly requests: ControlRecord[] = [];
  /** The request that is under way. */
  private current: ControlRecord | undefined;
  private takingUp = false;
  /** Another process had a socket node for it, which was shut down. */
  private ended = false;
  private readonly removalsBefore: number;
  /** What of `account` is ours. */
  private unread = 0;
  waiting = 0;
  undone = 0;

  constructor(
    readonly daemon: Daemon,
    private readonly socket: Socket,
    /** The jail that the client's process is in. */
    readonly home: Jail | undefined,
    /** Of all clients from there. */
    readonly account: Account,
  ) {
    account.enter(this);
    this.jail = home;
    this.removalsBefore = this.world.interfaces.removals.count;
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => void this.leave());
    socket.on('close', () => this.closed());
    socket.resume();
  }

  get world(): World {
    return this.daemon.world;
  }

  /** Whose turns it takes. */
  get owner(): Jail | undefined {
    return this.home;
  }

  get vnet(): Vnet {
    return this.jail?.vnet ?? this.world.vnet0;
  }

  /** Makes the socket node. */
  open(name: string | undefined, id?: number): number {
    if (this.control !== undefined || this.ended)
      throw new NgError('EISCONN', 'the connection has a socket node already');
    const end = () => this.write(encodeRecord(Kind.END, 0));
    const control = new ControlSocket(
      this.world.graph,
      this.vnet,
      {
        message: (from, message) => this.deliverMessage(from, message),
        end,
      },
      id,
    );
    const node = control.node!;
    try {
      if (name !== undefined) control.bind(name);
    } catch (error) {
      control.close();
      throw error;
    }
    this.control = control;
    this.data = new DataSocket(this.world.graph, this.vnet, {
      data: (hook, frame) => this.deliverFrame(hook, frame),
      end: () => {},
    });
    this.data.attach(node);
    return node.id;
  }

  /** Goes into a jail below the client's own, for the rest of the connection: jail_attach(2). */
  enter(name: string): void {
    if (this.control !== undefined || this.ended)
      throw new NgError('EISCONN', 'the connection has a socket node already');
    const jail = this.world.jails.lookUp(this.jail, name);
    if (jail === undefined) throw new NgError('EHOSTDOWN', `jail "${name}" not found`);
    this.jail = jail;
  }

  /** @throws NgError EPERM when the client's process is in a jail */
  requireHost(action: string): void {
    if (this.home !== undefined) throw new NgError('EPERM', `jail ${this.home.name} may not ${action}`);
  }

  /** Ends the connection once what was written has left, or no more of it does. */
  end(): void {
    const { socket } = this;
    socket.end();
    let { taken } = this;
    const timer = setInterval(() => {
      if (this.taken === taken) socket.destroy();
      taken = this.taken;
    }, GRACE).unref();
    socket.once('close', () => clearInterval(timer));
  }

  drop(error: NgError): void {
    this.daemon.log(`client dropped: ${error.message}`, 'warning');
    this.forget();
    // An answer to no request in particular.
    this.write(encodeResult(0, error));
    this.end();
  }

  get taken(): number {
    const { bytesWritten = 0, writeQueueSize = 0 } = handleOf(this.socket) ?? {};
    return bytesWritten - writeQueueSize;
  }

  /** Whether a request is under way. */
  get isBusy(): boolean {
    return this.current !== undefined;
  }

  /** Whether there is something on its way to the client. */
  get isBehind(): boolean {
    return this.socket.writableLength > 0;
  }

  /** Stops to read. @returns what another process needs to go on, unless it is left behind: it leaves, reads nothing, or its jail goes */
  handOver(): { state: ClientState; fd: number } | undefined {
    const { socket, control, home, jail, current } = this;
    const node = control?.node;
    if (socket.readableEnded || socket.writableEnded || socket.destroyed || this.isBehind) return undefined;
    if (home?.dying || jail?.dying) return undefined;
    handleOf(socket)!.readStop();
    while (socket.read() !== null); // comes to `read` as usual
    const requests = this.requests.map(({ kind, id, body }) => encodeRecord(kind, id, body));
    const input = Buffer.concat([...requests, this.reader.rest]).toString('base64');
    const state = {
      home: home?.id ?? 0,
      jail: jail?.id ?? 0,
      node: node && nodeState(node),
      ended: this.ended || (control !== undefined && node === undefined),
      input,
      owed: current?.id,
    };
    return { state, fd: descriptorOf(socket) };
  }

  /** Goes on after all. */
  takeBack(): void {
    if (this.socket.destroyed) return;
    handleOf(this.socket)!.readStart();
    this.work();
  }

  /** Becomes the client that another process had, but for its hooks. */
  takeUp({ jail, node, ended = false }: ClientState): void {
    this.jail = this.world.jails.byId(jail);
    this.ended = ended;
    if (node === undefined) return;
    this.open(node.name || undefined, node.id);
    restoreSettings(this.control!.node!, node.settings ?? []);
  }

  /** Answers what the other process could not answer any more, and goes on with what the client sent. */
  goOn({ input, owed }: ClientState): void {
    if (owed !== undefined) this.answer(owed, undefined, { pid: process.pid });
    this.read(Buffer.from(input, 'base64'));
  }

  private read(chunk: Buffer): void {
    if (this.socket.writableEnded) return; // it was told to go
    try {
      this.requests.push(...this.reader.push(chunk));
    } catch (error) {
      this.drop(NgError.fromSystem(error));
      return;
    }
    this.countUndone(chunk.length);
    this.work();
  }

  /** Does the requests that came, in order. A client that does not read its answers has to wait with the rest. */
  work(): void {
    if (this.takingUp) return;
    this.takingUp = true;
    while (this.mayWork && this.account.mayAsk(this) && this.daemon.turns.take(this)) {
      this.current = this.requests.shift()!;
      this.request(this.current);
    }
    this.takingUp = false;
    if (this.requests.length > 0) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  private get mayWork(): boolean {
    const { current, requests, waiting, daemon } = this;
    return current === undefined && requests.length > 0 && waiting <= BEHIND && !daemon.handingOver;
  }

  private request({ kind, id, body }: ControlRecord): void {
    let answer: (() => void) | undefined;
    let inside = true;
    const done = (error?: unknown, result: unknown = {}): void => {
      answer = () => this.answer(id, error, result);
      if (!inside) queueMicrotask(answer);
    };
    try {
      this.dispatch(kind, body, done);
    } catch (error) {
      done(error);
    }
    inside = false;
    // Only now: a node tells the outcome before it is done with what follows from it, and all of that is one change.
    answer?.();
  }

  private dispatch(kind: number, body: Uint8Array, done: (error?: unknown, result?: unknown) => void): void {
    if (kind === Kind.CALL) {
      this.call(body).then((result) => done(undefined, result), done);
    } else if (kind === Kind.MESSAGE) {
      const [path, bytes] = splitName(body);
      this.opened(this.control).send(path, Message.decode(bytes), done);
    } else if (kind === Kind.FRAME || kind === Kind.FRAME_ONLY_HOOK) {
      const [hook, bytes] = kind === Kind.FRAME ? splitName(body) : [undefined, body];
      const error = this.opened(this.data).send(hook, new Frame(bytes));
      done(error === 0 ? undefined : NgError.fromErrno(error));
    } else {
      throw new NgError('EINVAL', `request of unknown kind ${kind}`);
    }
  }

  private async call(body: Uint8Array): Promise<unknown> {
    const { method, params } = readCall(Buffer.from(body).toString('utf8'));
    if (this.jail?.dying) throw new NgError('ENXIO', `jail ${this.jail.name} was removed`);
    return callHandlers[method](this, params);
  }

  private opened<T>(socket: T | undefined): T {
    if (this.ended) throw new NgError('EPIPE', 'the socket node was shut down');
    if (socket === undefined)
      throw new NgError('ENOTCONN', 'the connection has no socket node: open one first');
    return socket;
  }

  private answer(id: number, error: unknown, result: unknown): void {
    this.world.commit();
    this.writeControl(encodeResult(id, error === undefined ? undefined : NgError.fromSystem(error), result));
    if (this.current !== undefined) this.countUndone(-recordLength(this.current));
    this.current = undefined;
    this.work();
  }

  /** Messages have room of their own: frames, however many, keep no reply from its way. */
  private deliverMessage(from: string, message: Message): number {
    if (!this.socket.writable) return ENOTCONN;
    if (this.waiting > limits.receiveSpace.get(this.vnet) || !this.account.takesMessages) return ENOBUFS;
    this.writeControl(encodeRecord(Kind.RECEIVED_MESSAGE, 0, from, new Uint8Array(1), message.encode()));
    return 0;
  }

  private deliverFrame(hook: string, frame: Frame): number {
    if (!this.socket.writable) return ENOTCONN;
    if (this.isFull || (this.daemon.quieting && this.isBehind)) return ENOBUFS;
    this.write(encodeRecord(Kind.RECEIVED_FRAME, 0, hook, new Uint8Array(1), frame.view()));
    return 0;
  }

  private get isFull(): boolean {
    const { writableLength } = this.socket;
    return (
      writableLength > limits.receiveSpace.get(this.vnet) || !this.account.takesFrames(writableLength > 0)
    );
  }

  /** Writes what is no frame. A client that does not read that makes no requests either. */
  private writeControl(bytes: Uint8Array): void {
    if (!this.socket.writable) return;
    this.countWaiting(bytes.length);
    this.write(bytes, () => {
      this.countUnread();
      if (this.socket.destroyed) return;
      this.countWaiting(-bytes.length);
      this.work();
    });
  }

  private write(bytes: Uint8Array, written = this.countUnread): void {
    if (!this.socket.writable) return;
    this.socket.write(bytes, written);
    this.countUnread();
  }

  private readonly countUnread = (): void => {
    const now = this.socket.destroyed ? 0 : this.socket.writableLength;
    this.account.countUnread(now - this.unread);
    this.unread = now;
  };

  private countWaiting(change: number): void {
    this.waiting += change;
    this.account.countWaiting(change);
  }

  private countUndone(change: number): void {
    this.undone += change;
    this.account.countUndone(change);
  }

  /**
   * The client has no more requests. Our end of the connection closes when what it took down is gone from the system:
   * whoever waits for that finds no trace of it, and yet need not wait for each interface by itself.
   */
  private async leave(): Promise<void> {
    this.forget();
    if (this.world.interfaces.removals.count !== this.removalsBefore) await this.world.settled();
    this.end();
  }

  /** Takes its node away, and what it asked for but for what is under way. */
  private forget(): void {
    this.requests.length = 0;
    this.reader = new RecordReader();
    this.countUndone((this.current ? recordLength(this.current) : 0) - this.undone);
    this.control?.close();
    this.data?.close();
    this.daemon.connections.delete(this);
  }

  private closed(): void {
    this.forget();
    this.countUnread();
    this.countWaiting(-this.waiting);
    this.account.leave(this);
  }
}

interface Handle {
  readStart(): void;
  readStop(): void;
  readonly bytesWritten: number;
  /** Bytes of those that have not left. */
  readonly writeQueueSize: number;
}

/** Node has no public name for what begins and ends reading at once, and knows how far a write is. */
const handleOf = (socket: Socket) => (socket as unknown as { _handle: Handle | null })._handle;
