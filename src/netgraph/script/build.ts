import type { JailDirectory } from '../environment.js';
import { stringToBytes } from '../types/index.js';
import { quote } from '../types/text.js';
import { Frontier } from './frontier.js';
import { componentsOf, type Edge, freeHook, Member, type Side, sidesFrom, Way, wayOf } from './members.js';
import { Item, inComment, Stage, Unreachable } from './stage.js';
import type { HookPlan, NodePlan, Place, Survey } from './survey.js';

/** A path of this length gets no longer: its node is given a hook to where paths begin. */
const LONG_PATH = 128;

/** A wormhole into a jail that is there for the time being only: what its far side holds can be told to make more. */
interface Gate {
  readonly near: Item;
  readonly far: Item;
}

/** What the nodes were made in, when a script is through: the order that the next survey finds. */
export interface Built {
  readonly lines: readonly string[];
  readonly survey: Survey;
}

/**
 * Writes the script. Nodes grow out of those that are there, along their edges and each node's in the order of its
 * hooks; where there is nothing to grow from, a temporary hook of ngctl's own node holds the first one.
 */
export class Builder {
  private readonly stage: Stage;
  private readonly members = new Map<NodePlan, Member>();
  /** All that were made, in order. */
  private readonly made: Member[] = [];
  /** Of this component. */
  private frontier!: Frontier;
  /** Hooks of nodes in the order in which they were made. */
  private readonly order = new Map<NodePlan, HookPlan[]>();
  private readonly pairs: ReadonlyMap<NodePlan, readonly [NodePlan, NodePlan]>;
  private readonly gates = new Map<Place, Gate[]>();
  /** Far sides of gates that hold something of this component. */
  private readonly busy = new Set<Item>();
  /** What takes away the temporary parts of this component. */
  private endings: (() => void)[] = [];

  constructor(
    private readonly survey: Survey,
    jails: Pick<JailDirectory, 'mayEnter'>,
  ) {
    this.stage = new Stage(survey.places[0], jails);
    this.pairs = new Map(survey.pairs.map((pair) => [pair[0], pair]));
  }

  /** Yields now and then, for others to have their turns. */
  *run(): Generator<void, Built> {
    const { stage, survey } = this;
    const names = new Map<Place, string[]>(survey.places.map((place) => [place, []]));
    for (const [order, plan] of survey.nodes.entries()) {
      names.get(plan.place)!.push(plan.name);
      const member = new Member(new Item(plan.type, plan.place), plan, order);
      member.way = wayOf(member, this.isHome(plan.place));
      this.members.set(plan, member);
      yield;
    }
    for (const [place, taken] of names) stage.reserveNames(place, taken);
    yield* this.planEdges();
    for (const component of componentsOf(survey)) {
      if (stage.lines.length > 0) stage.lines.push('');
      yield* this.component(component);
    }
    for (const { near } of [...this.gates.values()].flat()) stage.shutdown(near);
    const placeRank = new Map(survey.places.map((place, at) => [place, at]));
    const rank = new Map(this.made.map(({ plan }, at) => [plan, at]));
    const nodes = [...survey.nodes].sort(
      (a, b) =>
        placeRank.get(a.place)! - placeRank.get(b.place)! ||
        (rank.get(a) ?? rank.size) - (rank.get(b) ?? rank.size),
    );
    for (const [plan, hooks] of this.order) plan.hooks = [...new Set([...hooks, ...plan.hooks])];
    const at = new Map(nodes.map((plan, index) => [plan, index]));
    const pairs = [...survey.pairs].sort(([a], [b]) => at.get(a)! - at.get(b)!);
    return { lines: stage.lines, survey: { ...survey, nodes, pairs } };
  }

  private *planEdges(): Generator<void> {
    const edges = new Map<HookPlan['edge'], Edge>();
    for (const [plan, member] of this.members) {
      this.order.set(plan, []);
      for (const { edge } of plan.hooks) {
        let planned = edges.get(edge);
        if (planned === undefined) {
          const [a, b] = edge.ends.map((hook) => ({
            member: this.members.get(hook.node)!,
            name: hook.name,
            hook,
          }));
          planned = { sides: [a, b], done: false };
          edges.set(edge, planned);
        }
        member.edges.push(planned);
      }
      yield;
    }
  }

  private *component(plans: readonly NodePlan[]): Generator<void> {
    const members = plans.map((plan) => this.members.get(plan)!);
    this.frontier = new Frontier(members, this.survey.places);
    this.endings = [];
    this.busy.clear();
    for (const plan of plans) {
      const pair = this.pairs.get(plan);
      if (pair !== undefined) this.openPair(pair);
    }
    this.frontier.reverse(); // the first jail first
    while (this.grow() || this.begin()) yield;
    for (const member of members) {
      this.conclude(member);
      yield;
    }
    for (const ending of this.endings) {
      ending();
      yield;
    }
  }

