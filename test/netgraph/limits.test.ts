import { describe, expect, it } from 'vitest';
import { ENOBUFS, Frame, GENERIC_COOKIE, limits, Message, type NgError } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
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

describe('a jail inside a jail', () => {
  const nested = () => {
    const world = simulatedWorld();
    const outer = world.jails.create('outer').vnet;
    world.vnets.sysctls.write(outer, 'net.graph.maxnodes', 3);
    const inner = world.jails.create('inner', { parent: outer }).vnet;
    return { ...world, outer, inner };
  };

  it('has the limits of that one, until it is given its own', () => {
    const { vnets, outer, inner, vnet0, jails } = nested();
    for (const { name } of vnets.sysctls.list())
      expect([name, vnets.sysctls.read(inner, name)]).toEqual([name, vnets.sysctls.read(outer, name)]);
    expect(vnets.sysctls.read(inner, 'net.graph.maxnodes')).toBe(3);
    vnets.sysctls.write(inner, 'net.graph.maxnodes', 7);
    vnets.sysctls.write(outer, 'net.graph.maxnodes', 5);
    expect(vnets.sysctls.read(inner, 'net.graph.maxnodes')).toBe(7);
    expect(vnets.sysctls.read(outer, 'net.graph.maxnodes')).toBe(5);
    // The host bounds nobody: it may have more than a jail.
    vnets.sysctls.write(vnet0, 'net.graph.maxnodes', 1);
    expect(vnets.sysctls.read(jails.create('other').vnet, 'net.graph.maxnodes')).toBe(1 << 16);
  });

  it('counts towards it, whatever limit it has itself, and no more when it is gone', () => {
    const { graph, vnets, vnet0, jails, outer, inner } = nested();
    vnets.sysctls.write(inner, 'net.graph.maxnodes', 100);
    graph.makeNode(outer, 'hub');
    graph.makeNode(inner, 'hub');
    graph.makeNode(inner, 'hub');
    for (const vnet of [outer, inner]) expect(codeOf(() => graph.makeNode(vnet, 'hub'))).toBe('ENFILE');
    expect(codeOf(() => graph.makeNode(vnet0, 'hub'))).toBeUndefined();
    jails.remove(jails.all[1]);
    expect(codeOf(() => graph.makeNode(outer, 'hub'))).toBeUndefined();
    expect(limits.maxNodes.count(outer)).toBe(2);
  });

  it('counts with its hooks, interfaces and queues, too', () => {
    const { graph, vnets, jails, settle, outer, inner } = nested();
    vnets.sysctls.write(outer, 'net.graph.maxnodes', 100);
    vnets.sysctls.write(outer, 'net.graph.maxhooks', 2);
    vnets.sysctls.write(outer, 'net.graph.maxinterfaces', 1);
    vnets.sysctls.write(outer, 'net.graph.maxdata', 1);
    const [a, b] = [graph.makeNode(inner, 'hub'), graph.makeNode(inner, 'hub')];
    graph.makeNode(inner, 'eiface');
    expect(codeOf(() => graph.makeNode(outer, 'eiface'))).toBe('ENFILE');
    graph.connect(a, 'x', b, 'x');
    b.queued = true;
    expect([1, 2].map(() => a.hooks[0].send(new Frame(new Uint8Array(20))))).toEqual([0, ENOBUFS]);
    expect(limits.maxDataOctets.count(outer)).toBe(20);
    const [c, d] = [graph.makeNode(outer, 'hub'), graph.makeNode(outer, 'hub')];
    expect(codeOf(() => graph.connect(c, 'x', d, 'x'))).toBe('ENOBUFS');
    jails.remove(jails.all[1]);
    settle();
    for (const quota of [limits.maxHooks, limits.maxInterfaces, limits.maxData, limits.maxDataOctets])
      expect(quota.count(outer)).toBe(0);
  });
});

it('refuses to open a wormhole where there may be no more hooks, and leaves nothing of it', () => {
  const { graph, vnets, vnet0, jails, settle } = simulatedWorld();
  const { vnet } = jails.create('inside');
  const program = new Program({ graph, vnet0 });
  program.mkpeer('.', 'wormhole', 'w', 'evthorizon');
  for (const full of [vnet, vnet0]) {
    vnets.sysctls.write(full, 'net.graph.maxhooks', limits.maxHooks.count(full));
    expect(codeOf(() => program.msg('.:w', 'open', '"inside"'))).toBe('ENOBUFS');
    vnets.sysctls.write(full, 'net.graph.maxhooks', 100);
    settle();
    expect([graph.count(vnet), limits.maxHooks.count(vnet)]).toEqual([0, 0]);
  }
  program.msg('.:w', 'open', '"inside"');
  expect([graph.count(vnet), limits.maxHooks.count(vnet)]).toEqual([1, 1]);
});

it('bounds the messages that wait, with twice the room of frames, and says which limit it is', () => {
  const { graph, vnets, vnet0, settle } = simulatedWorld();
  const node = graph.makeNode(vnet0, 'hub');
  const outcomes: (NgError | undefined)[] = [];
  const send = (size: number) => {
    const message = new Message(GENERIC_COOKIE, 12345, new Uint8Array(size));
    graph.sendTo({ node, message, from: undefined, hook: undefined }, (error) => outcomes.push(error));
  };
  const refusals = () => outcomes.splice(0).filter((error) => error?.code === 'ENOBUFS');
  node.queued = true;
  vnets.sysctls.write(vnet0, 'net.graph.maxdata', 2);
  for (let i = 0; i < 6; i++) send(0);
  expect(limits.maxData.count(vnet0)).toBe(4);
  expect(refusals().map((error) => error?.message)).toEqual(
    Array(2).fill(expect.stringContaining('net.graph.maxdata ')),
  );
  settle();
  expect(limits.maxData.count(vnet0)).toBe(0);
  vnets.sysctls.write(vnet0, 'net.graph.maxdatabytes', 1000);
  outcomes.length = 0;
  send(1000);
  expect(limits.maxDataOctets.count(vnet0)).toBe(1056);
  send(1000);
  expect(refusals().map((error) => error?.message)).toEqual([
    expect.stringContaining('net.graph.maxdatabytes '),
  ]);
  graph.removeNode(node);
  expect([limits.maxData.count(vnet0), limits.maxDataOctets.count(vnet0)]).toEqual([0, 0]);
});

it('says how deep and how far a frame goes, which nobody can change', () => {
  const { vnets, vnet0 } = simulatedWorld();
  for (const [name, value] of [
    ['net.graph.maxdepth', 256],
    ['net.graph.maxhops', 16384],
  ] as const) {
    expect(vnets.sysctls.read(vnet0, name)).toBe(value);
    expect(codeOf(() => vnets.sysctls.write(vnet0, name, 1))).toBe('EPERM');
  }
});
