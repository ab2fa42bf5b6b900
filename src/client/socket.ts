import type { MessageSpec } from '../netgraph/define.js';
import { NgError } from '../netgraph/errors.js';
import { Generic, genericMessages } from '../netgraph/generic.js';
import { GENERIC_COOKIE, HEADER_SIZE, Message, NAME_SIZE } from '../netgraph/message.js';
import { decode, encode, type Given, type Infer } from '../netgraph/types/index.js';
import { ClientError } from './errors.js';
import { ReceiveQueue } from './queue.js';
import type { Trace } from './trace.js';

/** A control message that arrived. */
export interface Received {
  /** Where it came from, in the form `[id]:`; a reply goes there. */
  readonly from: string;
  readonly message: Message;
}

/** A frame that arrived. */
export interface ReceivedFrame {
  /** The hook of our node through which it came. */
  readonly hook: string;
  readonly data: Uint8Array;
}

export interface Waiting {
  /** Milliseconds to wait for a reply. Default 10,000. */
  timeout?: number;
  signal?: AbortSignal;
}

export type NodeInfo = Infer<typeof genericMessages.nodeinfo.reply>;
export type HookList = Infer<typeof genericMessages.listhooks.reply>;
export type LinkInfo = HookList['linkinfo'][number];
export type TypeInfo = Infer<typeof genericMessages.listtypes.reply>['typeinfo'][number];

interface Waiter {
  resolve(received: Received): void;
  reject(error: Error): void;
}

/** Most bytes that wait to be read, of messages and of frames. */
const RECEIVE_SPACE = 16 * 1024 * 1024;

/**
 * A socket node and its two sockets, as netgraph(3) has them. How messages get to the graph and back is left to
 * the subclass: through the daemon, or directly in the same process.
 *
 * Every method that sends rejects with the NgError with which the graph refused. A reply that a node gives at
 * once is in the queue already when the promise of `send` resolves.
 */
export abstract class NetgraphSocket {
  /** Hears of all that is sent and received: NgSetDebug. */
  trace: Trace | undefined;
  protected readonly inbox = new ReceiveQueue<Received>(RECEIVE_SPACE);
  protected readonly frameQueue = new ReceiveQueue<ReceivedFrame>(RECEIVE_SPACE);
  private readonly waiters = new Map<number, Waiter>();
  private lastToken = 0;
  private open = true;

  /** sendto(2) on the control socket. */
  protected abstract deliver(path: string, message: Message): Promise<void>;

  /**
   * Sends a frame out of a hook, or out of the only one: NgSendData. Rejects with NgError: EDESTADDRREQ (no hook
   * given, and not exactly one there), EHOSTUNREACH (no such hook), or what the data path says.
   */
  abstract sendData(hook: string | undefined, data: Uint8Array): Promise<void>;

  /** Ends it; the node goes. */
  abstract close(): Promise<void>;

  /** A number for the next message: positive and increasing, so that it tells replies apart. */
  nextToken(): number {
    this.lastToken = this.lastToken >= 0x7fffffff ? 1 : this.lastToken + 1;
    return this.lastToken;
  }

  /** NgSendMsg: sends a message to the node at `path`. Returns its token. */
  async send(path: string, message: Message): Promise<number> {
    message.token = this.nextToken();
    await this.sendAs(path, message);
    return message.token;
  }

  /** NgSendReplyMsg: answers a message. */
  async sendReply({ from, message }: Received, data: Uint8Array = new Uint8Array(0)): Promise<void> {
    await this.sendAs(from, message.reply(data));
  }

  /**
   * NgSendAsciiMsg: sends a message whose arguments are text. The node at `path` converts it; then the result is
   * sent there. Returns its token.
   */
  async sendAscii(path: string, command: string, text = ''): Promise<number> {
    return this.send(path, await this.fromAscii(path, command, text));
  }

  /** Asks the node at `path` to make a binary message from text. */
  async fromAscii(path: string, command: string, text = ''): Promise<Message> {
    const ascii = new Message(0, 0, new TextEncoder().encode(`${text}\0`));
    ascii.name = command.slice(0, NAME_SIZE - 1);
    const ask = new Message(GENERIC_COOKIE, Generic.ASCII2BINARY, ascii.encode());
    const reply = await this.request(path, ask);
    return Message.decode(reply.message.data);
  }

  /** Asks the node that sent a message what its arguments are as text, as NgRecvAsciiMsg does. */
  async toAscii({ from, message }: Received): Promise<{ name: string; text: string; message: Message }> {
    const ask = new Message(GENERIC_COOKIE, Generic.BINARY2ASCII, message.encode());
    const reply = await this.request(from, ask);
    const ascii = Message.decode(reply.message.data);
    return { name: ascii.name, text: textOf(ascii.data), message: ascii };
  }

  /**
   * Sends a message and waits for its reply. Rejects with NgError when it is refused, with ClientError ETIMEDOUT
   * when no reply comes, and with the reason of the signal.
   */
  async request(
    path: string,
    message: Message,
    { timeout = 10_000, signal }: Waiting = {},
  ): Promise<Received> {
    signal?.throwIfAborted();
    const token = this.nextToken();
    message.token = token;
    let timer: NodeJS.Timeout | undefined;
    let abort = (): void => {};
    const reply = new Promise<Received>((resolve, reject) => {
      this.waiters.set(token, { resolve, reject });
      const late = `no reply from "${path}" within ${timeout / 1000} s`;
      timer = setTimeout(() => reject(new ClientError('ETIMEDOUT', late)), timeout);
      abort = () => reject(signal?.reason);
    });
    signal?.addEventListener('abort', abort);
    try {
      // Both at once: the reply is normally here first, and a refusal means that none will come.
      const [received] = await Promise.all([reply, this.sendAs(path, message)]);
      return received;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.waiters.delete(token);
    }
  }