  // Growing

  /** Makes one more edge of what is there, of the newest node that has one whose turn it is. */
  private grow(): boolean {
    const member = this.frontier.grow(this.canGrow);
    return member !== undefined && this.makeEdge(member, member.next!);
  }

  /** Whether an edge of a node that is there can be made: the other end is there too, or can be made on it. */
  private readonly canGrow = (member: Member, edge: Edge): boolean => {
    const [own, other] = sidesFrom(member, edge);
    return other.member.made || (!other.member.plan!.isMade && this.stage.leadsOn(member.item, own.name));
  };

  private makeEdge(from: Member, edge: Edge): true {
    const { stage } = this;
    const [own, other] = sidesFrom(from, edge);
    edge.done = true;
    try {
      if (other.member.made) this.connect(own, other);
      else stage.mkpeer(from.item, own.name, other.member.item, other.name);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      stage.comment(`${describe(own)} and ${describe(other)} are not connected: no path leads there`);
      this.frontier.consider(own.member);
      this.frontier.consider(other.member);
      return true;
    }
    this.noteHook(own);
    this.noteHook(other);
    if (!other.member.made) this.wasMade(other.member);
    this.tellIfComplete(other.member);
    this.tellIfComplete(own.member);
    this.frontier.consider(own.member);
    this.frontier.consider(other.member);
    return true;
  }

  private noteHook({ hook }: Side): void {
    if (hook !== undefined) this.order.get(hook.node)!.push(hook);
  }

  private connect(own: Side, other: Side): void {
    const { stage } = this;
    const [a, b] = [own.member.item, other.member.item];
    if (stage.canConnect(a, b)) {
      stage.connect(a, own.name, b, other.name);
      return;
    }
    // Between two nodes of a jail without names there may be no path that does not leave it. But a tee between them can
    // have a name; when it is shut down they are joined directly.
    for (const [one, two] of [
      [own, other],
      [other, own],
    ]) {
      if (!stage.leadsOn(one.member.item, one.name)) continue;
      stage.path(two.member.item); // or nothing of it is written
      const tee = new Item('tee', a.place);
      stage.mkpeer(one.member.item, one.name, tee, 'left');
      stage.setName(tee, stage.freshName(a.place, 'tmp'));
      stage.connect(two.member.item, two.name, tee, 'right');
      stage.bypass(tee);
      return;
    }
    throw new Unreachable();
  }

  /** Names a new node, and has it make what it makes. */
  private wasMade(member: Member): void {
    const { stage } = this;
    const { item, plan } = member;
    member.made = true;
    this.frontier.add(member);
    if (plan === undefined) return;
    this.made.push(member);
    this.unlessUnreachable(member, () => {
      if (plan.name !== '') stage.setName(item, plan.name);
      for (const { setting, node, hook, peerhook } of plan.makes) {
        const far = this.members.get(node)!;
        stage.make(item, setting, hook, far.item, peerhook);
        this.wasMade(far);
        this.tellIfComplete(far);
      }
      if (!member.isComplete && stage.path(item).length > LONG_PATH) this.shorten(member);
    });
  }

