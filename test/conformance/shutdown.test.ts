import { describe, expect, it } from 'vitest';
import { limits, NgError } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';
import { Subject, types } from './subject.js';

describe.each(types)('type %s', (name, type) => {
  it('leaves nothing when it is shut down', () => {
    const one = new Subject(type);
    if (one.node === undefined) return;
    const { graph, vnet0, devices, clock, log } = one.world;
    for (const hook of one.hookNames()) one.connect(hook);
    one.node.reallyDie = true;
    one.shutdown();
    one.world.settle();
    expect(one.node.isValid).toBe(false);
    expect(graph.nodes(vnet0)).toEqual([one.me.node]);
    expect(one.me.node.hooks.filter(({ peer }) => peer.node !== one.me.node)).toEqual([]);
    expect(devices.all).toEqual([]);
    expect(limits.maxData.count(vnet0)).toBe(0);
    // Not even a timer that would find it gone.
    clock.advance(100_000_000);
    expect(faults(one.world)).toEqual([]);
    expect(log).toEqual([]);
  });

  it('leaves nothing when its jail is removed', () => {
    const world = simulatedWorld();
    const { graph, vnets, vnet0, jails, devices } = world;
    const jail = jails.create('jail');
    const inside = new Program(world, jail.vnet);
    try {
      graph.makeNode(jail.vnet, name);
    } catch (error) {
      if (!(error instanceof NgError)) throw error;
    }
    for (const hook of new Subject(type).hookNames())
      inside.refusal('.', 'mkpeer', `{ type="${name}" ourhook="${hook}" peerhook="${hook}" }`);
    jails.remove(jail);
    world.settle();
    expect([...vnets]).toEqual([vnet0]);
    expect(devices.all).toEqual([]);
    expect(inside.control.ended).toBe(true);
    expect(graph.types().filter(({ nodes }) => nodes > 0)).toEqual([]);
    world.clock.advance(100_000_000);
    expect(graph.count(vnet0)).toBe(0);
    expect(world.log).toEqual([]);
  });

  it('can be unloaded when no node is left', () => {
    const one = new Subject(type);
    if (one.node === undefined || name === 'socket') return;
    one.node.reallyDie = true;
    one.shutdown();
    one.world.graph.removeType(name);
    expect(one.world.graph.types().map(({ type: { type: other } }) => other)).not.toContain(name);
  });
});
