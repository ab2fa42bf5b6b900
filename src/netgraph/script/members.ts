import { stringToBytes } from '../types/index.js';
import { type Item, isStep, isWord } from './stage.js';
import type { HookPlan, NodePlan, Survey } from './survey.js';

const NAME_SIZE = 32;

/** An edge that is to be made. */
export interface Edge {
  readonly sides: readonly [Side, Side];
  done: boolean;
}

export interface Side {
  readonly member: Member;
  readonly name: string;
  /** Undefined at a node that is there for the time being only. */
  readonly hook?: HookPlan;
}

/** Ways to begin with a node, the best first. */
export const Way = { KEEPS_ITSELF: 0, FREE_HOOK: 1, ANY_HOOK: 2, TEE: 3 } as const;

/** A node that is to be made. */
export class Member {
  made = false;
  /** Of those that were made, the newest has the highest. */
  age = 0;
  way: number = Way.TEE;
  /** Its edges in the order of its hooks, and how many of them are done in that order. */
  edges: Edge[] = [];
  private done = 0;
  told = false;

  constructor(
    readonly item: Item,
    /** Undefined for a node that is there for the time being only. */
    readonly plan: NodePlan | undefined,
    /** Where it is in the survey. */
    readonly order = 0,
  ) {}

  /** The first edge that is to be made. */
  get next(): Edge | undefined {
    while (this.edges[this.done]?.done) this.done++;
    return this.edges[this.done];
  }

  get isComplete(): boolean {
    return this.next === undefined;
  }

  /** Another edge comes in the place of one that is to be made. */
  replace(edge: Edge, other: Edge): void {
    this.edges[this.edges.indexOf(edge, this.done)] = other;
  }
}

/** Whether it is the turn of an edge on both its nodes. */
export const isDue = (edge: Edge): boolean => edge.sides.every(({ member }) => member.next === edge);

/** The sides of an edge, that of the node first. */
export function sidesFrom(member: Member, { sides: [a, b] }: Edge): readonly [Side, Side] {
  return a.member === member ? [a, b] : [b, a];
}

/**
 * A hook that a node does not have but takes. Types that take any may have rules of their own (link0, link1), so that
 * the next number after one that is there is a safe guess.
 */
export function freeHook({ item, plan }: Member): { name: string; isSure: boolean } | undefined {
  const planned = plan?.hooks.map(({ name }) => name) ?? ['left', 'right'];
  const taken = new Set([...planned, ...[...item.hooks()].map(({ name }) => name)]);
  const names = plan === undefined ? ['left2right'] : plan.hookNames;
  if (names !== undefined) {
    const name = names.find((one) => !taken.has(one));
    return name === undefined ? undefined : { name, isSure: true };
  }
  const numbered = planned
    .map((name) => (isStep(name) ? /^(.*?)(0|[1-9]\d{0,3})$/.exec(name) : null))
    .filter((match) => match !== null);
  const [, stem = 'link', first = '0'] = numbered.at(-1) ?? [];
  let number = Number(first);
  while (taken.has(`${stem}${number}`)) number++;
  const name = `${stem}${number}`;
  if (stringToBytes(name).length >= NAME_SIZE) return undefined;
  return { name, isSure: numbered.length > 0 };
}

/** How a node is made where there is nothing that it grows from. */
export function wayOf(member: Member, isHome: boolean): number {
  const { plan } = member;
  const hook = freeHook(member);
  if (hook !== undefined) return hook.isSure ? Way.FREE_HOOK : Way.ANY_HOOK;
  return plan!.persists && isWord(plan!.name) && isHome ? Way.KEEPS_ITSELF : Way.TEE;
}

/** Nodes that edges, wormholes and pairs join. The one with the first node is the first. */
export function componentsOf({ nodes, pairs }: Survey): NodePlan[][] {
  const partner = new Map<NodePlan, NodePlan>();
  for (const [a, b] of pairs) partner.set(a, b).set(b, a);
  for (const node of nodes) for (const { node: far } of node.makes) partner.set(far, node);
  const seen = new Set<NodePlan>();
  const order = new Map(nodes.map((node, at) => [node, at]));
  return nodes.flatMap((first) => {
    if (seen.has(first)) return [];
    const component = [first];
    seen.add(first);
    for (const node of component) {
      const across = partner.get(node);
      const near = node.hooks.flatMap(({ edge }) => edge.ends.map((end) => end.node));
      const far = node.makes.map((made) => made.node);
      for (const next of [...near, ...far, ...(across === undefined ? [] : [across])]) {
        if (seen.has(next)) continue;
        seen.add(next);
        component.push(next);
      }
    }
    return [component.sort((a, b) => order.get(a)! - order.get(b)!)];
  });
}
