import type { Jail } from '../jail/index.js';
import {
  type Hook,
  type Netgraph,
  type Node,
  type NodeState,
  removeUnused,
  restoreNode,
  restoreSettings,
} from '../netgraph/index.js';
import { joinWormholes } from '../nodes/wormhole.js';
import type { Vnet } from '../vnet/index.js';
import { leftovers } from './repair.js';
import type { EdgeState, WorldState } from './state.js';
import type { World } from './world.js';

/** What could not be made again now, but perhaps another time: jails by ID, nodes by their keys. */
export interface Waiting {
  readonly jails: ReadonlySet<number>;
  readonly nodes: ReadonlySet<string>;
}

/** What became of a graph. */
interface RestoredGraph {
  /** What could not be made again, in sentences. */
  readonly lost: string[];
  /** The keys of the nodes among that. */
  readonly waiting: ReadonlySet<string>;
  /** Nodes that are there and lack a hook to something that waits. */
  readonly bereft: ReadonlySet<Node>;
}

/**
 * Makes a world what it was: jails, limits, nodes, edges, what nodes were told.
 * @returns what could not be made again, in sentences, and what of that waits, in words too; nodes that lack hooks to
 *   it; and the jails whose removal was under way
 */
export async function restore(
  world: World,
  state: WorldState,
  rebooted: boolean,
): Promise<{
  lost: string[];
  waiting: Waiting;
  waitingInWords: string[];
  bereft: ReadonlySet<Node>;
  removing: readonly Jail[];
}> {
  const found = await world.jails.restore([...state.jails.values()], rebooted);
  const { lost, removing } = found;
  const vnets = new Map<number, Vnet>([[0, world.vnet0]]);
  for (const jail of world.jails.list(undefined))
    if (jail.ownsVnet && !removing.includes(jail)) vnets.set(jail.id, jail.vnet);
  world.interfaces.survivors.expect([...state.nodes.values()].map(([, { resume }]) => resume));
  const waitingJails = new Set(found.waiting.keys());
  const graph = restoreGraph(world.graph, vnets, state, waitingJails);
  lost.push(...graph.lost);
  lost.push(...missedInterfaces(world, state, rebooted));
  const waiting = { jails: waitingJails, nodes: graph.waiting };
  const waitingInWords = [...found.waiting.values()].map((name) => `jail ${name}`);
  for (const key of graph.waiting) {
    const [jail, node] = state.nodes.get(key)!;
    waitingInWords.push(inWords(world.graph, vnets.get(jail)!, node));
  }
  return { lost, waiting, waitingInWords, bereft: graph.bereft, removing };
}

/** `eiface node ngeth0 of jail a` */
function inWords(graph: Netgraph, vnet: Vnet, { type, name, id }: NodeState): string {
  return `${type} node ${name || `[${id.toString(16)}]`}${whose(graph, vnet)}`;
}

/** ` of jail a`; of the host, nothing */
const whose = ({ env, vnets }: Netgraph, vnet: Vnet): string =>
  vnet.isDefault ? '' : ` of jail ${env.jails.nameOf(vnets.vnet0, vnet)}`;

/** Interfaces that were gone, in sentences; in a system, or a jail, that was started anew all of them are. */
function missedInterfaces(
  { graph, interfaces, jails, log }: World,
  state: WorldState,
  rebooted: boolean,
): string[] {
  return interfaces.survivors.missed.flatMap(({ vnet, name }) => {
    const what = `interface ${name}${whose(graph, vnet)} was gone: it is made anew, without addresses`;
    const isRule =
      rebooted || (!vnet.isDefault && state.jails.get(jails.idOf(vnet))?.namespace === undefined);
    if (isRule) log(what);
    return isRule ? [] : [what];
  });
}

/**
 * Finishes removals that were under way.
 * @param complete whether all that there should be is there, so that what is there besides is known to be going
 * @returns what is there besides and stays, in sentences
 */
export async function finishRemovals(
  world: World,
  jails: readonly Jail[],
  complete: boolean,
): Promise<string[]> {
  const { survivors } = world.interfaces;
  const orphans = [...world.interfaces.orphans()].filter(({ link }) => !survivors.mayBeMissed(link));
  if (complete) await world.interfaces.removeOrphans(orphans);
  for (const jail of jails) await world.jails.remove(jail);
  return leftovers(world).map(({ what }) => `${what} has our mark`);
}

/**
 * Makes nodes and edges what they were, in vnets by ID of their jail.
 * @param waitingJails IDs of those that could not be made again
 */
