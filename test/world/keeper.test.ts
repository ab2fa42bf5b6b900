import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { JailState } from '../../src/jail/index.js';
import { defineNode } from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { joinWormholes } from '../../src/nodes/wormhole.js';
import { MustRewrite } from '../../src/state/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { checkEntries } from '../../src/world/entries.js';
import { Keeper } from '../../src/world/keeper.js';
import { restoreGraph } from '../../src/world/restore.js';
import { type Entry, WorldState } from '../../src/world/state.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { RandomWorld } from '../support/random.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';

const OPERATIONS = 4000;
const BATCH = 100;
/** How long it takes at most to the next try, in microseconds. */
const RETRY = 1e6;

function circle(): unknown {
  const all: unknown[] = [];
  all.push(all);
  return all;
}

const throwIt = (thrown: unknown): never => {
  throw thrown;
};

/** A journal in memory. */
class Notebook {
  lines: Entry[][] = [];
  size = 0;

  /** What comes of every attempt to write. */
  fault: Error | undefined;
  asked = (): void => {};
  longest = Number.POSITIVE_INFINITY;
  callOff = false;

  append(entries: unknown): void {
    this.ask();
    const text = JSON.stringify(entries);
    if (text.length > this.longest) throw new MustRewrite('too long');
    this.lines.push(JSON.parse(text));
    checkEntries(this.lines.at(-1));
  }

  rewrite(entries: Iterable<unknown>): void {
    this.ask();
    this.lines = [JSON.parse(JSON.stringify([...entries]))];
    checkEntries(this.lines[0]);
  }

  async compact(entries: unknown[]): Promise<boolean> {
    await turn();
    if (!this.callOff) this.rewrite(entries);
    return !this.callOff;
  }

  private ask(): void {
    this.asked();
    if (this.fault !== undefined) throw this.fault;
  }

  get state(): WorldState {
    const state = new WorldState();
    for (const entry of this.lines.flat()) state.apply(entry);
    return state;
  }
}

function keeperOf(world: SimulatedWorld, notebook: Notebook): Keeper {
  return new Keeper(
    {
      graph: world.graph,
      jails: Object.assign(world.jails, { journal: undefined }),
      interfaces: { keepAll: () => {} },
      log: (line) => world.log.push(line),
    },
    notebook,
    'boot',
    [],
  );
}

function keep(world: SimulatedWorld) {
  const notebook = new Notebook();
  const keeper = keeperOf(world, notebook);
  keeper.start();
  return { keeper, notebook };
}

/** Another world with the same jails, and in it what is in the notebook. */
function again(world: SimulatedWorld, notebook: Notebook) {
  const other = simulatedWorld();
  const vnets = new Map<number, Vnet>([[0, other.vnet0]]);
  for (const { id, name, parent } of world.jails.all) {
    const jail = other.jails.create(name, { parent: vnets.get(world.jails.idOf(parent)), id });
    vnets.set(id, jail.vnet);
  }
  return { other, ...restoreGraph(other.graph, vnets, notebook.state) };
}

/** A type whose module may not be found. */
const odd = defineNode({
  type: 'odd',
  cookie: 1,
  create: () => ({ receive: () => 0 }),
});

const jailState = (id: number): JailState => ({
  id,
  parent: 0,
  settings: {
    jid: id,
    name: `j${id}`,
    hostname: '',
    path: '/',
    vnet: 'new',
    persist: true,
    childrenMax: 0,
    netns: undefined,
  },
  adopted: false,
  stage: 'made',
});

/** A world without that type, or with it, that takes up what is in a notebook, and keeps it there. */
function takeUp(earlier: Notebook, { jails = [1], types = [odd] }) {
  const world = simulatedWorld({ types });
  const vnets = new Map([[0, world.vnet0]]);
  for (const id of jails) vnets.set(id, world.jails.create(`j${id}`, { id }).vnet);
  const notebook = new Notebook();
  const keeper = keeperOf(world, notebook);
  for (const id of jails) keeper.jail(jailState(id));
  const waitingJails = new Set([...earlier.state.jails.keys()].filter((id) => !vnets.has(id)));
  const { lost, waiting, bereft } = restoreGraph(world.graph, vnets, earlier.state, waitingJails);
  keeper.carryOver(earlier.state, { jails: waitingJails, nodes: waiting }, (id) => vnets.has(id));
  keeper.start();
  world.settle();
  return { world, notebook, keeper, lost, bereft };
}

