import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeTypes } from '../../src/nodes/index.js';
import { Journal } from '../../src/state/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { checkEntries } from '../../src/world/entries.js';
import { Keeper } from '../../src/world/keeper.js';
import { restoreGraph } from '../../src/world/restore.js';
import { type Entry, WorldState } from '../../src/world/state.js';
import { faults } from '../support/faults.js';
import { simulatedWorld } from '../support/world.js';
import { fuzz, oddNames, TIMEOUT } from './support.js';

let directory: string;
let path: string;
beforeAll(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'netgraph-fuzz-'));
  path = join(directory, 'journal');
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

const line = (json: string): string => `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
const header = line('{"format":"netgraph-journal","version":1}');

/** Jails 1 and 2 are there when a state is taken up, 3 is not. */
const jail = fc.integer({ min: 0, max: 3 });
const id = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) }, fc.constant(0xffffffff));
const text = fc.oneof(fc.constantFrom(...oddNames), fc.string());
const hook = fc.oneof(
  fc.constantFrom('evthorizon', 'ether', 'left', 'right', 'a', 'b', 'jid=0', 'jid=1', 'jid=2'),
  text,
);
const types = [...nodeTypes.keys()];
const messages = [...nodeTypes.values()].flatMap((type) => Object.keys(type.messages));
const args = fc.oneof(text, fc.constantFrom('1', '"1"', '{ }', '{ loss=1 }', '"a"', '58:9c:fc:00:00:01'));
const settings = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...messages), text), args), { maxLength: 3 });
const resume = fc.oneof(
  fc.jsonValue(),
  fc.record({ unit: fc.nat(3), link: fc.boolean(), device: fc.jsonValue() }),
  fc.record({
    unit: fc.nat(3),
    link: fc.boolean(),
    device: fc.record({ name: text, mac: fc.array(fc.nat(255)), offloads: fc.boolean() }),
  }),
);
const node = fc.record(
  { id, type: fc.oneof(fc.constantFrom(...types), text), name: text, settings, resume },
  { requiredKeys: ['id', 'type', 'name'] },
);
const edge = fc.tuple(jail, id, hook, jail, id, hook);
const sysctl = fc.constantFrom('net.graph.maxnodes', 'net.graph.maxhooks', 'net.graph.maxdata', 'no.such');
const entry: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ node: fc.tuple(jail, node) }) },
  { weight: 6, arbitrary: fc.record({ edge }) },
  fc.record({ edgeGone: edge }),
  fc.record({ nodeGone: fc.tuple(jail, id) }),
  fc.record({ lastId: fc.tuple(jail, id) }),
  fc.record({ jailGone: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ sysctl: fc.tuple(jail, sysctl, fc.oneof(fc.integer(), text)) }),
  fc.record({ boot: text }),
);
/** Something else somewhere in it. */
const spoilt = fc.tuple(entry, fc.nat(), fc.jsonValue()).map(([value, at, other]) => {
  const places: [Record<string, unknown>, string][] = [];
  const copy = JSON.parse(JSON.stringify({ value }));
  const look = (inside: Record<string, unknown>): void => {
    for (const key of Object.keys(inside)) {
      places.push([inside, key]);
      if (typeof inside[key] === 'object' && inside[key] !== null)
        look(inside[key] as Record<string, unknown>);
    }
  };
  look(copy);
  const [inside, key] = places[at % places.length];
  inside[key] = other;
  return copy.value as unknown;
});

/** A state is taken up as far as it goes, and written down. */
function takeUp(state: WorldState): void {
  const world = simulatedWorld();
  const vnets = new Map<number, Vnet>([[0, world.vnet0]]);
  for (const name of ['one', 'two']) {
    const made = world.jails.create(name);
    vnets.set(made.id, made.vnet);
  }
  const lines: unknown[] = [];
  const kept = {
    graph: world.graph,
    jails: Object.assign(world.jails, { journal: undefined }),
    interfaces: { keepAll: () => {} },
    log: (said: string) => world.log.push(said),
  };
  const journal = {
    size: 0,
    append: (more: unknown) => void lines.push(more),
    rewrite: (all: Iterable<unknown>) => void lines.push(...all),
    compact: async () => true,
  };
  const keeper = new Keeper(kept, journal, 'boot', []);
  const { lost, waiting } = restoreGraph(world.graph, vnets, state);
  for (const what of lost) expect(what).toMatch(/\w/);
  world.settle();
  expect(faults(world)).toEqual([]);
  const jails = new Set([...state.jails.keys()].filter((id) => !vnets.has(id)));
  keeper.carryOver(state, { jails, nodes: waiting }, (which) => vnets.has(which));
  keeper.start();
  expect(keeper.problem).toBeUndefined();
  for (const written of lines) checkEntries(JSON.parse(JSON.stringify(written)));
}

describe('a state', { timeout: TIMEOUT }, () => {
  it('of entries that make no sense together is taken up as far as it goes', () => {
    fuzz(fc.array(entry, { maxLength: 30 }), 400, (entries) => {
      const state = new WorldState();
      for (const one of entries as Entry[]) {
        checkEntries(one);
        state.apply(one);
      }
      takeUp(state);
    });
  });

  it('with lines that are no entries is good up to the first of them', () => {
    const lines = fc.array(fc.oneof({ weight: 4, arbitrary: entry }, spoilt, fc.jsonValue()), {
      maxLength: 8,
    });
    fuzz(lines, 400, (values) => {
      fs.writeFileSync(path, header + values.map((value) => line(JSON.stringify(value))).join(''));
      const { journal, entries, damage } = Journal.open(path, checkEntries);
      journal.close();
      expect(entries.length).toBe(damage === undefined ? values.length : damage.line - 2);
      if (damage !== undefined) fs.rmSync(damage.keptAs);
      const state = new WorldState();
      for (const one of (entries as Entry[]).flat()) state.apply(one);
      takeUp(state);
    });
  });
});
