import {
  errnoName,
  Frame,
  GENERIC_COOKIE,
  Generic,
  Message,
  type Netgraph,
  NgError,
} from '../../src/netgraph/index.js';
import { ControlSocket, DataSocket } from '../../src/nodes/socket.js';
import type { Vnet } from '../../src/vnet/index.js';
import type { RecordedEnd, RecordedFrame, RecordedMessage } from './scenario.js';

export interface Received {
  readonly from: string;
  readonly message: Message;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Recorded bytes: hex, or one byte repeated as in `00*20000`. */
export function unhex(text: string): Uint8Array {
  const repeated = /^([0-9a-f]{2})\*(\d+)$/.exec(text);
  if (repeated === null) return Buffer.from(text, 'hex');
  return new Uint8Array(Number(repeated[2])).fill(Number.parseInt(repeated[1], 16));
}

/** Bytes as they are recorded: of very long frames only the length. */
export const hexOrLength = (bytes: Uint8Array): string =>
  bytes.length > 4096 ? `(${bytes.length} bytes)` : hex(bytes);

export function recordedMessage({ from, message }: Received): RecordedMessage {
  return {
    version: message.version,
    arglen: message.data.length,
    cmd: message.cmd,
    flags: message.flags,
    token: message.token,
    cookie: message.cookie,
    cmdstr: message.name,
    from,
    hex: hex(message.data),
  };
}

/** A program's socket of protocol NG_CONTROL. */
export class Control {
  readonly socket: ControlSocket;
  readonly inbox: Received[] = [];
  ended = false;

  constructor(graph: Netgraph, vnet: Vnet) {
    this.socket = new ControlSocket(graph, vnet, {
      message: (from, message) => {
        message.data = message.data.slice();
        this.inbox.push({ from, message });
        return 0;
      },
      end: () => {
        this.ended = true;
      },
    });
  }

  /** Sends a message and gives what became of it: 0 or the name of an errno. */
  send(path: string, message: Message): string | 0 {
    let outcome: string | 0 | undefined;
    this.socket.send(path, message, (error) => {
      outcome = error?.code ?? 0;
    });
    if (outcome === undefined) throw new Error(`no answer to a message for "${path}"`);
    return outcome;
  }

  /** ascii2binary or binary2ascii by the node at the end of a path, as libnetgraph does it. */
  convert(path: string, cmd: number, inner: Message, token: number): Message | string {
    const request = new Message(GENERIC_COOKIE, cmd, inner.encode());
    request.token = token;
    const error = this.send(path, request);
    if (error !== 0) return error;
    const reply = this.inbox.pop();
    if (reply === undefined) throw new Error(`no reply to a conversion by "${path}"`);
    return Message.decode(reply.message.data);
  }

  toBinary(path: string, command: string, text: string, token: number): Message | string {
    const ascii = new Message(0, 0, Buffer.from(`${text}\0`, 'latin1'));
    ascii.name = command;
    return this.convert(path, Generic.ASCII2BINARY, ascii, token);
  }

  toAscii({ from, message }: Received, token: number): Pick<RecordedMessage, 'ascii' | 'ascii_cmd' | 'ascii_errno'> {
    const ascii = this.convert(from, Generic.BINARY2ASCII, message, token);
    if (typeof ascii === 'string') return { ascii_errno: ascii };
    return { ascii: Buffer.from(ascii.data.subarray(0, -1)).toString('utf8'), ascii_cmd: ascii.name };
  }

  /** Takes what arrived; at the end of file one reads that, again and again. */
  take(): (Received | RecordedEnd)[] {
    const messages = this.inbox.splice(0);
    return this.ended ? [...messages, { eof: 1 }] : messages;
  }
}

/** A program's socket of protocol NG_DATA. */
export class Data {
  readonly socket: DataSocket;
  readonly inbox: RecordedFrame[] = [];
  ended = false;

  constructor(graph: Netgraph, vnet: Vnet) {
    this.socket = new DataSocket(graph, vnet, {
      data: (hook, frame) => {
        this.inbox.push({ hook, hex: hexOrLength(frame.view()) });
        return 0;
      },
      end: () => {
        this.ended = true;
      },
    });
  }

  send(hook: string | undefined, bytes: string): string | 0 {
    const error = this.socket.send(hook, new Frame(unhex(bytes)));
    return error === 0 ? 0 : (errnoName(error) ?? `${error}`);
  }

  take(): RecordedFrame[] {
    const frames = this.inbox.splice(0);
    return this.ended ? [...frames, { hook: 'EOF', hex: '' }] : frames;
  }
}

/** A message from its recorded parts, perhaps with a header that lies. */
export function rawMessage(parts: {
  cookie: number;
  cmd: number;
  hex: string;
  flags?: number;
  version?: number;
  arglen?: number;
  token: number;
}): Message | string {
  const message = new Message(parts.cookie, parts.cmd, unhex(parts.hex));
  message.name = `cmd${parts.cmd}`;
  message.token = parts.token;
  message.flags = parts.flags ?? 0;
  message.version = parts.version ?? message.version;
  const bytes = message.encode();
  if (parts.arglen !== undefined) new DataView(bytes.buffer).setUint32(4, parts.arglen, true);
  try {
    return Message.decode(bytes);
  } catch (error) {
    if (error instanceof NgError) return error.code;
    throw error;
  }
}

