import { describe, expect, it } from 'vitest';
import {
  defineNode,
  dropsIn,
  GENERIC_COOKIE,
  genericMessages,
  limits,
  Message,
} from '../../src/netgraph/index.js';
import { encode } from '../../src/netgraph/types/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

/** me -- hub a == so many edges == hub b -- me */
function twoHubs(edges: number) {
  const world = simulatedWorld();
  const me = new Program(world);
  me.mkpeer('.', 'hub', 'a', 'me');
  me.mkpeer('.', 'hub', 'b', 'me');
  me.name('b', 'b');
  for (let i = 0; i < edges; i++) me.connect('a', 'b:', `e${i}`, `e${i}`);
  return { world, me, received: () => me.received() };
}

describe('two hubs', () => {
  it('joined once repeat a frame once', () => {
    const { me, received } = twoHubs(1);
    me.send('a', 'x');
    expect(received()).toEqual(['b:x']);
  });

  it('joined twice repeat it again and again, but give others their turn', () => {
    const { world, me, received } = twoHubs(2);
    expect(me.send('a', 'x')).toBe(0);
    expect(received().length).toBeGreaterThan(7);
    // A turn is bounded, and there is always more to do.
    expect(world.settle(3)).toBe(false);
    expect(received().length).toBeGreaterThan(7);
    expect(world.graph.executor.depth).toBe(0);
  });

  it('in a loop answer messages, and the loop can be broken', () => {
    const { world, me, received } = twoHubs(2);
    me.send('a', 'x');
    const outcomes: unknown[] = [];
    const rmhook = new Message(GENERIC_COOKIE, 5, encode(genericMessages.rmhook.args, { hook: 'e0' }));
    me.control.socket.send('a', rmhook, (error) => outcomes.push(error));
    world.settle(3);
    expect(outcomes).toEqual([undefined]);
    expect(world.settle()).toBe(true);
    received();
    me.send('a', 'y');
    expect(received()).toEqual(['b:y']);
  });

  it('joined three times multiply it: the queues fill, the rest is dropped and counted', () => {
    const { world, me } = twoHubs(3);
    const { graph, vnet0 } = world;
    world.vnets.sysctls.write(vnet0, 'net.graph.maxdata', 500);
    me.send('a', 'x');
    for (let turn = 0; turn < 3; turn++) {
      expect(world.settle(1)).toBe(false);
      expect(limits.maxData.count(vnet0)).toBeLessThanOrEqual(500);
      expect(me.received().length).toBeGreaterThan(0);
    }
    expect(dropsIn(world.vnets).queueFull).toBeGreaterThan(0);
    for (const hook of [...me.node.hooks]) graph.removeNodeSoon(hook.peer.node);
    expect(world.settle()).toBe(true);
    expect(limits.maxData.count(vnet0)).toBe(0);
    expect(graph.count(vnet0)).toBe(1);
  });

  it('in a loop do not keep a frame elsewhere from its way', () => {
    const { world, me, received } = twoHubs(3);
    me.mkpeer('.', 'echo', 'e', 'x');
    me.send('a', 'x');
    received();
    me.send('e', 'hello');
    world.settle(5);
    expect(received()).toContain('e:hello');
  });
});

describe('deep graphs', () => {
  it('carry a frame through a thousand nodes without running out of stack', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    const { graph } = world;
    let last = me.node;
    for (let i = 0; i < 1000; i++) last = graph.makePeer(last, i === 0 ? 'first' : 'right', 'left', 'tee');
    graph.connect(last, 'right', me.node, 'last');
    expect(me.send('first', 'x')).toBe(0);
    world.settle();
    expect(me.received()).toEqual(['last:x']);
    expect(me.send('last', 'y')).toBe(0);
    world.settle();
    expect(me.received()).toEqual(['first:y']);
  });

  it('keep frames in order where they are queued', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    let last = me.node;
    for (let i = 0; i < 600; i++)
      last = world.graph.makePeer(last, i === 0 ? 'first' : 'right', 'left', 'tee');
    world.graph.connect(last, 'right', me.node, 'last');
    const values = Array.from({ length: 50 }, (_, i) => `${i}`);
    for (const value of values) me.send('first', value);
    world.settle();
    expect(me.received()).toEqual(values.map((value) => `last:${value}`));
  });

  it('come down in a cascade without running out of stack', () => {
    const domino = defineNode({
      type: 'domino',
      cookie: 81,
      create: ({ node }) => ({
        receive: () => 0,
        disconnect: () => node.graph.removeNodeSoon(node),
      }),
    });
    const world = simulatedWorld({ types: [domino] });
    const me = new Program(world);
    let last = me.node;
    for (let i = 0; i < 5000; i++) last = world.graph.makePeer(last, `out${i}`, `in${i}`, 'domino');
    me.msg('.', 'rmhook', '{ hook="out0" }');
    expect(world.settle()).toBe(true);
    expect(world.graph.count(world.vnet0)).toBe(1);
  });
});
