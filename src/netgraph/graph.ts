import {
  Order,
  type Registration,
  Subsystem,
  type Vnet,
  type VnetSystem,
  vnetDefine,
} from '../vnet/index.js';
import type { Creation, Delivery, NodeType } from './define.js';
import { dispatch } from './dispatch.js';
import { registerDrops } from './drops.js';
import { connectHooks, destroyHook, makePeer } from './edge.js';
import type { Clock, Environment } from './environment.js';
import { NgError, textOf } from './errors.js';
import { type Done, Executor } from './executor.js';
import { Gate, type Hook } from './hook.js';
import { limits, registerLimits } from './limits.js';
import { type Message, NAME_SIZE } from './message.js';
import { Node } from './node.js';
import { decodeId, idPath, parsePath } from './path.js';
import { stringToBytes } from './types/index.js';

const nodesById = vnetDefine('nodes by ID', () => new Map<number, Node>());
const nodesByName = vnetDefine('nodes by name', () => new Map<string, Node>());
const lastId = vnetDefine('last node ID', () => 0);

/** A node type that is loaded, and how many nodes it has in all vnets. */
export interface LoadedType {
  readonly type: NodeType;
  nodes: number;
}

/** Hears of every change that matters to who wants to make the graph again; looks at what it is like when it likes. */
export interface Observer {
  /** A node came, went, got a name, or was told something. */
  node(node: Node): void;
  /** An edge came or went, or a hook of it got a new name. The hook is one of its two. */
  hook(hook: Hook): void;
}

/** How a node is made that is not just new. */
export interface MakeOptions {
  /** Passed to `create` of the type. */
  readonly argument?: unknown;
  /** The ID it has to have. */
  readonly id?: number;
  /** See `Behaviour.resume`. */
  readonly resume?: unknown;
}

/** Where an address leads. */
export interface Destination {
  readonly node: Node;
  /** The hook of `node` through which the path arrives there; undefined when it was addressed directly. */
  readonly hook: Hook | undefined;
}

/** All nodes of a world, in all its vnets, and what netgraph(4) does with them. */
export class Netgraph {
  readonly executor: Executor;
  observer: Observer | undefined;
  /** Oldest first; listtypes reports them the other way round. */
  private readonly loaded = new Map<string, LoadedType>();
  private readonly registrations: Registration[];

  constructor(
    readonly vnets: VnetSystem,
    readonly env: Environment,
  ) {
    const handle = (delivery: Delivery) => {
      dispatch(delivery);
      if (!delivery.message.isReadOnly) this.observer?.node(delivery.node);
    };
    this.executor = new Executor(env, handle, (node, error) => this.nodeFailed(node, error));
    registerLimits(vnets);
    registerDrops(vnets);
    this.registrations = [
      vnets.sysuninit('netgraph', Subsystem.NETGRAPH, Order.FIRST, (vnet) => this.removeAll(vnet)),
    ];
  }

  /** Takes every node of every vnet down. */
  close(): void {
    for (const registration of this.registrations) registration.unregister();
    this.executor.drain();
  }

  // Node types

  /** ng_newtype. */
  addType(type: NodeType): LoadedType {
    if (this.loaded.has(type.type)) throw new NgError('EEXIST', `node type ${type.type} is loaded already`);
    if (type.type === '' || type.type.length >= NAME_SIZE)
      throw new NgError('EINVAL', `node type name "${type.type}" is not 1 to ${NAME_SIZE - 1} characters`);
    const entry = { type, nodes: 0 };
    this.loaded.set(type.type, entry);
    return entry;
  }

  /** ng_rmtype: refused with EBUSY while there are nodes of the type. */
  removeType(name: string): void {
    const entry = this.loaded.get(name);
    if (entry === undefined) throw new NgError('ENOENT', `node type ${name} is not loaded`);
    if (entry.nodes > 0) throw new NgError('EBUSY', `node type ${name} has ${entry.nodes} nodes`);
    this.loaded.delete(name);
  }

  /** The type of that name, loaded now if it was not. */
  type(name: string): LoadedType {
    const entry = this.loaded.get(name);
    if (entry !== undefined) return entry;
    let type: NodeType | undefined;
    try {
      type = this.env.loadType(name);
    } catch (thrown) {
      throw NgError.fromSystem(thrown, `cannot load node type ${name}`);
    }
    if (type === undefined) throw new NgError('ENOENT', `no node type "${name}", and no module ng_${name}`);
    return this.addType(type);
  }

  types(): LoadedType[] {
    return [...this.loaded.values()];
  }

  // Nodes