/** Everything that lasts of a graph, in the order in which it is there. */
const listing = ({ graph, vnets, jails }: SimulatedWorld) =>
  [...vnets].flatMap((vnet) =>
    graph
      .nodes(vnet)
      .filter(({ type }) => !type.transient)
      .map((node) => ({
        node: `${jails.idOf(vnet)} ${node.id.toString(16)} ${node.name} ${node.type.type}`,
        settings:
          node.behaviour.resume?.() ?? node.behaviour.configuration?.().map(([name, value]) => [name, value]),
        hooks: node.hooks
          .filter(({ peer }) => !peer.node.type.transient)
          .map(({ name, peer }) => `${name} ${jails.idOf(peer.node.vnet)} ${peer.node.id} ${peer.name}`)
          .sort(),
      })),
  );

describe('a world that is kept', () => {
  it.each([1, 2, 3])('is the same when it is made again, whatever became of it (seed %i)', async (seed) => {
    const random = new RandomWorld(seed);
    const { keeper, notebook } = keep(random.world);
    for (let batch = 0; batch < OPERATIONS / BATCH; batch++) {
      for (let i = 0; i < BATCH; i++) random.step();
      random.settle();
      keeper.commit();
      const { other, lost } = again(random.world, notebook);
      expect(lost).toEqual([]);
      expect(faults(other)).toEqual([]);
      expect(listing(other)).toEqual(listing(random.world));
      if (batch % 5 === 4) await keeper.compact();
    }
    random.end();
    keeper.commit();
    expect([...notebook.state.nodes, ...notebook.state.edges]).toEqual([]);
  });

  it('has nothing of programs, and nothing to write when only they come and go', () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const program = new Program(world);
    program.mkpeer('.', 'hub', 'a', 'b');
    keeper.commit();
    const { length } = notebook.lines;
    const other = new Program(world);
    other.connect('.', '[2]:', 'x', 'y');
    program.msg('[2]:', 'nodeinfo');
    other.close();
    keeper.commit();
    expect(notebook.lines.length).toBe(length);
    expect([...notebook.state.nodes.keys()]).toEqual(['0/2']);
    expect(notebook.state.edges.size).toBe(0);
  });

  it('is written in one line for all that one operation did', () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const program = new Program(world);
    program.mkpeer('.', 'eiface', 'e', 'ether');
    keeper.commit();
    const { length } = notebook.lines;
    program.msg('.', 'rmhook', '{ hook="e" }');
    program.mkpeer('ngeth0:', 'hub', 'ether', 'x');
    keeper.commit();
    expect(notebook.lines.slice(length)).toEqual([
      [{ node: [0, { id: 3, type: 'hub', name: '' }] }, { edge: [0, 2, 'ether', 0, 3, 'x'] }],
    ]);
  });

  it('goes on when a disk is full, and has everything when it is not any more', () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const program = new Program(world);
    const before = structuredClone(notebook.lines);
    notebook.fault = new Error('ENOSPC: no space left');
    program.mkpeer('.', 'hub', 'a', 'b');
    keeper.commit();
    expect(keeper.problem).toBe('the state on disk is behind: ENOSPC: no space left');
    expect(() => keeper.pause()).toThrow('ENOSPC');
    world.clock.advance(5 * RETRY);
    expect(world.log).toEqual([keeper.problem]);
    program.name('[2]:', 'later');
    keeper.commit();
    expect(notebook.lines).toEqual(before);
    notebook.fault = undefined;
    world.clock.advance(RETRY);
    expect(keeper.problem).toBeUndefined();
    expect(notebook.lines.length).toBe(before.length + 1);
    expect(notebook.state.nodes.get('0/2')).toEqual([0, { id: 2, type: 'hub', name: 'later' }]);
    world.clock.advance(5 * RETRY);
    expect(notebook.lines.length).toBe(before.length + 1);
    expect(world.log.slice(1)).toEqual(['state: all of it is on disk again']);
  });

  it('does not gather without end what a full disk does not take', async () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const node = world.graph.makeNode(world.vnet0, 'hub');
    keeper.commit();
    notebook.fault = new Error('ENOSPC');
    let asked = 0;
    notebook.asked = () => asked++;
    const others = Array.from({ length: 12_000 }, (_, i) => {
      const other = world.graph.makeNode(world.vnet0, 'hub');
      world.graph.connect(node, `x${i}`, other, 'y');
      if (i % 10 === 0) keeper.commit();
      return other;
    });
    keeper.commit();
    expect(asked).toBe(1);
    // All is to be written anew now. What comes while that is at work is appended to it.
    for (const other of others.slice(5)) world.graph.removeNode(other);
    keeper.commit();
    notebook.fault = undefined;
    world.clock.advance(RETRY);
    world.graph.nameNode(node, 'after');
    keeper.commit();
    expect(notebook.state.nodes.size).toBe(1);
    await turn();
    expect(keeper.problem).toBeUndefined();
    expect(notebook.lines.at(-1)!.length).toBe(1);
    expect(listing(again(world, notebook).other)).toEqual(listing(world));
  });

  it('is behind still when it could not be written anew, and a shorter journal was called off', async () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    notebook.fault = new MustRewrite('too long');
    world.graph.makeNode(world.vnet0, 'hub');
    keeper.commit();
    notebook.fault = undefined;
    notebook.callOff = true;
    await keeper.compact();
    expect(keeper.problem).toMatch('behind');
    world.graph.makeNode(world.vnet0, 'hub');
    keeper.commit();
    notebook.callOff = false;
    world.clock.advance(RETRY);
    await turn();
    expect(keeper.problem).toBeUndefined();
    expect([...notebook.state.nodes.keys()]).toEqual(['0/1', '0/2']);
  });

  it('is written anew when what one operation did is too long for a line', () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const { vnet } = world.jails.create('inside');
    const [a, b] = [world.graph.makeNode(vnet, 'hub'), world.graph.makeNode(vnet, 'hub')];
    for (let i = 0; i < 100; i++) {
      world.graph.connect(a, `x${i}`, b, `y${i}`);
      keeper.commit();
    }
    notebook.longest = 1000;
    world.graph.removeNode(a);
    keeper.commit();
    expect(notebook.lines.length).toBe(1);
    expect([...notebook.state.nodes, ...notebook.state.edges]).toEqual([]);
    expect([keeper.problem, world.log]).toEqual([undefined, []]);
    world.graph.makeNode(world.vnet0, 'hub');
    keeper.commit();
    expect(notebook.lines.length).toBe(2);
  });

  it.each<[string, () => unknown]>([
    ['a number that is no JSON', () => ({ count: 5n })],
    ['a circle', circle],
    ['what is too much', () => 'x'.repeat(9 << 20)],
    ['what throws', () => ({ toJSON: () => throwIt(undefined) })],
  ])('has all but the state of a node that gives %s', (_, resume) => {
    let give: () => unknown = () => ({ fine: true });
    const odd = defineNode({
      type: 'odd',
      cookie: 1,
      create: () => ({ receive: () => 0, persists: () => true, resume: () => give() }),
    });
    const world = simulatedWorld({ types: [odd] });
    const { keeper, notebook } = keep(world);
    const node = world.graph.makeNode(world.vnet0, 'odd');
    keeper.commit();
    give = resume;
    world.graph.nameNode(node, 'odd');
    world.graph.makeNode(world.vnet0, 'hub');
    keeper.commit();
    expect(world.log).toEqual([expect.stringContaining('state of node odd: is not on disk: ')]);
    expect(notebook.state.nodes.get('0/1')?.[1]).toEqual({
      id: 1,
      type: 'odd',
      name: '',
      resume: { fine: true },
    });
    expect(notebook.state.nodes.has('0/2')).toBe(true);
    node.reallyDie = true;
    world.graph.removeNode(node);
    keeper.commit();
    expect([...notebook.state.nodes.keys()]).toEqual(['0/2']);
  });

  /** A hub, which lives by its hooks, a node of the odd type and a wormhole into a jail, all of them joined. */
  function joined() {
    const world = simulatedWorld({ types: [odd] });
    const { keeper, notebook } = keep(world);
    const jail = world.jails.create('j1');
    keeper.jail(jailState(1));
    const { graph } = world;
    const hub = graph.makeNode(world.vnet0, 'hub');
    graph.connect(hub, 'x', graph.makeNode(world.vnet0, 'odd'), 'y');
    const [near, far] = [world.vnet0, jail.vnet].map((vnet) => graph.makeNode(vnet, 'wormhole'));
    joinWormholes(near, far);
    graph.connect(far, 'evthorizon', graph.makeNode(jail.vnet, 'odd'), 'z');
    graph.nameNode(graph.findNode(world.vnet0, '[2]')!, 'same');
    keeper.commit();
    return { world, notebook };
  }

  it('keeps hooks to what could not be made again, and what lives by them, for another time', () => {
    const { world, notebook } = joined();
    let kept = notebook;
    for (const jails of [[1], [], [1], []]) {
      const without = takeUp(kept, { jails, types: [] });
      expect(without.lost.length).toBe(jails.length + 1);
      expect(without.world.graph.nodes(without.world.vnet0).map(({ id }) => id)).toEqual([1, 3]);
      expect(without.bereft.size).toBe(2);
      kept = without.notebook;
    }
    const again = takeUp(kept, {});
    expect([again.lost, again.bereft.size]).toEqual([[], 0]);
    expect(faults(again.world)).toEqual([]);
    const sorted = (of: SimulatedWorld) =>
      listing(of)
        .map((node) => JSON.stringify(node))
        .sort();
    expect(sorted(again.world)).toEqual(sorted(world));
  });

  it('names hooks and names that were given to others while their node had to wait', () => {
    const { notebook } = joined();
    const { world, notebook: kept, keeper } = takeUp(notebook, { types: [] });
    const { graph } = world;
    const other = graph.makeNode(world.vnet0, 'hub');
    graph.nameNode(other, 'same');
    graph.connect(graph.findNode(world.vnet0, '[1]')!, 'x', other, 'y');
    keeper.commit();
    const again = takeUp(kept, {});
    expect(again.lost).toEqual([
      'name same: node same: has the name already',
      'hook [2]:y: node [1]: has a hook "x"',
    ]);
    expect(again.world.graph.findNode(again.world.vnet0, 'same')?.type.type).toBe('hub');
  });

  it('gives up hooks, too, when what could not be made again is given up', () => {
    const { notebook } = joined();
    const { keeper, notebook: kept } = takeUp(notebook, { jails: [], types: [] });
    keeper.forget();
    keeper.commit();
    expect([kept.state.edges.size, [...kept.state.nodes.keys()]]).toEqual([0, ['0/1', '0/3']]);
  });

  it('is what a node gave then, whatever the node does with it later', async () => {
    const mine = { count: 1 as unknown };
    const odd = defineNode({
      type: 'odd',
      cookie: 1,
      create: () => ({ receive: () => 0, persists: () => true, resume: () => mine }),
    });
    const world = simulatedWorld({ types: [odd] });
    const { keeper, notebook } = keep(world);
    world.graph.makeNode(world.vnet0, 'odd');
    keeper.commit();
    mine.count = 2n;
    await keeper.compact();
    expect(notebook.state.nodes.get('0/1')?.[1].resume).toEqual({ count: 1 });
  });

  it('does not give IDs of nodes that are gone to new ones', async () => {
    const world = simulatedWorld();
    const { keeper, notebook } = keep(world);
    const program = new Program(world);
    for (let i = 0; i < 5; i++) program.mkpeer('.', 'hub', `a${i}`, 'b');
    keeper.commit();
    program.close();
    keeper.commit();
    await keeper.compact();
    const { other } = again(world, notebook);
    expect(other.graph.makeNode(other.vnet0, 'hub').id).toBe(7);
  });

  it.each([...nodeTypes.keys()].filter((name) => name !== 'socket'))(
    'gets a %s node back as it was',
    (type) => {
      const world = simulatedWorld();
      const { keeper, notebook } = keep(world);
      world.graph.makeNode(world.vnet0, type);
      keeper.commit();
      const { other, lost } = again(world, notebook);
      expect(lost).toEqual([]);
      expect(listing(other)).toEqual(listing(world));
    },
  );
});
