import { GENERIC_COOKIE, genericMessages, Message, NgError } from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { Control, Data, type Received } from '../support/program.js';
import { type SimulatedDevice, simulatedWorld } from '../support/world.js';
import type { Operation, RecordedEnd, RecordedMessage, RecordedNode, Scenario } from './scenario.js';
import {
  attempt,
  hex,
  rawMessage,
  recordedMessage,
  takeFrames,
  takeMessages,
  unhex,
  withAscii,
} from './scenario_socket.js';

/** Thrown where a scenario asks for something that is not there yet. */
export class Missing extends Error {}

/** What a scenario's program has: sockets by letter, and others by number, as in the recorder. */
interface Program {
  control: Control;
  data: Data;
  jid: number;
}

const FIRST_HANDLE = 3;

/** A simulated world in which the operations of one scenario run, and what each leads to. */
export class ScenarioWorld {
  readonly world = simulatedWorld({ devicesUp: false });
  /** Token of the next message: libnetgraph counts over all sockets of a process. */
  token = 1;

  private readonly programs = new Map<string, Program>();
  private readonly handles = new Map<number, Control | Data>();
  private nextHandle = FIRST_HANDLE;
  private jid = 0;

  constructor({ kldload = [] }: Pick<Scenario, 'kldload'>) {
    const { graph } = this.world;
    graph.type('socket');
    for (const module of kldload) {
      const type = module.replace(/^ng_/, '');
      if (!nodeTypes.has(type)) throw new Missing(`needs ${type}`);
      graph.type(type);
    }
  }

  /** Runs an operation; the result has the form of the record, but for `log`. */
  run(operation: Operation): Operation {
    const result = this.perform(operation);
    this.settle();
    return { ...result, ...(this.polls(operation) ? this.poll() : {}) };
  }

  /** The name of the node at the end of a path, for differences that depend on it. */
  nameOf(sock: string, path: string): string | undefined {
    const here = this.programs.get(sock)?.control.socket.node;
    try {
      return here && this.world.graph.resolve(here, path).node.name;
    } catch {
      return undefined;
    }
  }

  /** Whether a path leads from a socket to a node in a vnet that the socket's jail may not enter. */
  leavesJail(sock: string, path: string): boolean {
    const { graph, jails, vnet0 } = this.world;
    const here = this.programs.get(sock)?.control.socket.node;
    try {
      // Looked up with the eyes of the host, who may go anywhere.
      const there = here && graph.resolve(here, path, vnet0).node;
      return there !== undefined && !jails.mayEnter(here!.vnet, there.vnet);
    } catch {
      return false;
    }
  }

  /** The jail that a socket was opened in. */
  jidOf(sock: string): number {
    return this.programs.get(sock)?.jid ?? 0;
  }

  private perform(operation: Operation): Operation {
    const { op, args = [] } = operation;
    switch (op) {
      case 'socket':
        return operation.sock === undefined ? this.rawSocket(args) : this.openSocket(operation);
      case 'msg':
        return this.asciiMessage(operation);
      case 'binmsg':
        return this.binaryMessage(operation);
      case 'data':
        return { op, errno: this.program(operation).data.send(operation.hook!, unhex(operation.hex!)) };
      case 'state':
        return { op, nodes: this.state(operation) };
      case 'close_sockets':
        return this.closeSockets(operation);
      case 'advance':
        return this.call(op, () => this.advance(Number(args[0])));
      case 'jail':
        return this.call(op, () => this.createJail(String(args[0]), Boolean(args[1])));
      case 'enter':
        return this.call(op, () => this.enter(Number(args[0])));
      case 'unjail':
        return this.call(op, () => this.removeJail(Number(args[0])));
      case 'bind':
        return this.call(op, () => this.bind(this.handle(args[0]), String(args[1])));
      case 'sockname':
        return this.socketName(op, this.handle(args[0]));
      case 'connect':
        return this.call(op, () => this.connect(this.handle(args[0]), String(args[1])));
      case 'dsend':
        return returned(op, this.write(this.handle(args[0]), String(args[1]), String(args[2])));
      case 'sendnull':
        return returned(op, this.write(this.handle(args[0]), undefined, String(args[1])));
      case 'probe':
        return { op };
      default:
        return this.onInterface(operation);
    }
  }

  // Sockets