  /** ng_make_node. A node that its type refuses to make has used up its ID all the same. */
  makeNode(vnet: Vnet, typeName: string, { argument, id, resume }: MakeOptions = {}): Node {
    if (vnet.state === 'stopping' || vnet.state === 'gone')
      throw new NgError('ENXIO', `${vnet} is being taken down`);
    const entry = this.type(typeName);
    if (!limits.maxNodes.hasRoom(vnet))
      throw new NgError('ENFILE', `${vnet} has as many nodes as net.graph.maxnodes allows`);
    const node = new Node(
      this,
      vnet,
      entry.type,
      id === undefined ? this.nextId(vnet) : this.takeId(vnet, id),
    );
    nodesById.get(vnet).set(node.id, node);
    limits.maxNodes.add(vnet, 1);
    entry.nodes++;
    try {
      node.behaviour = checked(entry.type.create(new NewNode(node, argument, resume)));
    } catch (thrown) {
      this.forget(node);
      throw NgError.fromSystem(thrown, `cannot make a node of type ${typeName}`);
    }
    node.gate &= ~Gate.INVALID;
    this.observer?.node(node);
    return node;
  }

  /** All nodes of a vnet, by ID. */
  nodes(vnet: Vnet): Node[] {
    return [...nodesById.get(vnet).values()];
  }

  /** Whether a node is (still) part of the graph. */
  has(node: Node): boolean {
    return node.vnet.state !== 'gone' && nodesById.get(node.vnet).get(node.id) === node;
  }

  /** IDs up to this one are not given to new nodes, as others had them. */
  reserveIds(vnet: Vnet, last: number): void {
    if (last > lastId.get(vnet)) lastId.set(vnet, last);
  }

  /** How many nodes a vnet has. */
  count(vnet: Vnet): number {
    return nodesById.get(vnet).size;
  }

  /** ng_name_node. A node may be named anew, which frees its old name. */
  nameNode(node: Node, name: string): void {
    const { length } = stringToBytes(name);
    if (name === '' || /[.:\0]/.test(name) || length >= NAME_SIZE || decodeId(name) !== 0) {
      const rule = `1 to ${NAME_SIZE - 1} bytes, no "." or ":", not of the form [hex]`;
      throw new NgError('EINVAL', `"${name}" cannot name a node: ${rule}`);
    }
    const names = nodesByName.get(node.vnet);
    const owner = names.get(name);
    if (owner === node) return;
    if (owner !== undefined) throw new NgError('EADDRINUSE', `node ${owner} has the name already`);
    if (node.name !== '') names.delete(node.name);
    node.name = name;
    names.set(name, node);
    this.observer?.node(node);
  }

  /** The node called `name` (or `[id]`) in a vnet. */
  findNode(vnet: Vnet, name: string): Node | undefined {
    const id = decodeId(name);
    return id === 0 ? nodesByName.get(vnet).get(name) : nodesById.get(vnet).get(id);
  }

  /** ng_rmnode: shuts a node down, unless its type keeps it. */
  removeNode(node: Node): void {
    if (node.closing) return;
    node.closing = true;
    node.gate |= Gate.INVALID;
    this.guard(node, () => node.behaviour.close?.());
    for (let hook = node.hooks.at(-1); hook !== undefined; hook = node.hooks.at(-1)) destroyHook(hook);
    this.executor.flush(node);
    this.guard(node, () => node.behaviour.shutdown?.());
    if (node.isValid) node.closing = false;
    else this.forget(node);
  }

  /** ng_rmnode_self: shuts a node down once nothing is at work in it any more. */
  removeNodeSoon(node: Node): void {
    this.executor.whenIdle(node, () => this.removeNode(node));
  }

  // Edges

  /** ng_con_nodes: joins two nodes by a new hook on each. */
  connect(node: Node, name: string, other: Node, otherName: string): void {
    connectHooks(node, name, other, otherName);
  }

  /** ng_mkpeer: makes a node and joins it to this one. When any of it fails the new node goes again. */
  makePeer(node: Node, name: string, peerName: string, type: string): Node {
    return makePeer(node, name, peerName, type);
  }

  /** ng_destroy_hook: breaks the edge that a hook is one end of. */
  destroyHook(hook: Hook): void {
    destroyHook(hook);
  }

  // Messages

  /**
   * ng_path2noderef: finds what a path leads to, from `here`.
   * @param viewer the vnet whose user asks: the path may not enter vnets that are not open to it
   */
  resolve(here: Node, path: string, viewer: Vnet = here.vnet): Destination {
    const { node: start, hooks } = parsePath(path);
    const first = start === undefined || start === '.' ? here : this.findNode(here.vnet, start);
    if (first === undefined) throw new NgError('ENOENT', `no node "${start}"`);
    let node = first;
    let hook: Hook | undefined;
    for (const name of hooks) {
      const next = node.findHook(name);
      if (next === undefined || !next.isValid)
        throw new NgError('ENOENT', `node ${node} has no hook "${name}" (path "${path}")`);
      hook = next.peer;
      node = hook.node;
      if (node.vnet !== viewer && !this.env.jails.mayEnter(viewer, node.vnet))
        throw new NgError('EPERM', `path "${path}" leaves the jail`);
    }
    if (!node.isValid) throw new NgError('ENXIO', `node ${node} is shutting down`);
    return { node, hook };
  }

