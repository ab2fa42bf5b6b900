import type { Vnet } from '../../vnet/index.js';
import { textOf } from '../errors.js';
import type { Netgraph } from '../graph.js';
import type { Node } from '../node.js';
import { isLasting, type SettingText, settingsOf, settingText } from '../state.js';
import { inComment } from './stage.js';

/** A vnet that a script reaches. */
export interface Place {
  readonly vnet: Vnet;
  /** ID of its jail, which hooks of wormholes are named after. */
  readonly jid: number;
  /** The jail as whoever runs the script calls it; empty for where that is. */
  readonly jail: string;
}

/** One node that a script makes. */
export interface NodePlan {
  readonly type: string;
  /** Names of the hooks it takes; any when absent. */
  readonly hookNames: readonly string[] | undefined;
  readonly place: Place;
  readonly name: string;
  /** Whether it stays without hooks once its settings are made. */
  readonly persists: boolean;
  readonly settings: readonly SettingText[];
  /** Settings that make other nodes, and the hooks by which those are joined to it. */
  readonly makes: readonly { setting: SettingText; node: NodePlan; hook: string; peerhook: string }[];
  /** Its hooks in order. */
  hooks: HookPlan[];
  /** Whether another node's setting makes it, or a collapse: mkpeer does not. */
  isMade: boolean;
}

/** One end of an edge; an edge is the same object for both. */
export interface HookPlan {
  readonly node: NodePlan;
  readonly name: string;
  readonly edge: { readonly ends: HookPlan[] };
}

/** What a script is to make. */
export interface Survey {
  /** The one where it runs first, then those below, outer ones before inner ones. */
  readonly places: readonly Place[];
  /** By place and ID. */
  readonly nodes: readonly NodePlan[];
  /** Sides of wormholes that a collapse made: neither could have opened the other. */
  readonly pairs: readonly (readonly [NodePlan, NodePlan])[];
  /** What is not written down, and why. */
  readonly remarks: readonly string[];
}

/** Looks at the graphs of some vnets: what there is to write down. */
export function survey(graph: Netgraph, viewer: Vnet, vnets: Iterable<Vnet>): Survey {
  const { jails } = graph.env;
  const wanted = [...new Set([viewer, ...vnets])].filter((vnet) => jails.mayEnter(viewer, vnet));
  const depths = new Map(
    wanted.map((vnet) => [vnet, wanted.filter((outer) => jails.mayEnter(outer, vnet)).length]),
  );
  const places = wanted
    .map((vnet): Place => {
      const jail = vnet === viewer ? '' : jails.nameOf(viewer, vnet);
      return { vnet, jid: jails.idOf(vnet), jail };
    })
    .sort((a, b) => depths.get(a.vnet)! - depths.get(b.vnet)! || a.jid - b.jid);
  const placeOf = new Map(places.map((place) => [place.vnet, place]));
  const nodes = places.flatMap(({ vnet }) => graph.nodes(vnet).sort((a, b) => a.id - b.id));
  const remarks: string[] = [];
  const remark: Remark = (node, why) => {
    const { jail } = placeOf.get(node.vnet)!;
    const name = node.name === '' ? `[${node.id.toString(16)}]` : inComment(node.name);
    const what = jail === '' ? node.type.type : `${node.type.type}, jail ${jail}`;
    remarks.push(`${name} (${what}) ${why}`);
  };

  const kept = new Set(nodes.filter(({ type, isValid }) => isValid && !type.transient));
  for (const node of kept) {
    const out = node.hooks.find((hook) => hook.isValid && !placeOf.has(hook.peer.node.vnet));
    if (out === undefined) continue;
    remark(node, 'is left out: it belongs to the script of who opened it');
    kept.delete(node);
  }
  for (const node of kept) {
    if (node.hooks.some((hook) => isLasting(hook) && kept.has(hook.peer.node)) || persists(node)) continue;
    const holder = node.hooks.some(isLasting) ? 'such a wormhole' : 'a program';
    remark(node, `is left out: only ${holder} holds it`);
    kept.delete(node);
  }
  return { places, remarks, ...plan([...kept], placeOf, remark) };
}

function persists(node: Node): boolean {
  let answer = false;
  node.graph.guard(node, () => {
    answer = node.behaviour.persists?.() ?? false;
  });
  return answer;
}

type Remark = (node: Node, what: string) => void;

/** The settings of a node. Its type's code may fail: then it comes without, and the rest is written down all the same. */
function settingsOrNone(node: Node, remark: Remark): { text: SettingText; makes: Node | undefined }[] {
  try {
    return settingsOf(node).map((setting) => ({ text: settingText(node, setting), makes: setting[2] }));
  } catch (thrown) {
    remark(node, `is without its settings: telling them failed: ${inComment(textOf(thrown))}`);
    return [];
  }
}

/** The nodes with all that joins them. */
function plan(
  nodes: readonly Node[],
  placeOf: ReadonlyMap<Vnet, Place>,
  remark: Remark,
): Pick<Survey, 'nodes' | 'pairs'> {
  const plans = new Map<Node, NodePlan & { makes: NodePlan['makes'][number][] }>();
  const settings = new Map(nodes.map((node) => [node, settingsOrNone(node, remark)]));
  for (const node of nodes) {
    plans.set(node, {
      type: node.type.type,
      hookNames: node.type.hooks,
      place: placeOf.get(node.vnet)!,
      name: node.name,
      persists: persists(node),
      settings: settings.get(node)!.flatMap(({ text, makes }) => (makes === undefined ? [text] : [])),
      makes: [],
      hooks: [],
      isMade: false,
    });
  }
  for (const [node, near] of plans) {
    for (const { text: setting, makes } of settings.get(node)!) {
      const far = makes === undefined ? undefined : plans.get(makes);
      const hook = far && node.hooks.find(({ peer }) => peer.node === makes);
      if (hook === undefined || far === undefined) continue;
      const peerhook = hook.peer.name;
      near.makes.push({ setting, node: far, hook: hook.name, peerhook });
      far.isMade = true;
    }
  }
  const pairs: [NodePlan, NodePlan][] = [];
  const edges = new Map<unknown, HookPlan>();
  for (const [node, here] of plans) {
    for (const hook of node.hooks) {
      const there = plans.get(hook.peer.node);
      if (there === undefined || !isLasting(hook)) continue;
      if (here.place === there.place) {
        const other = edges.get(hook.peer);
        const end: HookPlan = { node: here, name: hook.name, edge: other?.edge ?? { ends: [] } };
        end.edge.ends.push(end);
        edges.set(hook, end);
        here.hooks.push(end);
      } else if (!here.isMade && !there.isMade) {
        here.isMade = true;
        there.isMade = true;
        pairs.push([here, there]);
      }
    }
  }
  return { nodes: [...plans.values()], pairs };
}
