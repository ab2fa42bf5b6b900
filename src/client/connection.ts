import { NgError } from '../netgraph/errors.js';
import { Message } from '../netgraph/message.js';
import {
  type ControlRecord,
  encodeRecord,
  Kind,
  MAX_ANSWER,
  MAX_RECORD,
  type Method,
  type Params,
  RecordReader,
  type Result,
  splitName,
} from '../protocol/index.js';
import { ClientError } from './errors.js';
import type { Received, ReceivedFrame } from './socket.js';
import type { Transport } from './transport.js';

/** What comes from the daemon without being asked for. */
export interface ConnectionEvents {
  message(received: Received): void;
  frame(frame: ReceivedFrame): void;
  /** The socket node was shut down; or, with an error, the connection was lost. */
  end(error?: Error): void;
}

interface Pending {
  resolve(body: Uint8Array): void;
  reject(error: Error): void;
}

/** Most bytes that wait to be sent, before a request is refused with ENOBUFS. */
const SEND_SPACE = 16 * 1024 * 1024;
/** Bytes of a record besides its body and the path or hook in it, generously. */
const RECORD_OVERHEAD = 1024;
/** Milliseconds that a daemon may take to let us go. */
const GRACE = 1000;
const NUL = new Uint8Array(1);

/** Requests and their results over a transport. */
export class Connection {
  private readonly pending = new Map<number, Pending>();
  private readonly reader = new RecordReader(MAX_ANSWER);
  private lastId = 0;
  private lost: ClientError | undefined;

  constructor(
    private readonly transport: Transport,
    private readonly events: ConnectionEvents,
  ) {
    transport.on('data', (chunk) => this.read(chunk));
    transport.on('error', (error) =>
      this.fail(`the connection to the netgraph daemon broke: ${error.message}`),
    );
    transport.on('close', () => this.fail('the netgraph daemon ended the connection'));
  }

  /** A call by name. Rejects with NgError as the daemon refuses it. */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    const body = await this.request(Kind.CALL, JSON.stringify({ method, params }));
    // The daemon keeps to the same declaration of calls as we.
    return JSON.parse(Buffer.from(body).toString('utf8')) as Result<M>;
  }

  async sendMessage(path: string, message: Message): Promise<void> {
    if (path.includes('\0')) throw new NgError('EINVAL', 'a path has no NUL');
    await this.request(Kind.MESSAGE, path, NUL, message.encode());
  }

  async sendFrame(hook: string | undefined, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw new TypeError('the bytes of a frame are a Uint8Array');
    if (hook?.includes('\0')) throw new NgError('EINVAL', 'a hook name has no NUL');
    if (hook === undefined) await this.request(Kind.FRAME_ONLY_HOOK, data);
    else await this.request(Kind.FRAME, hook, NUL, data);
  }

  /** Ends the connection; what was sent before still goes out. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.transport.on('close', resolve));
    const alreadyLost = this.lost !== undefined;
    this.lost ??= new ClientError('ECLOSED', 'the client was closed');
    this.rejectAll(this.lost);
    this.transport.end();
    setTimeout(() => this.transport.destroy(), GRACE).unref();
    return alreadyLost ? Promise.resolve() : closed;
  }

  private request(kind: number, ...parts: (Uint8Array | string)[]): Promise<Uint8Array> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    const size = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    if (size > MAX_RECORD - RECORD_OVERHEAD)
      return Promise.reject(new NgError('EMSGSIZE', `${size} bytes are too long for one message`));
    if (this.transport.writableLength > SEND_SPACE)
      return Promise.reject(new NgError('ENOBUFS', 'the daemon does not keep up with what is sent'));
    const id = this.nextId();
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.transport.write(encodeRecord(kind, id, ...parts));
    });
  }

  private nextId(): number {
    do this.lastId = this.lastId >= 0xffffffff ? 1 : this.lastId + 1;
    while (this.pending.has(this.lastId));
    return this.lastId;
  }

  private read(chunk: Buffer): void {
    try {
      for (const record of this.reader.push(chunk)) this.handle(record);
    } catch (error) {
      this.fail(`the netgraph daemon sent what cannot be understood: ${(error as Error).message}`);
      this.transport.destroy();
    }
  }

  private handle({ kind, id, body }: ControlRecord): void {
    if (kind === Kind.RESULT) this.result(id, body);
    else if (kind === Kind.RECEIVED_MESSAGE) {
      const [from, bytes] = splitName(body);
      this.events.message({ from, message: Message.decode(bytes) });
    } else if (kind === Kind.RECEIVED_FRAME) {
      const [hook, data] = splitName(body);
      this.events.frame({ hook, data });
    } else if (kind === Kind.END) this.events.end();
  }

  private result(id: number, body: Uint8Array): void {
    const request = this.pending.get(id);
    if (request === undefined) return;
    this.pending.delete(id);
    const errno = new DataView(body.buffer, body.byteOffset, 4).getUint32(0, true);
    const rest = body.subarray(4);
    if (errno === 0) request.resolve(rest);
    else request.reject(NgError.fromErrno(errno, Buffer.from(rest).toString('utf8')));
  }

  private fail(message: string): void {
    if (this.lost !== undefined) return;
    this.lost = new ClientError('ECONNRESET', message);
    this.rejectAll(this.lost);
    this.events.end(this.lost);
  }

  private rejectAll(error: Error): void {
    for (const request of this.pending.values()) request.reject(error);
    this.pending.clear();
  }
}