  /**
   * Sends a message to the node that a path leads to. `done` hears what came of it, before this returns unless
   * the node is busy.
   */
  send(from: Node, path: string, message: Message, done: Done): void {
    let to: Destination;
    try {
      to = this.resolve(from, path);
    } catch (thrown) {
      done(NgError.fromSystem(thrown));
      return;
    }
    this.executor.deliverMessage({ ...to, message, from }, done);
    this.executor.drain();
  }

  /** NG_SEND_MSG_ID and replies: sends a message to a node one holds. */
  sendTo(delivery: Delivery, done: Done = this.ignore): void {
    if (!delivery.node.isValid) done(new NgError('EINVAL', `node ${delivery.node} is gone`));
    else this.executor.deliverMessage(delivery, done);
  }

  /** NG_SEND_MSG_HOOK: sends a message to whatever is at the other end of a hook, as flow control does. */
  sendAlong(hook: Hook, message: Message, done: Done = this.ignore): void {
    if (!hook.isValid) done(new NgError('ENOTCONN', `hook ${hook} is not connected`));
    else this.sendTo({ node: hook.peer.node, message, from: hook.node, hook: hook.peer }, done);
  }

  /** NG_FWD_ITEM_HOOK: passes a message on through a hook; replies go to who sent it first. Throws as handlers do. */
  forward({ message, from }: Delivery, hook: Hook): void {
    if (!hook.isValid) throw new NgError('ENOTCONN', `hook ${hook} is not connected`);
    this.sendNow({ node: hook.peer.node, message, from, hook: hook.peer });
  }

  /** NG_RESPOND_MSG: sends a reply to who sent a message, if anybody wants one. Throws as handlers do. */
  respond({ node, from }: Delivery, reply: Message): void {
    if (from !== undefined) this.sendNow({ node: from, message: reply, from: node, hook: undefined });
  }

  /** Sends a message and throws what refuses it at once. */
  private sendNow(delivery: Delivery): void {
    let failed: NgError | undefined;
    this.sendTo(delivery, (error) => {
      failed = error;
    });
    if (failed !== undefined) throw failed;
  }

  private readonly ignore: Done = () => {};

  private nextId(vnet: Vnet): number {
    const taken = nodesById.get(vnet);
    let id = lastId.get(vnet);
    do id = id === 0xffffffff ? 1 : id + 1;
    while (taken.has(id));
    lastId.set(vnet, id);
    return id;
  }

  /** Takes an ID that a node had before. */
  private takeId(vnet: Vnet, id: number): number {
    if (nodesById.get(vnet).has(id)) throw new NgError('EEXIST', `${vnet} has a node ${idPath(id)}`);
    this.reserveIds(vnet, id);
    return id;
  }

  private forget(node: Node): void {
    if (nodesById.get(node.vnet).delete(node.id)) limits.maxNodes.add(node.vnet, -1);
    if (node.name !== '') nodesByName.get(node.vnet).delete(node.name);
    const entry = this.loaded.get(node.type.type);
    if (entry !== undefined) entry.nodes--;
    this.observer?.node(node);
  }

  private removeAll(vnet: Vnet): void {
    for (const node of this.nodes(vnet)) {
      node.reallyDie = true;
      this.removeNode(node);
    }
    this.executor.drain();
  }

  private nodeFailed(node: Node, error: unknown): void {
    this.env.log(`node ${node} of type ${node.type.type} failed: ${textOf(error, true)}`);
    node.reallyDie = true;
    this.removeNodeSoon(node);
  }

  /** Runs a type's own code that may refuse. A defect in it is EIO, and costs its node its life. */
  ask(node: Node, run: () => void): void {
    try {
      run();
    } catch (thrown) {
      if (thrown instanceof NgError) throw thrown;
      this.executor.handlerFailed(node, thrown);
      throw new NgError('EIO', `node ${node} failed: ${textOf(thrown)}`);
    }
  }

  /** Runs a type's own code where a failure must not keep the rest from being done. */
  guard(node: Node, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.env.log(`shutdown of node ${node} of type ${node.type.type}: ${textOf(error)}`);
    }
  }
}

/** What a type from outside made, in case nobody checked its types. */
function checked(behaviour: Node['behaviour']): Node['behaviour'] {
  const receive: unknown = Object(behaviour).receive;
  if (typeof receive === 'function' || (typeof receive === 'object' && receive !== null)) return behaviour;
  throw new TypeError(`create returned ${textOf(behaviour)}, which has no receive (functions, or one)`);
}

/** What `create` gets. Most types take no more than the node of it. */
class NewNode implements Creation<string> {
  constructor(
    readonly node: Node,
    readonly argument: unknown,
    readonly resume: unknown,
  ) {}

  get hooks(): Creation<string>['hooks'] {
    return this.node.namedHooks;
  }

  /** The world as one node sees it: its timers do not outlive it, and their failures are its own (ng_callout). */
  get env(): Environment {
    const { node } = this;
    const { env } = node.graph;
    const after: Clock['after'] = (microseconds, run) =>
      env.clock.after(microseconds, () => node.executor.runTimer(node, run));
    return { ...env, clock: { now: () => env.clock.now(), after } };
  }
}