  /** Paths can get too long where no node takes another hook. */
  private unlessUnreachable({ item }: Member, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.stage.comment(`${nameOf(item)} (${item.type}) is not complete: no path leads there`);
    }
  }

  private tellIfComplete(member: Member): void {
    if (member.isComplete) this.tell(member);
  }

  private tell(member: Member): void {
    if (member.told || member.plan === undefined) return;
    member.told = true;
    const { settings } = member.plan;
    this.unlessUnreachable(member, () => {
      for (const setting of settings) this.stage.msg(member.item, setting);
    });
  }

  /** Gives a node far out a hook to where paths begin. */
  private shorten(member: Member): void {
    const { stage } = this;
    const { item } = member;
    const hook = freeHook(member);
    if (hook === undefined) return;
    if (item.place === stage.here.place) {
      const own = stage.holdingHook();
      stage.connect(stage.here, own, item, hook.name);
      this.endings.push(() => stage.rmhook(stage.here, own));
    } else {
      const { near, far } = this.openGate(item.place);
      stage.setName(far, stage.freshName(item.place, 'tmp'));
      stage.connect(item, hook.name, far, 'evthorizon');
      this.endings.push(() => stage.shutdown(near));
    }
    item.way = item.hook(hook.name);
  }

  // Beginning

  /** Makes a node where there is nothing to grow from. False when all is made that can be. */
  private begin(): boolean {
    const member = this.frontier.begin(this.canGrow);
    if (member === undefined) return false;
    if (member.made) return this.makeEdge(member, member.next!);
    if (member.way === Way.KEEPS_ITSELF) this.holdForAMoment(member);
    else if (member.way === Way.TEE) this.holdByTee(member);
    else this.hold(member, freeHook(member)!.name);
    return true;
  }

  /** A node that stays without hooks needs to be held only until it has its name; then all of its hooks are free. */
  private holdForAMoment(member: Member): void {
    const { stage } = this;
    const own = this.stage.holdingHook();
    stage.mkpeer(stage.here, own, member.item, member.plan!.hooks[0].name);
    this.wasMade(member);
    this.tell(member);
    stage.rmhook(stage.here, own);
  }

  private hold(member: Member, hook: string): void {
    const { item } = member;
    if (this.isHome(item.place)) {
      const own = this.stage.holdingHook();
      this.stage.mkpeer(this.stage.here, own, item, hook);
      this.endings.push(() => this.stage.rmhook(this.stage.here, own));
    } else {
      let holder = this.freeGate(item.place);
      let own = 'evthorizon';
      if (item.type === holder.type) {
        // Two event horizons that meet would be another thing.
        const between = new Item('hole', item.place);
        this.stage.mkpeer(holder, own, between, 'h');
        this.endings.push(() => this.stage.shutdown(between));
        holder = between;
        own = 't1';
      }
      this.stage.mkpeer(holder, own, item, hook);
    }
    this.wasMade(member);
    this.tellIfComplete(member);
  }

  /**
   * All hooks of the node are spoken for. So its first edge leads through a tee, which can be held; when that is
   * shut down the two ends are joined directly.
   */
  private holdByTee(member: Member): void {
    const { stage } = this;
    const tee = new Member(new Item('tee', member.item.place), undefined);
    // A hook can be joined to another of the same name, but only by itself.
    const isTwin = ({ sides: [a, b] }: Edge): boolean => a.member === b.member && a.name === b.name;
    const edge = member.edges.find((one) => !isTwin(one))!;
    tee.edges = [...edge.sides]
      .sort((a, b) => Number(b.member === member) - Number(a.member === member))
      .map((side, i) => {
        const half: Edge = { sides: [{ member: tee, name: i === 0 ? 'left' : 'right' }, side], done: false };
        side.member.replace(edge, half);
        return half;
      });
    this.hold(tee, 'left2right');
    this.endings.unshift(() => stage.bypass(tee.item));
    this.makeEdge(tee, tee.next!);
  }

  private readonly isHome = (place: Place): boolean => place === this.stage.here.place;

  // Jails

  /** The far side of a wormhole into a jail, with nothing on it. */
  private freeGate(place: Place): Item {
    const gates = this.gates.get(place) ?? [];
    this.gates.set(place, gates);
    let gate = gates.find(({ far }) => !this.busy.has(far));
    if (gate === undefined) {
      gate = this.openGate(place);
      gates.push(gate);
    }
    this.busy.add(gate.far);
    if (gate.far.hook('evthorizon') !== undefined) this.stage.rmhook(gate.far, 'evthorizon');
    return gate.far;
  }

  private openGate(place: Place, far = new Item('wormhole', place)): Gate {
    const { stage } = this;
    const { here } = stage;
    const near = new Item('wormhole', here.place);
    stage.mkpeer(here, stage.holdingHook('w'), near, 'evthorizon');
    const jail = quote(stringToBytes(place.jail), true);
    stage.make(near, ['open', jail], `jid=${place.jid}`, far, `jid=${here.place.jid}`);
    return { near, far };
  }

  /** Two jails side by side: a wormhole into each, whose near ends collapse when all is done. */
  private openPair(pair: readonly [NodePlan, NodePlan]): void {
    const { stage } = this;
    const near = pair.map((plan) => {
      const member = this.members.get(plan)!;
      const gate = this.openGate(plan.place, member.item);
      this.wasMade(member);
      this.tellIfComplete(member);
      return gate.near;
    });
    this.endings.push(() => {
      for (const item of near) {
        const held = item.hook('evthorizon')!.peer.name;
        stage.setName(item, stage.freshName(item.place, 'tmp'));
        stage.rmhook(stage.here, held);
      }
      stage.connect(near[0], 'evthorizon', near[1], 'evthorizon');
      for (const item of near) stage.vanished(item);
    });
  }

  /** Says what could not be made, and tells those what they are to know that have not all hooks. */
  private conclude(member: Member): void {
    const { made, item, plan } = member;
    if (made) this.tell(member);
    else
      this.stage.comment(
        `${inComment(plan!.name || 'a node')} (${item.type}) is left out: no way to make it`,
      );
  }
}

const nameOf = ({ name }: Item): string => (name === '' ? 'a node' : inComment(name));

const describe = ({ member: { item }, name }: Side): string => `${nameOf(item)}:${inComment(name)}`;
