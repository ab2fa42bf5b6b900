import {
  countDrop,
  type Done,
  defineNode,
  EHOSTUNREACH,
  EINVAL,
  ENOTCONN,
  errno,
  type Frame,
  idPath,
  limits,
  type Message,
  NAME_SIZE,
  type Netgraph,
  NgError,
  type Node,
} from '../netgraph/index.js';
import type { Vnet } from '../vnet/index.js';

/** The program behind a control socket. */
export interface ControlOwner {
  /** A message arrived. Returns 0, or the errno with which it was lost. */
  message(from: string, message: Message): number;
  /** The node is gone: there is nothing to read any more, and writing fails with EPIPE. */
  end(): void;
}

/** The program behind a data socket. */
export interface DataOwner {
  /** A frame arrived through a hook; it is borrowed. Returns 0, or the errno with which it was lost. */
  data(hook: string, frame: Frame): number;
  end(): void;
}

interface Sockets {
  control: ControlSocket | undefined;
  data: DataSocket | undefined;
}

const socketsOf = new WeakMap<Node, Sockets>();
const EDESTADDRREQ = errno('EDESTADDRREQ');
const EMSGSIZE = errno('EMSGSIZE');

/**
 * The end of the graph that is a program: what it sends enters the graph, what arrives it reads. Made by
 * opening a ControlSocket, not by mkpeer. ng_socket(4)
 */
export const socket = defineNode({
  type: 'socket',
  cookie: 851601233,
  frames: 'wire',
  transient: true,
  messages: {
    nolinger: { cmd: 1, binaryOnly: true, summary: 'go when the last hook goes' },
    linger: { cmd: 2, binaryOnly: true, summary: 'stay without hooks (the default)' },
  },
  create({ node, argument }) {
    if (!(argument instanceof ControlSocket))
      throw new NgError('EINVAL', 'a socket node is made by opening a socket, not by mkpeer');
    let linger = true;
    const sockets: Sockets = { control: argument, data: undefined };
    socketsOf.set(node, sockets);
    return {
      receive(frame, hook) {
        const error = sockets.data?.owner.data(hook.name, frame);
        if (error === undefined)
          countDrop(node, 'noReader'); // a black hole
        else if (error !== 0) countDrop(node, 'unread');
        return error ?? 0;
      },
      message({ message, from }) {
        if (message.cookie === socket.cookie && !message.isReply)
          throw new NgError('EINVAL', `a socket node does not know command ${message.cmd}`);
        if (sockets.control === undefined)
          throw new NgError('EINVAL', `socket ${node} has no control socket: nobody reads its messages`);
        const error = sockets.control.owner.message(from === undefined ? '' : idPath(from.id), message);
        if (error !== 0) throw new NgError('ENOBUFS', `socket ${node} does not read its messages`);
        return undefined;
      },
      on: {
        nolinger() {
          linger = false;
        },
        linger() {
          linger = true;
        },
      },
      persists: () => linger,
      configuration: () => (linger ? [] : [['nolinger']]),
      shutdown() {
        sockets.control?.detach();
        sockets.data?.detach();
      },
    };
  },
});

/** A socket of the protocol NG_CONTROL: makes a socket node, and sends and receives its messages. */
export class ControlSocket {
  /** The socket's node; undefined after it was shut down. */
  node: Node | undefined;

  constructor(
    readonly graph: Netgraph,
    readonly vnet: Vnet,
    readonly owner: ControlOwner,
    /** The ID that its node has to have. */
    id?: number,
  ) {
    this.node = graph.makeNode(vnet, 'socket', { argument: this, id });
  }

  /** bind(2): names the node. */
  bind(name: string): void {
    this.graph.nameNode(this.attached(), name);
  }

  /** getsockname(2): the node's name, or its ID as `[hex]`. */
  get name(): string {
    return addressOf(this.attached());
  }

  /** sendto(2): sends a message to the node at the end of a path. `done` hears what came of it. */
  send(path: string, message: Message, done: Done): void {
    const { node } = this;
    const size = message.data.length;
    if (node === undefined) done(new NgError('EPIPE', 'the socket node was shut down'));
    else if (size > limits.maxDatagram.get(this.vnet))
      done(new NgError('EMSGSIZE', `message with ${size} bytes of arguments: net.graph.maxdgram is less`));
    else this.graph.send(node, path, message, done);
  }

  /** close(2): the node goes when its data socket is closed too. */
  close(): void {
    const { node } = this;
    if (node === undefined) return;
    const sockets = socketsOf.get(node)!;
    sockets.control = undefined;
    this.node = undefined;
    removeUnused(node, sockets);
  }

  /** @internal The node is going. */
  detach(): void {
    this.node = undefined;
    this.owner.end();
  }

  private attached(): Node {
    if (this.node === undefined) throw new NgError('EPIPE', 'the socket node was shut down');
    return this.node;
  }
}

/** A socket of the protocol NG_DATA: sends and receives the frames of a socket node's hooks. */
export class DataSocket {
  private node: Node | undefined;

  constructor(
    private readonly graph: Netgraph,
    private readonly vnet: Vnet,
    readonly owner: DataOwner,
  ) {}

  /** connect(2): becomes the data socket of the socket node at the end of an absolute path. */
  connect(path: string): void {
    const colon = path.indexOf(':');
    const first = colon < 0 ? undefined : this.graph.findNode(this.vnet, path.slice(0, colon));
    if (first === undefined) throw new NgError('ENOENT', `no node for path "${path}"`);
    this.attach(this.graph.resolve(first, path).node);
  }

  /** getsockname(2): that of the socket node. */
  get name(): string {
    if (this.node === undefined) throw new NgError('EINVAL', 'the data socket is not connected');
    return addressOf(this.node);
  }

  /** Becomes the data socket of a socket node. */
  attach(node: Node): void {
    if (this.node !== undefined) throw new NgError('EISCONN', `the data socket of ${this.node} is connected`);
    const sockets = socketsOf.get(node);
    if (sockets === undefined) throw new NgError('EINVAL', `node ${node} is not a socket`);
    if (sockets.data !== undefined) throw new NgError('EADDRINUSE', `node ${node} has a data socket`);
    sockets.data = this;
    this.node = node;
  }

  /**
   * sendto(2): sends a frame out of a hook; without a name out of the only hook there is.
   * Returns 0, or the errno with which it was dropped.
   */
  send(hook: string | undefined, frame: Frame): number {
    const { node } = this;
    if (!hook && node?.hooks.length !== 1) return EDESTADDRREQ;
    if (node === undefined) return ENOTCONN;
    if (frame.length > limits.maxDatagram.get(this.vnet)) return EMSGSIZE;
    if (hook !== undefined && hook.length >= NAME_SIZE) return EINVAL;
    const out = hook ? node.findHook(hook) : node.hooks[0];
    return out?.send(frame) ?? EHOSTUNREACH;
  }

  close(): void {
    const { node } = this;
    if (node === undefined) return;
    const sockets = socketsOf.get(node)!;
    sockets.data = undefined;
    this.node = undefined;
    removeUnused(node, sockets);
  }

  /** @internal The node is going. */
  detach(): void {
    this.node = undefined;
    this.owner.end();
  }
}

const addressOf = ({ name, id }: Node): string => (name === '' ? idPath(id).slice(0, -1) : name);

function removeUnused(node: Node, { control, data }: Sockets): void {
  if (control !== undefined || data !== undefined) return;
  node.graph.removeNodeSoon(node);
  node.graph.executor.drain();
}