  private openSocket({ op, sock, name }: Operation): Operation {
    const { graph } = this.world;
    const control = new Control(graph, this.vnet);
    const data = new Data(graph, this.vnet);
    const node = control.socket.node!;
    data.socket.attach(node);
    if (name != null) control.socket.bind(name);
    this.programs.set(sock!, { control, data, jid: this.jid });
    this.nextHandle += 2;
    return { op, name: name ?? null, node_id: node.id, jid: this.jid };
  }

  private rawSocket([protocol]: (string | number)[]): Operation {
    const { graph } = this.world;
    const socket = protocol === 2 ? new Control(graph, this.vnet) : new Data(graph, this.vnet);
    const handle = this.nextHandle++;
    this.handles.set(handle, socket);
    return { op: 'socket', rc: handle, errno: 0 };
  }

  private closeSockets({ op, sock }: Operation): Operation {
    const { control, data } = this.programs.get(sock!)!;
    this.programs.delete(sock!);
    data.socket.close();
    control.socket.close();
    return { op };
  }

  private asciiMessage(operation: Operation): Operation {
    const { op, path, cmd, arg } = operation;
    const { control } = this.program(operation);
    const binary = attempt(() => control.toBinary(path!, String(cmd), arg!, this.token++));
    if (typeof binary === 'string') return { op, errno: binary, failed_in: 'ascii2binary' };
    binary.token = this.token++;
    const sent = { cookie: binary.cookie, cmd: binary.cmd, hex: hex(binary.data) };
    const errno = attempt(() => control.send(path!, binary)) ?? 0;
    if (errno !== 0) return { op, errno, failed_in: 'send', sent };
    this.settle();
    const replies = takeMessages(control).map((received) =>
      'eof' in received ? received : withAscii(control, received, this.token++),
    );
    return { op, errno, sent, ...(replies.length > 0 && { replies }) };
  }

  private binaryMessage(operation: Operation): Operation {
    const { op, path, cookie, cmd, hex: bytes, flags, version, arglen } = operation;
    const { control } = this.program(operation);
    const parts = { cookie: cookie!, cmd: Number(cmd), hex: bytes!, flags, version, arglen };
    const token = this.token++;
    const errno = attempt(() => control.send(path!, rawMessage({ ...parts, token }))) ?? 0;
    this.settle();
    const replies = takeMessages(control).map(asRecorded);
    return { op, errno, ...(replies.length > 0 && { replies }) };
  }

  /** What arrived on the sockets meanwhile. */
  private poll(): Partial<Operation> {
    const data: NonNullable<Operation['data']> = {};
    const messages: NonNullable<Operation['async_msgs']> = {};
    for (const [sock, program] of this.programs) {
      const frames = takeFrames(program.data);
      if (frames.length > 0) data[sock] = frames;
      const arrived = takeMessages(program.control);
      if (arrived.length > 0) messages[sock] = arrived.map(asRecorded);
    }
    const events = this.events.splice(0);
    return {
      ...(Object.keys(data).length > 0 ? { data } : {}),
      ...(Object.keys(messages).length > 0 ? { async_msgs: messages } : {}),
      ...(events.length > 0 ? { events } : {}),
    };
  }

  /** The recorder read its sockets after most operations. */
  private polls({ op, sock }: Operation): boolean {
    return !(op === 'state' || op === 'close_sockets' || (op === 'socket' && sock !== undefined));
  }

  /** All nodes of the socket's vnet, as listnodes and listhooks tell. */
  private state(operation: Operation): RecordedNode[] {
    const { control } = this.program(operation);
    const list = (path: string, cmd: number): Buffer => {
      control.send(path, new Message(GENERIC_COOKIE, cmd));
      return Buffer.from(control.inbox.pop()!.message.data);
    };
    const nodes = list('.', genericMessages.listnodes.cmd);
    return range(nodes.readUInt32LE(0)).map((i) => {
      const { hooks: _, ...info } = nodeInfo(nodes, 4 + i * NODE_INFO);
      const hooks = list(`[${info.id.toString(16)}]:`, genericMessages.listhooks.cmd);
      const hooklist = range(hooks.readUInt32LE(68)).map((j) => linkInfo(hooks, NODE_INFO + j * LINK_INFO));
      return { ...info, hooks: hooks.readUInt32LE(68), hooklist };
    });
  }

  // Jails and time

