import { Heap } from './heap.js';
import { type Edge, isDue, type Member } from './members.js';
import type { Place } from './survey.js';

/** Nodes of one place that are to be made, and those that were made there. */
class Area {
  /** Those whose turn it is, and all: the best way to begin first, then the order of the survey. */
  readonly due = new Heap(isBetter);
  readonly missing = new Heap(isBetter);
  /** With edges that are to be made, the newest last. */
  open: Member[] = [];
}

const isBetter = (a: Member, b: Member): boolean => (a.way !== b.way ? a.way < b.way : a.order < b.order);
const isNewer = (a: Member, b: Member): boolean => a.age > b.age;
const isMissing = ({ made, plan }: Member): boolean => !made && plan?.isMade === false;

/**
 * What of a component can be made next. It is told of what was made, and looks at nothing else, so that a component is
 * made in a time that grows with it and not with its square.
 */
export class Frontier {
  private readonly areas: Map<Place, Area>;
  private growing = new Heap(isNewer);
  private count = 0;

  /** @param places in the order in which is begun there */
  constructor(members: readonly Member[], places: readonly Place[]) {
    const here = new Set(members.map(({ item }) => item.place));
    this.areas = new Map(places.filter((place) => here.has(place)).map((place) => [place, new Area()]));
    for (const member of members.filter(isMissing)) {
      const { due, missing } = this.area(member);
      missing.push(member);
      if (member.next === undefined || isDue(member.next)) due.push(member);
    }
  }

  /** A node was made. */
  add(member: Member): void {
    member.age = ++this.count;
    this.area(member).open.push(member);
    this.consider(member);
  }

  /** The next edge of a node may be another now. */
  consider({ next }: Member): void {
    if (next === undefined || !isDue(next)) return;
    for (const { member } of next.sides) {
      if (member.made) this.growing.push(member);
      else if (isMissing(member)) this.area(member).due.push(member);
    }
  }

  /** Those that were made until now have their turns the other way round. */
  reverse(): void {
    this.growing = new Heap(isNewer);
    for (const area of this.areas.values()) {
      area.open.reverse();
      for (const member of area.open) member.age *= -1;
    }
    for (const { open } of this.areas.values()) for (const member of open) this.consider(member);
  }

  /** The newest node with an edge whose turn it is, and that can be made. */
  grow(can: (member: Member, edge: Edge) => boolean): Member | undefined {
    for (let member = this.growing.pop(); member !== undefined; member = this.growing.pop()) {
      const { next } = member;
      if (next !== undefined && isDue(next) && can(member, next)) return member;
    }
    return undefined;
  }

  /** Where nothing grows: a node to begin with, or one to grow out of its turn; undefined: all is made that can be. */
  begin(can: (member: Member, edge: Edge) => boolean): Member | undefined {
    for (const { due, open, missing } of this.areas.values()) {
      const turn = ({ next }: Member): boolean => next === undefined || isDue(next);
      const begun =
        take(due, (member) => isMissing(member) && turn(member)) ??
        // Hooks that were moved since may be in no order in which they could be made.
        stuck(open, can) ??
        take(missing, isMissing);
      if (begun !== undefined) return begun;
    }
    return undefined;
  }

  private area({ item }: Member): Area {
    return this.areas.get(item.place)!;
  }
}

function take(heap: Heap<Member>, fits: (member: Member) => boolean): Member | undefined {
  let member = heap.pop();
  while (member !== undefined && !fits(member)) member = heap.pop();
  return member;
}

function stuck(open: Member[], can: (member: Member, edge: Edge) => boolean): Member | undefined {
  while (open.at(-1)?.isComplete) open.pop();
  return open.findLast((member) => !member.isComplete && can(member, member.next!));
}
