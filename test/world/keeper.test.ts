import { describe, expect, it } from 'vitest';
import { nodeTypes } from '../../src/nodes/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { Keeper } from '../../src/world/keeper.js';
import { restoreGraph } from '../../src/world/restore.js';
import { type Entry, WorldState } from '../../src/world/state.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { RandomWorld } from '../support/random.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';

const OPERATIONS = 4000;
const BATCH = 100;

/** A journal in memory. */
class Notebook {
  lines: Entry[][] = [];
  size = 0;

  append(entries: unknown): void {
    this.lines.push(JSON.parse(JSON.stringify(entries)));
  }

  rewrite(entries: Iterable<unknown>): void {
    this.lines = [JSON.parse(JSON.stringify([...entries]))];
  }

  async compact(entries: unknown[]): Promise<void> {
    this.rewrite(entries);
  }

  get state(): WorldState {
    const state = new WorldState();
    for (const entry of this.lines.flat()) state.apply(entry);
    return state;
  }
}

function keep(world: SimulatedWorld) {
  const notebook = new Notebook();
  const keeper = new Keeper(
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
    const write = notebook.append;
    notebook.append = () => {
      throw new Error('ENOSPC: no space left');
    };
    program.mkpeer('.', 'hub', 'a', 'b');
    keeper.commit();
    expect(world.log).toEqual(['state: ENOSPC: no space left']);
    notebook.append = write;
    program.name('[2]:', 'later');
    keeper.commit();
    expect(notebook.state.nodes.get('0/2')).toEqual([0, { id: 2, type: 'hub', name: 'later' }]);
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
