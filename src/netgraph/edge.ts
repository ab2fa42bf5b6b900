import { NgError } from './errors.js';
import { Gate, Hook } from './hook.js';
import { limits } from './limits.js';
import type { Node } from './node.js';
import { onWire } from './wire.js';

function checkRoom({ vnet }: Node): void {
  if (!limits.maxHooks.hasRoom(vnet))
    throw new NgError('ENOBUFS', `${vnet} has as many hooks as net.graph.maxhooks allows`);
}

/** Makes a hook that has no peer yet, ng_add_hook. Throws what the node refuses it with. */
function addHook(node: Node, name: string): Hook {
  checkRoom(node);
  const hook = new Hook(node, name);
  node.graph.ask(node, () => node.behaviour.newHook?.(hook));
  const { hooks } = node.type;
  if (hooks !== undefined && !hooks.includes(name))
    throw new NgError(
      'EINVAL',
      `a node of type ${node.type.type} has no hook "${name}", only ${hooks.join(', ')}`,
    );
  const { receive } = node.behaviour;
  if (typeof receive === 'function') hook.receive = receive;
  else if (Object.hasOwn(receive, name)) hook.receive = receive[name] ?? hook.receive;
  if (node.type.frames === 'wire') hook.receive = onWire(hook.receive);
  node.addHook(hook);
  return hook;
}

function addNewHook(node: Node, name: string): Hook {
  if (node.findHook(name) !== undefined) throw new NgError('EEXIST', `node ${node} has a hook "${name}"`);
  return addHook(node, name);
}

function join(a: Hook, b: Hook): void {
  a.peer = b;
  b.peer = a;
}

/** Asks both nodes whether they accept the edge, and opens it. */
function complete(first: Hook, second: Hook): void {
  for (const hook of [first, second]) {
    const { graph, behaviour } = hook.node;
    graph.ask(hook.node, () => behaviour.connect?.(hook));
  }
  // Either may have used the edge up already, as wormholes do.
  if (first.peer === second) open(first, second);
}

function open(first: Hook, second: Hook): void {
  first.gate &= ~Gate.INVALID;
  second.gate &= ~Gate.INVALID;
  first.node.graph.observer?.hook(first);
}

/**
 * Joins two nodes without asking their types, for a type's own internal edges, which may cross vnets.
 * @throws NgError ENOBUFS one of the vnets has as many hooks as it may
 */
export function splice(hook: Hook, other: Hook): void {
  checkRoom(hook.node);
  checkRoom(other.node);
  join(hook, other);
  hook.node.addHook(hook);
  other.node.addHook(other);
  open(hook, other);
}

/**
 * ng_bypass: takes two hooks out of the way by joining their peers with each other. The two are left joined to
 * each other, on their way out.
 */
export function bypass(a: Hook, b: Hook): void {
  const ends = [a, b, a.peer, b.peer];
  join(b.peer, a.peer);
  join(a, b);
  for (const hook of ends) hook.node.graph.observer?.hook(hook);
}

/** ng_con_nodes. The other node is asked first, both for the hook and for the edge. */
export function connectHooks(node: Node, name: string, other: Node, otherName: string): void {
  if (node.vnet !== other.vnet)
    throw new NgError('EXDEV', `nodes ${node} and ${other} are in different vnets: join them by a wormhole`);
  if (other.findHook(otherName) !== undefined)
    throw new NgError('EEXIST', `node ${other} has a hook "${otherName}"`);
  const hook = addNewHook(node, name);
  try {
    join(hook, addHook(other, otherName));
    complete(hook.peer, hook);
  } catch (thrown) {
    destroyHook(hook);
    throw thrown;
  }
}

/** ng_mkpeer. */
export function makePeer(node: Node, name: string, peerName: string, type: string): Node {
  const { graph } = node;
  const made = graph.makeNode(node.vnet, type);
  let hook: Hook | undefined;
  try {
    hook = addNewHook(node, name);
    join(hook, addNewHook(made, peerName));
    complete(hook, hook.peer);
  } catch (thrown) {
    if (hook !== undefined) destroyHook(hook);
    made.reallyDie = true;
    graph.removeNode(made);
    throw thrown;
  }
  return made;
}

/** ng_destroy_hook: the peer's node learns of it as soon as it is idle. */
export function destroyHook(hook: Hook): void {
  const { node, peer } = hook;
  hook.gate |= Gate.INVALID;
  hook.peer = hook;
  hook.likely = hook; // holds on to nobody
  if (peer !== hook) {
    peer.gate |= Gate.INVALID;
    peer.peer = peer;
  }
  if (node.removeHook(hook)) {
    node.graph.guard(node, () => node.behaviour.disconnect?.(hook));
    removeUnused(node);
  }
  if (peer !== hook) node.executor.whenIdle(peer.node, () => destroyHook(peer));
}

/** Has a node without hooks shut down, unless its type keeps it. */
export function removeUnused(node: Node): void {
  if (node.hooks.length === 0 && node.isValid && !stays(node)) node.graph.removeNodeSoon(node);
}

function stays(node: Node): boolean {
  let persists = false;
  node.graph.guard(node, () => {
    persists = node.behaviour.persists?.() ?? false;
  });
  return persists;
}
