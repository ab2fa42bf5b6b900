import { describe, expect, it } from 'vitest';
import { type EventTag, Priority, VnetSystem, vnetDefine } from '../../src/vnet/index.js';

describe('event handlers', () => {
  it('run by priority, then in the order of registration, with the arguments of the event', () => {
    const { events } = new VnetSystem();
    const ran: string[] = [];
    events.register('link', (name: string) => void ran.push(`last ${name}`), Priority.LAST);
    events.register('link', (name: string) => void ran.push(`any ${name}`));
    events.register('link', (name: string) => void ran.push(`any too ${name}`));
    events.register('link', (name: string) => void ran.push(`first ${name}`), Priority.FIRST);
    events.invoke('link', 'em0');
    expect(ran).toEqual(['first em0', 'any em0', 'any too em0', 'last em0']);
  });

  it('of an event that nobody handles are none', () => {
    const { events } = new VnetSystem();
    expect(() => events.invoke('nothing')).not.toThrow();
  });

  it('may register and deregister others meanwhile, which counts from the next event on', () => {
    const { events } = new VnetSystem();
    const ran: string[] = [];
    const second = events.register('event', () => void ran.push('second'), Priority.LAST);
    events.register('event', () => {
      ran.push('first');
      events.deregister(second);
      events.register('event', () => void ran.push('third'));
    });
    events.invoke('event');
    events.invoke('event');
    expect(ran).toEqual(['first', 'second', 'first', 'third']);
  });

  it('of one vnet: it keeps the tag, and frees the handler on teardown', () => {
    const system = new VnetSystem();
    const tag = vnetDefine<EventTag | undefined>('tag', () => undefined);
    const ran: number[] = [];
    system.sysinit('handler', 0, 0, (vnet) =>
      tag.set(
        vnet,
        system.events.register('event', () => void ran.push(vnet.id)),
      ),
    );
    system.sysuninit('handler', 0, 0, (vnet) => system.events.deregister(tag.get(vnet)!));
    const vnet = system.alloc();
    system.events.invoke('event');
    system.destroy(vnet);
    system.events.invoke('event');
    expect(ran).toEqual([0, 1, 0]);
  });

  it('of all vnets: one handler is called for each there is, without the arguments of the event', () => {
    const system = new VnetSystem();
    const seen: unknown[][] = [];
    const tag = system.events.registerForEachVnet('event', (...args) => void seen.push(args));
    const vnet = system.alloc();
    system.events.invoke('event', 'argument');
    expect(seen).toEqual([[system.vnet0], [vnet]]);
    system.destroy(vnet);
    system.events.invoke('event');
    expect(seen.length).toBe(3);
    system.events.deregister(tag);
    system.events.invoke('event');
    expect(seen.length).toBe(3);
  });
});
