import { expect, it } from 'vitest';
import type { NgError } from '../../src/netgraph/index.js';
import { simulatedWorld } from '../support/world.js';

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return (error as NgError).code;
  }
  return undefined;
};

it('refuses nodes beyond net.graph.maxnodes, in that vnet only, and takes them again when some are gone', () => {
  const { graph, vnets, vnet0, jails } = simulatedWorld();
  const { vnet } = jails.create('inside');
  vnets.sysctls.write(vnet, 'net.graph.maxnodes', 2);
  const first = graph.makeNode(vnet, 'hub');
  graph.makeNode(vnet, 'hub');
  expect(codeOf(() => graph.makeNode(vnet, 'hub'))).toBe('ENFILE');
  expect(codeOf(() => graph.makeNode(vnet0, 'hub'))).toBeUndefined();
  graph.removeNode(first);
  expect(codeOf(() => graph.makeNode(vnet, 'hub'))).toBeUndefined();
});

it('refuses hooks beyond net.graph.maxhooks and leaves the graph as it was', () => {
  const { graph, vnets, vnet0 } = simulatedWorld();
  vnets.sysctls.write(vnet0, 'net.graph.maxhooks', 3);
  const [a, b] = [graph.makeNode(vnet0, 'hub'), graph.makeNode(vnet0, 'hub')];
  graph.connect(a, 'x', b, 'x');
  expect(codeOf(() => graph.connect(a, 'y', b, 'y'))).toBe('ENOBUFS');
  expect([a.hooks.length, b.hooks.length]).toEqual([1, 1]);
  expect(codeOf(() => graph.makePeer(a, 'z', 'z', 'hub'))).toBe('ENOBUFS');
  expect(graph.count(vnet0)).toBe(2);
  vnets.sysctls.write(vnet0, 'net.graph.maxhooks', 4);
  expect(codeOf(() => graph.connect(a, 'y', b, 'y'))).toBeUndefined();
});