export function restoreGraph(
  graph: Netgraph,
  vnets: ReadonlyMap<number, Vnet>,
  state: WorldState,
  waitingJails: ReadonlySet<number> = new Set(),
): RestoredGraph {
  const lost: string[] = [];
  const waiting = new Set<string>();
  const attempt = (what: string, work: () => void): void => {
    try {
      work();
    } catch (error) {
      lost.push(`${what}: ${(error as Error).message}`);
    }
  };

  for (const [jail, name, value] of state.sysctls.values()) {
    const vnet = vnets.get(jail);
    if (vnet !== undefined) attempt(`sysctl ${name}`, () => graph.vnets.sysctls.write(vnet, name, value));
  }
  const nodes = new Map<string, Node>();
  for (const [key, [jail, node]] of state.nodes) {
    const vnet = vnets.get(jail);
    if (vnet === undefined) continue; // its jail is named already
    waiting.add(key);
    attempt(inWords(graph, vnet, node), () => {
      nodes.set(key, restoreNode(graph, vnet, node));
      waiting.delete(key);
    });
  }
  // A name may have been given to another node while this one had to wait: that one is younger, and keeps it.
  for (const [key, [, { name }]] of [...state.nodes].reverse()) {
    const node = nodes.get(key);
    if (node !== undefined && name !== '') attempt(`name ${name}`, () => graph.nameNode(node, name));
  }
  const waits = (jail: number, id: number) => waitingJails.has(jail) || waiting.has(`${jail}/${id}`);
  const bereft = new Set<Node>();
  const widows: Node[] = [];
  const halves: Node[] = [];
  for (const edge of inOrder(state.edges.values())) {
    const ends = [nodes.get(`${edge[0]}/${edge[1]}`), nodes.get(`${edge[3]}/${edge[4]}`)];
    const [a, b] = ends;
    const there = ends.filter((node) => node !== undefined);
    if (a !== undefined && b !== undefined) attempt(`hook ${a}${edge[2]}`, () => join(a, b, edge));
    else if (waits(edge[0], edge[1]) || waits(edge[3], edge[4])) for (const node of there) bereft.add(node);
    else (isWarp(edge) ? halves : widows).push(...there);
  }
  for (const [key, [, { settings = [] }]] of state.nodes) {
    const node = nodes.get(key);
    if (node !== undefined) attempt(`node ${node}`, () => restoreSettings(node, settings));
  }
  for (const [jail, id] of state.lastIds) {
    const vnet = vnets.get(jail);
    if (vnet !== undefined) graph.reserveIds(vnet, id);
  }
  // What goes with nodes that are gone.
  for (const node of halves) graph.removeNode(node);
  for (const node of widows) if (!bereft.has(node)) removeUnused(node);
  return { lost, waiting, bereft };
}

const isWarp = ([jail, , , peerJail]: EdgeState): boolean => jail !== peerJail;

/** What can be used only once. A wormhole has one way to the other side, whatever its name. */
function endsOf(edge: EdgeState): string[] {
  const [jail, node, hook, peerJail, peer, peerHook] = edge;
  if (isWarp(edge)) return [`${jail}/${node}`, `${peerJail}/${peer}`];
  return [`${jail}/${node}/${hook}`, `${peerJail}/${peer}/${peerHook}`];
}

/** Edges, the last of them those of which a hook was used for a younger one while they had to wait. */
function inOrder(edges: Iterable<EdgeState>): EdgeState[] {
  const all = [...edges];
  const users = new Map(all.flatMap((edge) => endsOf(edge).map((end) => [end, edge])));
  const isLast = (edge: EdgeState) => endsOf(edge).every((end) => users.get(end) === edge);
  return [...all.filter(isLast), ...all.filter((edge) => !isLast(edge))];
}

/** Wormholes are joined by opening one, all others by connecting them. */
function join(a: Node, b: Node, [, , hook, , , peer]: EdgeState): void {
  if (a.vnet === b.vnet) a.graph.connect(a, hook, b, peer);
  else joinWormholes(a, b);
}

/** The edges of nodes that are parts of programs, which no journal has. */
export function programEdges({ graph, vnets, jails }: World): EdgeState[] {
  const end = ({ node, name }: Hook) => [jails.idOf(node.vnet), node.id, name] as const;
  const nodes = [...vnets].flatMap((vnet) => graph.nodes(vnet));
  const hooks = nodes.filter(({ type }) => type.transient).flatMap((node) => node.hooks);
  // Edges between two of them only once.
  const seen = new Set<Hook>();
  const once = hooks.filter((hook) => seen.add(hook) && !seen.has(hook.peer));
  return once.map((hook) => [...end(hook), ...end(hook.peer)]);
}

/** Makes such edges again. */
export function restoreProgramEdges({ graph, vnet0, jails }: World, edges: readonly EdgeState[]): void {
  const find = (jail: number, id: number): Node | undefined => {
    const vnet = jail === 0 ? vnet0 : jails.byId(jail)?.vnet;
    return vnet && graph.findNode(vnet, `[${id.toString(16)}]`);
  };
  for (const edge of edges) {
    // A client that did not read was left behind, and its node with it.
    const [a, b] = [find(edge[0], edge[1]), find(edge[3], edge[4])];
    if (a !== undefined && b !== undefined) join(a, b, edge);
  }
}
