import { afterEach, describe, expect, it } from 'vitest';
import { type Vnet, VnetSystem, vnetAssert, vnetDebug, vnetOf } from '../../src/vnet/index.js';

const ids = (vnets: Iterable<Vnet>): number[] => [...vnets].map(({ id }) => id);

describe('vnets', () => {
  it('begin with the default one (vnet0, IS_DEFAULT_VNET)', () => {
    const { vnet0 } = new VnetSystem();
    expect(vnet0.isDefault).toBe(true);
    expect(vnet0.state).toBe('up');
    expect(`${vnet0}`).toBe('vnet0');
  });

  it('are made and destroyed (vnet_alloc, vnet_destroy), and their numbers are not used again', () => {
    const system = new VnetSystem();
    const first = system.alloc();
    expect(first.isDefault).toBe(false);
    system.destroy(first);
    expect(first.state).toBe('gone');
    expect(system.alloc().id).toBe(2);
  });

  it('never lose the default one', () => {
    const system = new VnetSystem();
    expect(() => system.destroy(system.vnet0)).toThrow('the default vnet cannot be destroyed');
  });

  it('are destroyed once: again is nothing', () => {
    const system = new VnetSystem();
    let times = 0;
    system.sysuninit('count', 0, 0, () => {
      times++;
    });
    const vnet = system.alloc();
    system.destroy(vnet);
    system.destroy(vnet);
    expect(times).toBe(1);
  });

  it('are selected by what belongs to them (CRED_TO_VNET, so_vnet, if_vnet)', () => {
    const system = new VnetSystem();
    const socket = { vnet: system.alloc() };
    expect(vnetOf(socket)).toBe(socket.vnet);
  });
});

describe('going over all vnets (VNET_FOREACH)', () => {
  it('visits them in the order they were made', () => {
    const system = new VnetSystem();
    system.alloc();
    system.alloc();
    expect(ids(system)).toEqual([0, 1, 2]);
  });

  it('leaves out those that are removed meanwhile', () => {
    const system = new VnetSystem();
    const [first, second] = [system.alloc(), system.alloc()];
    const seen: number[] = [];
    for (const vnet of system) {
      seen.push(vnet.id);
      if (vnet === first) {
        system.destroy(first);
        system.destroy(second);
      }
    }
    expect(seen).toEqual([0, 1]);
  });

  it('comes to those that are added meanwhile', () => {
    const system = new VnetSystem();
    const seen: number[] = [];
    for (const vnet of system) {
      seen.push(vnet.id);
      if (vnet.id < 2) system.alloc();
    }
    expect(seen).toEqual([0, 1, 2]);
  });
});

describe('assertions (VNET_ASSERT)', () => {
  afterEach(() => {
    vnetDebug(false);
  });

  it('cost nothing unless debugging is on (VNET_DEBUG)', () => {
    expect(vnetDebug(false)).toBe(false);
    expect(() => vnetAssert(false, 'never looked at')).not.toThrow();
  });

  it('say what is wrong when it is on', () => {
    expect(vnetDebug(true)).toBe(false);
    expect(() => vnetAssert(true, 'fine')).not.toThrow();
    expect(() => vnetAssert(false, 'no vnet')).toThrow('vnet assertion failed: no vnet');
    expect(vnetDebug(false)).toBe(true);
  });
});
