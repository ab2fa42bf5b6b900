import type { Vnet } from '../vnet/index.js';
import type { Behaviour, MessageSpecs, NodeType } from './define.js';
import type { Executor, Item } from './executor.js';
import type { Netgraph } from './graph.js';
import { Gate, type Hook } from './hook.js';
import { limits } from './limits.js';
import { idPath } from './path.js';

/** From so many hooks on a Map finds them faster; below, it would take more room than all the rest. */
const MANY = 8;

const newest = (hooks: readonly Hook[], name: string): Hook | undefined => {
  for (let i = hooks.length - 1; i >= 0; i--) if (hooks[i].name === name) return hooks[i];
  return undefined;
};

/** One node of a graph, struct ng_node. */
export class Node {
  /** Empty for a node without one. Unique in its vnet. */
  name = '';
  /** Bits of `Gate`; Gate.INVALID while the node is being made or torn down. */
  gate: number = Gate.INVALID;
  /** How many calls are at work in the node. */
  readers = 0;
  /** What waits for the node, in order. */
  readonly queue: Item[] = [];
  /** In order of connection; FreeBSD lists them newest first. */
  readonly hooks: Hook[] = [];
  /** The same for all nodes of a graph; here because every hop needs it. */
  readonly executor: Executor;
  behaviour!: Behaviour<MessageSpecs, string>;
  /** Set while the node goes down; it stays set unless the node revives. */
  closing = false;
  /** NGF_REALLY_DIE: a shutdown of this node is final even for persistent types. */
  reallyDie = false;

  constructor(
    readonly graph: Netgraph,
    readonly vnet: Vnet,
    readonly type: NodeType,
    readonly id: number,
  ) {
    this.executor = graph.executor;
    this.namedHooks = Object.fromEntries((type.hooks ?? []).map((name) => [name, undefined]));
  }

  /** The hooks whose names the type declares: always all of its keys, so that look-ups stay fast. */
  readonly namedHooks: Record<string, Hook | undefined>;
  /** Only where there are many. */
  private byName: Map<string, Hook> | undefined;

  /** The hook of that name, ng_findhook. */
  findHook(name: string): Hook | undefined {
    return this.byName === undefined ? newest(this.hooks, name) : this.byName.get(name);
  }

  /** @internal */
  addHook(hook: Hook): void {
    limits.maxHooks.add(this.vnet, 1);
    this.hooks.push(hook);
    if (this.byName !== undefined) this.byName.set(hook.name, hook);
    else if (this.hooks.length > MANY) this.byName = new Map(this.hooks.map((one) => [one.name, one]));
    this.renewNamed(hook.name);
  }

  /** @internal Says whether the hook was there. */
  removeHook(hook: Hook): boolean {
    const { hooks, byName } = this;
    const at = hooks.lastIndexOf(hook);
    if (at < 0) return false;
    hooks.splice(at, 1);
    this.graph.observer?.hook(hook);
    limits.maxHooks.add(this.vnet, -1);
    if (byName?.get(hook.name) === hook) {
      byName.delete(hook.name);
      // A node connected to itself can have a name twice (ng_con_nodes checks before it makes the first).
      const twin = hooks.length > byName.size ? newest(hooks, hook.name) : undefined;
      if (twin !== undefined) byName.set(hook.name, twin);
    }
    this.renewNamed(hook.name);
    return true;
  }

  /** Gives a hook of this node another name, for types that make hooks of their own. */
  renameHook(hook: Hook, name: string): void {
    this.byName?.delete(hook.name);
    hook.name = name;
    this.byName?.set(name, hook);
    this.graph.observer?.hook(hook);
  }

  private renewNamed(name: string): void {
    if (Object.hasOwn(this.namedHooks, name)) this.namedHooks[name] = this.findHook(name);
  }

  /** NG_NODE_IS_VALID: false once the node is going. */
  get isValid(): boolean {
    return (this.gate & Gate.INVALID) === 0;
  }

  /** NG_NODE_REVIVE: called in a type's shutdown method to stay. Says whether it may: not when it must die. */
  revive(): boolean {
    if (this.reallyDie) return false;
    this.gate &= ~Gate.INVALID;
    return true;
  }

  /** What `Behaviour.resume` or `Behaviour.configuration` gives has changed without a message to the node. */
  changed(): void {
    this.graph.observer?.node(this);
  }

  /** Whether everything that arrives is queued rather than delivered directly. */
  set queued(on: boolean) {
    this.gate = on ? this.gate | Gate.QUEUE : this.gate & ~Gate.QUEUE;
  }

  /** NG_NODE_FORCE_WRITER: whether everything that arrives has the node to itself. */
  set exclusive(on: boolean) {
    this.gate = on ? this.gate | Gate.WRITER : this.gate & ~Gate.WRITER;
  }

  /** The address of the node: its name or its ID, with the colon. */
  toString(): string {
    return this.name === '' ? idPath(this.id) : `${this.name}:`;
  }
}
