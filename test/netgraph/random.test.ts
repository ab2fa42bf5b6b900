import { describe, expect, it } from 'vitest';
import { limits } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { RandomWorld } from '../support/random.js';

const OPERATIONS = 10_000;
const BATCH = 200;

describe('a world of which everything changes at random', () => {
  it.each([1, 2])('is sound at every step, and in the end nothing is left of it (seed %i)', (seed) => {
    const random = new RandomWorld(seed);
    const { graph, vnets, vnet0, devices, log } = random.world;
    for (let batch = 0; batch < OPERATIONS / 2 / BATCH; batch++) {
      for (let i = 0; i < BATCH; i++) random.step();
      random.settle();
      expect(random.unanswered).toBe(0);
      expect(faults(random.world)).toEqual([]);
      const interfaces = random.nodes().filter(({ type }) => type.type === 'eiface');
      expect(devices.all.length).toBe(interfaces.length);
      expect([...vnets].map((vnet) => limits.maxData.count(vnet)).filter((count) => count !== 0)).toEqual([]);
    }
    expect(random.done).toBeGreaterThan(OPERATIONS / 6);
    expect(random.sent).toBeGreaterThan(OPERATIONS / 200);
    expect(random.refused).toBeGreaterThan(OPERATIONS / 20);
    random.end();
    expect(log.filter((line) => !line.includes('goes without a name'))).toEqual([]);
    expect([...vnets]).toEqual([vnet0]);
    expect(graph.nodes(vnet0)).toEqual([]);
    expect(graph.types().filter(({ nodes }) => nodes !== 0)).toEqual([]);
    expect(devices.all).toEqual([]);
    expect(limits.maxData.count(vnet0)).toBe(0);
    expect(graph.executor.depth).toBe(0);
  });
});
