import type { Setting } from './define.js';
import { NgError } from './errors.js';
import type { Netgraph } from './graph.js';
import type { Hook } from './hook.js';
import { Message } from './message.js';
import type { Node } from './node.js';
import { encode, parse, unparse } from './types/index.js';

/** Message and arguments in ASCII form, as `ngctl msg` takes them. */
export type SettingText = readonly [message: string, args: string];

/** What it takes to make a node again, but for its hooks. JSON. */
export interface NodeState {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  /** Messages that bring it to where it was; absent where there is `resume`. */
  readonly settings?: readonly SettingText[];
  /** See `Behaviour.resume`. */
  readonly resume?: unknown;
}

/** Writes down a node for a program that takes up where this one ends. */
export function nodeState(node: Node): NodeState {
  const { id, type, name, behaviour } = node;
  const state = { id, type: type.type, name };
  if (behaviour.resume !== undefined) return { ...state, resume: behaviour.resume() };
  const settings = settingsOf(node).filter(([, , makes]) => makes === undefined);
  if (settings.length === 0) return state;
  return { ...state, settings: settings.map((setting) => settingText(node, setting)) };
}

/** What would bring a new node to where this one is. */
export const settingsOf = (node: Node): readonly Setting[] => node.behaviour.configuration?.() ?? [];

/** A setting as `ngctl msg` takes it. */
export function settingText(node: Node, [message, value]: Setting): SettingText {
  const { args } = node.type.messages[message];
  return [message, args === undefined ? '' : unparse(args, encode(args, value as never), { exact: true })];
}

/** Makes a node again, under its ID. What it was told follows when it has its name and its hooks: `restoreSettings`. */
export function restoreNode(graph: Netgraph, vnet: Node['vnet'], { id, type, resume }: NodeState): Node {
  return graph.makeNode(vnet, type, { id, resume });
}

/** Tells a node what it was told before. @throws NgError what refuses it */
export function restoreSettings(node: Node, settings: readonly SettingText[]): void {
  for (const [name, args] of settings) {
    const spec = node.type.messages[name];
    if (spec === undefined)
      throw new NgError('ENOSYS', `a node of type ${node.type.type} has no message "${name}"`);
    const data = spec.args === undefined ? undefined : parse(spec.args, args).bytes;
    const message = new Message(node.type.cookie, spec.cmd, data);
    let refused: NgError | undefined;
    node.executor.deliverMessage({ node, message, from: undefined, hook: undefined }, (error) => {
      refused = error;
    });
    if (refused !== undefined) throw NgError.fromSystem(refused, `${node} ${name} ${args}`);
  }
}

/** Whether an edge is part of what is written down: both ends are there, and neither is part of a program. */
export const isLasting = (hook: Hook): boolean =>
  hook.isValid && !hook.node.type.transient && !hook.peer.node.type.transient;
