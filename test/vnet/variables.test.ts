import { describe, expect, it } from 'vitest';
import { VnetSystem, vnetDefine } from '../../src/vnet/index.js';

describe('per-vnet variables (VNET_DEFINE)', () => {
  it('have a copy in every vnet, which starts with the initial value', () => {
    const system = new VnetSystem();
    const foo = vnetDefine('foo', () => 1);
    const other = system.alloc();
    foo.set(system.vnet0, 2);
    expect(foo.get(system.vnet0)).toBe(2);
    expect(foo.get(other)).toBe(1);
    expect(foo.get(system.alloc())).toBe(1);
  });

  it('do not share objects between vnets', () => {
    const system = new VnetSystem();
    const bars = vnetDefine('bars', () => new Set<string>());
    const other = system.alloc();
    bars.get(system.vnet0).add('bar');
    expect(bars.get(system.vnet0).size).toBe(1);
    expect(bars.get(other).size).toBe(0);
  });

  it('keep a value that is undefined', () => {
    const system = new VnetSystem();
    let calls = 0;
    const maybe = vnetDefine<number | undefined>('maybe', () => calls++);
    maybe.set(system.vnet0, undefined);
    expect(maybe.get(system.vnet0)).toBe(undefined);
    expect(calls).toBe(0);
  });

  it('are gone with their vnet, and say so', () => {
    const system = new VnetSystem();
    const foo = vnetDefine('foo', () => 1);
    const vnet = system.alloc();
    foo.set(vnet, 5);
    system.destroy(vnet);
    expect(() => foo.get(vnet)).toThrow('foo read in vnet1, which is gone');
    expect(() => foo.set(vnet, 6)).toThrow('foo set in vnet1, which is gone');
  });
});