  /**
   * Sends a command of a declared node type, with typed arguments and reply:
   * `socket.command('br0:', bridge.cookie, bridge.messages.getconfig)`. Waits for the reply only of a command
   * that has one.
   */
  async command<A, R>(
    path: string,
    cookie: number,
    spec: MessageSpec<A, R>,
    args?: Given<A>,
    waiting?: Waiting,
  ): Promise<R> {
    const data = spec.args === undefined || args === undefined ? undefined : encode(spec.args, args);
    const message = new Message(cookie, spec.cmd, data);
    if (spec.reply === undefined) {
      await this.send(path, message);
      return undefined as R;
    }
    const reply = await this.request(path, message, waiting);
    return decode(spec.reply, reply.message.data);
  }

  /** `ngctl msg` for programs: sends text, and returns the text of the reply that came at once, if one did. */
  async msg(path: string, command: string, text = ''): Promise<string | undefined> {
    const token = await this.sendAscii(path, command, text);
    const reply = this.takeMessage(({ message }) => message.token === token && message.isReply);
    return reply === undefined ? undefined : (await this.toAscii(reply)).text;
  }

  // The generic messages, netgraph(4)

  nodeInfo(path = '.'): Promise<NodeInfo> {
    return this.command(path, GENERIC_COOKIE, genericMessages.nodeinfo);
  }

  /** A node and its hooks, newest first. */
  listHooks(path = '.'): Promise<HookList> {
    return this.command(path, GENERIC_COOKIE, genericMessages.listhooks);
  }

  /** Every node of the vnet, or only those with a name. */
  async listNodes({ named = false } = {}): Promise<NodeInfo[]> {
    const spec = named ? genericMessages.listnames : genericMessages.listnodes;
    return (await this.command('.', GENERIC_COOKIE, spec)).nodeinfo;
  }

  async listTypes(): Promise<TypeInfo[]> {
    return (await this.command('.', GENERIC_COOKIE, genericMessages.listtypes)).typeinfo;
  }

  /** Makes a node of a type and connects hook `ourhook` of the node at `path` to its hook `peerhook`. */
  async mkpeer(path: string, type: string, ourhook: string, peerhook: string): Promise<void> {
    await this.command(path, GENERIC_COOKIE, genericMessages.mkpeer, { type, ourhook, peerhook });
  }

  /** Connects two nodes; `peerPath` is seen from the node at `path`. */
  async connectNodes(path: string, peerPath: string, ourhook: string, peerhook: string): Promise<void> {
    const args = { path: peerPath, ourhook, peerhook };
    await this.command(path, GENERIC_COOKIE, genericMessages.connect, args);
  }

  async name(path: string, name: string): Promise<void> {
    await this.command(path, GENERIC_COOKIE, genericMessages.name, { name });
  }

  async rmhook(path: string, hook: string): Promise<void> {
    await this.command(path, GENERIC_COOKIE, genericMessages.rmhook, { hook });
  }

  async shutdown(path: string): Promise<void> {
    await this.command(path, GENERIC_COOKIE, genericMessages.shutdown);
  }

  // What arrives

  /** The oldest message not read yet (that `wanted` accepts), without waiting: NgRecvMsg that does not block. */
  takeMessage(wanted?: (received: Received) => boolean): Received | undefined {
    return this.inbox.take(wanted);
  }

  /** The oldest frame not read yet, without waiting. */
  takeFrame(): ReceivedFrame | undefined {
    return this.frameQueue.take();
  }

  /** Resolves when a message or a frame waits to be read, or the node is gone. */
  async arrival(): Promise<void> {
    await Promise.race([this.inbox.readable(), this.frameQueue.readable()]);
  }

  /** False once the node is gone. */
  get isOpen(): boolean {
    return this.open;
  }

  /** Messages as they arrive, replies to `request` excepted. Ends when the node is gone. */
  messages(): AsyncIterableIterator<Received> {
    return this.inbox[Symbol.asyncIterator]();
  }

  /** Frames as they arrive. Ends when the node is gone. */
  frames(): AsyncIterableIterator<ReceivedFrame> {
    return this.frameQueue[Symbol.asyncIterator]();
  }

  /** What was lost because it was not read in time. */
  get dropped(): { messages: number; frames: number } {
    return { messages: this.inbox.dropped, frames: this.frameQueue.dropped };
  }

  /** For subclasses: a message arrived. Returns false when it was dropped. */
  protected messageArrived(received: Received): boolean {
    const { message } = received;
    this.trace?.received(received);
    const waiter = message.isReply ? this.waiters.get(message.token) : undefined;
    if (waiter === undefined) return this.inbox.push(received, HEADER_SIZE + message.data.length);
    waiter.resolve(received);
    return true;
  }

  /** For subclasses: a frame arrived, and is ours to keep. Returns false when it was dropped. */
  protected frameArrived(frame: ReceivedFrame): boolean {
    this.trace?.read(frame);
    return this.frameQueue.push(frame, frame.data.length);
  }

  /** For subclasses: the node is gone; with an error when it was lost. */
  protected ended(error?: Error): void {
    this.open = false;
    for (const waiter of this.waiters.values())
      waiter.reject(error ?? new NgError('EPIPE', 'the socket node was shut down'));
    this.inbox.end(error);
    this.frameQueue.end(error);
  }

  private async sendAs(path: string, message: Message): Promise<void> {
    if (message.name === '') message.name = `cmd${message.cmd | 0}`;
    this.trace?.sending(path, message);
    try {
      await this.deliver(path, message);
    } catch (error) {
      this.trace?.refused(path, error);
      throw error;
    }
  }
}

/** The text of a NUL-terminated string. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
