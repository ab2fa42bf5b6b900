import {
  errnoName,
  Frame,
  GENERIC_COOKIE,
  Generic,
  Message,
  type Netgraph,
  NgError,
  type Node,
} from '../../src/netgraph/index.js';
import { ControlSocket, DataSocket } from '../../src/nodes/socket.js';
import type { Vnet } from '../../src/vnet/index.js';

export interface Received {
  readonly from: string;
  readonly message: Message;
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

  /** Sends a message to a node that is idle. */
  send(path: string, message: Message): void {
    let outcome: NgError | 'none' | undefined = 'none';
    this.socket.send(path, message, (error) => {
      outcome = error;
    });
    if (outcome === 'none') throw new Error(`no answer yet to a message for "${path}"`);
    if (outcome !== undefined) throw outcome;
  }

  /** NGM_ASCII2BINARY: a command and its arguments as text in binary form, by the node at the end of a path. */
  toBinary(path: string, command: string, text: string, token = 0): Message {
    const ascii = new Message(0, 0, Buffer.from(`${text}\0`, 'latin1'));
    ascii.name = command;
    return this.convert(path, Generic.ASCII2BINARY, ascii, token);
  }

  /** NGM_BINARY2ASCII by the node that a message came from. */
  toAscii({ from, message }: Received, token = 0): { command: string; text: string } {
    const ascii = this.convert(from, Generic.BINARY2ASCII, message, token);
    return { command: ascii.name, text: Buffer.from(ascii.data.subarray(0, -1)).toString('utf8') };
  }

  private convert(path: string, cmd: number, inner: Message, token: number): Message {
    const request = new Message(GENERIC_COOKIE, cmd, inner.encode());
    request.token = token;
    this.send(path, request);
    const reply = this.inbox.pop();
    if (reply === undefined) throw new Error(`no reply to a conversion by "${path}"`);
    return Message.decode(reply.message.data);
  }
}

/** A program's socket of protocol NG_DATA. */
export class Data {
  readonly socket: DataSocket;
  readonly inbox: { hook: string; bytes: Uint8Array }[] = [];
  ended = false;

  constructor(graph: Netgraph, vnet: Vnet) {
    this.socket = new DataSocket(graph, vnet, {
      data: (hook, frame) => {
        this.inbox.push({ hook, bytes: frame.view().slice() });
        return 0;
      },
      end: () => {
        this.ended = true;
      },
    });
  }

  /** Sends a frame; the result is 0 or the name of the errno with which it was dropped. */
  send(hook: string | undefined, bytes: Uint8Array): string | 0 {
    const error = this.socket.send(hook, new Frame(bytes));
    return error === 0 ? 0 : (errnoName(error) ?? `${error}`);
  }
}

/** A program with both sockets of one socket node, that talks as ngctl and nghook do. */
export class Program {
  readonly control: Control;
  readonly data: Data;
  readonly node: Node;

  constructor({ graph, vnet0 }: { graph: Netgraph; vnet0: Vnet }, vnet = vnet0) {
    this.control = new Control(graph, vnet);
    this.data = new Data(graph, vnet);
    this.node = this.control.socket.node!;
    this.data.socket.attach(this.node);
  }

  /** Sends a command; the result is the text of the reply, '' if there is none. Throws NgError when refused. */
  msg(path: string, command: string, args = ''): string {
    this.control.send(path, this.control.toBinary(path, command, args));
    const reply = this.control.inbox.pop();
    return reply === undefined ? '' : this.control.toAscii(reply).text;
  }

  /** The name of the errno with which a command is refused; 0 when it is not. */
  refusal(path: string, command: string, args = ''): string | 0 {
    try {
      this.msg(path, command, args);
      return 0;
    } catch (error) {
      if (error instanceof NgError) return error.code;
      throw error;
    }
  }

  mkpeer(path: string, type: string, ourhook: string, peerhook: string): void {
    this.msg(path, 'mkpeer', `{ type="${type}" ourhook="${ourhook}" peerhook="${peerhook}" }`);
  }

  connect(path: string, other: string, ourhook: string, peerhook: string): void {
    this.msg(path, 'connect', `{ path="${other}" ourhook="${ourhook}" peerhook="${peerhook}" }`);
  }

  name(path: string, name: string): void {
    this.msg(path, 'name', `{ name="${name}" }`);
  }

  /** Sends text as a frame: 0, or the name of the errno with which it was dropped. */
  send(hook: string, text: string): string | 0 {
    return this.data.send(hook, Buffer.from(text, 'latin1'));
  }

  /** The frames that arrived since the last call, as `hook:text`. */
  received(): string[] {
    return this.data.inbox
      .splice(0)
      .map(({ hook, bytes }) => `${hook}:${Buffer.from(bytes).toString('latin1')}`);
  }

  close(): void {
    this.data.socket.close();
    this.control.socket.close();
  }
}