  private get vnet(): Vnet {
    return this.jid === 0 ? this.world.vnet0 : this.jail(this.jid).vnet;
  }

  private jail(id: number) {
    const jail = this.world.jails.all.find((other) => other.id === id);
    if (jail === undefined) throw new NgError('EINVAL', `no jail ${id}`);
    return jail;
  }

  private createJail(name: string, vnet: boolean): number {
    return this.world.jails.create(name, { vnet, parent: this.vnet }).id;
  }

  private enter(id: number): void {
    if (id !== 0) this.jail(id);
    this.jid = id;
  }

  private removeJail(id: number): void {
    this.world.jails.remove(this.jail(id));
  }

  private advance(microseconds: number): void {
    this.world.clock.advance(microseconds);
  }

  private settle(): void {
    if (!this.world.settle(100_000)) throw new Error('the graph keeps itself busy');
  }

  // Interfaces

  private readonly events: NonNullable<Operation['events']> = [];

  private onInterface({ op, args = [] }: Operation): Operation {
    const [name, value] = args;
    switch (op) {
      case 'iflist':
        return {
          op,
          rc: 0,
          errno: 0,
          ifs: this.world.devices.all.filter(this.isHere).map((one) => one.name),
        };
      case 'ifup':
        return this.call(op, () => {
          this.device(name).up = Boolean(value);
        });
      case 'iftx':
        return this.call(op, () => this.device(name).inject(unhex(String(value))));
      case 'ifdel':
        return this.call(op, () => this.device(name).remove());
      default:
        throw new Missing(`needs ${op}`);
    }
  }

  private readonly isHere = (device: SimulatedDevice): boolean => device.vnet === this.vnet;

  private device(name: string | number | undefined): SimulatedDevice {
    const device = this.world.devices.find(this.vnet, String(name));
    if (device === undefined) throw new NgError('ENXIO', `no interface ${name}`);
    return device;
  }

  // What the operations share

  private program({ sock }: Operation): Program {
    return this.programs.get(sock!)!;
  }

  private handle(number: string | number): Control | Data {
    const socket = this.handles.get(Number(number));
    if (socket === undefined) throw new Missing(`needs handle ${number}`);
    return socket;
  }

  private bind(socket: Control | Data, name: string): void {
    if (socket instanceof Data) throw new NgError('EOPNOTSUPP');
    socket.socket.bind(name);
  }

  private connect(socket: Control | Data, path: string): void {
    if (socket instanceof Control) throw new NgError('EINVAL');
    socket.socket.connect(path);
  }

  private write(socket: Control | Data, hook: string | undefined, bytes: string): string | 0 {
    return socket instanceof Control ? 'EDESTADDRREQ' : socket.send(hook, unhex(bytes));
  }

  private socketName(op: string, { socket }: Control | Data): Operation {
    let name = '';
    const result = this.call(op, () => {
      name = socket.name;
    });
    return result.errno === 0 ? { ...result, name } : result;
  }

  /** A system call: its result, or the negative number of its error. */
  private call(op: string, run: () => number | void): Operation {
    try {
      return { op, rc: run() ?? 0, errno: 0 };
    } catch (error) {
      if (error instanceof NgError) return { op, rc: -error.errno, errno: error.code };
      throw error;
    }
  }
}

const asRecorded = (received: Received | RecordedEnd): RecordedMessage | RecordedEnd =>
  'eof' in received ? received : recordedMessage(received);

const returned = (op: string, error: string | 0): Operation => {
  const number = error === 0 ? 0 : new NgError(error as NgError['code']).errno;
  return { op, rc: -number, errno: error };
};

const NODE_INFO = 72;
const LINK_INFO = 64 + NODE_INFO;

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

const text = (bytes: Buffer, at: number): string => bytes.toString('latin1', at, bytes.indexOf(0, at));

const nodeInfo = (bytes: Buffer, at: number) => ({
  name: text(bytes, at),
  type: text(bytes, at + 32),
  id: bytes.readUInt32LE(at + 64),
  hooks: bytes.readUInt32LE(at + 68),
});

function linkInfo(bytes: Buffer, at: number) {
  const { name, type, id, hooks } = nodeInfo(bytes, at + 64);
  return {
    ourhook: text(bytes, at),
    peerhook: text(bytes, at + 32),
    peer_id: id,
    peer_name: name,
    peer_type: type,
    peer_hooks: hooks,
  };
}
