import { describe, expect, it } from 'vitest';
import { Order, Subsystem, type Vnet, VnetSystem, vnetDefine } from '../../src/vnet/index.js';

/** A system of vnets, and a list in which start-up and teardown functions say when they ran and where. */
function recording() {
  const reports: string[] = [];
  const system = new VnetSystem((error, what) => reports.push(`${what}: ${(error as Error).message}`));
  const ran: string[] = [];
  const note = (what: string) => (vnet: Vnet) => void ran.push(`${what} ${vnet.id}`);
  return { system, ran, note, reports };
}

describe('start-up of a vnet (VNET_SYSINIT)', () => {
  it('runs in the order of subsystem, then order, then registration', () => {
    const { system, ran, note } = recording();
    system.sysinit('last', Subsystem.VNET_DONE, Order.FIRST, note('last'));
    system.sysinit('any', Subsystem.NETGRAPH, Order.ANY, note('any'));
    system.sysinit('first', Subsystem.NETGRAPH, Order.FIRST, note('first'));
    system.sysinit('middle', Subsystem.NETGRAPH, Order.MIDDLE, note('middle'));
    system.sysinit('middle too', Subsystem.NETGRAPH, Order.MIDDLE, note('middle too'));
    system.sysinit('tunables', Subsystem.TUNABLES, Order.ANY, note('tunables'));
    ran.length = 0;
    system.alloc();
    expect(ran).toEqual(['tunables 1', 'first 1', 'middle 1', 'middle too 1', 'any 1', 'last 1']);
  });

  it('runs for the vnets there are when it is registered late, as by a module', () => {
    const { system, ran, note } = recording();
    system.alloc();
    system.sysinit('late', Subsystem.PSEUDO, Order.ANY, note('late'));
    expect(ran).toEqual(['late 0', 'late 1']);
  });

  it('is over before the vnet is up', () => {
    const { system } = recording();
    const states: string[] = [];
    system.sysinit('look', 0, 0, (vnet) => void states.push(vnet.state));
    const vnet = system.alloc();
    expect(states).toEqual(['up', 'starting']);
    expect(vnet.state).toBe('up');
  });

  it('does not run any more once it is unregistered', () => {
    const { system, ran, note } = recording();
    system.sysinit('module', 0, 0, note('module')).unregister();
    ran.length = 0;
    system.alloc();
    expect(ran).toEqual([]);
  });

  it('that fails leaves nothing: what had started is torn down, and the vnet is gone', () => {
    const { system, ran, note } = recording();
    const variable = vnetDefine('variable', () => 0);
    let failing: Vnet | undefined;
    system.sysinit('one', 1, 0, (vnet) => variable.set(vnet, 1));
    system.sysuninit('one', 1, 0, note('undo one'));
    system.sysinit('two', 2, 0, (vnet) => {
      if (vnet.isDefault) return;
      failing = vnet;
      throw new Error('no memory');
    });
    system.sysinit('three', 3, 0, note('three'));
    system.sysuninit('three', 3, 0, note('undo three'));
    ran.length = 0;
    expect(() => system.alloc()).toThrow('no memory');
    expect(ran).toEqual(['undo one 1']);
    expect([...system]).toEqual([system.vnet0]);
    expect(failing?.state).toBe('gone');
    expect(() => variable.get(failing!)).toThrow('gone');
  });

  it('that fails where it is registered is not registered', () => {
    const { system } = recording();
    const fail = () => {
      throw new Error('not here');
    };
    expect(() => system.sysinit('bad', 0, 0, fail)).toThrow('not here');
    expect(() => system.alloc()).not.toThrow();
  });
});

describe('teardown of a vnet (VNET_SYSUNINIT)', () => {
  it('runs in reverse order', () => {
    const { system, ran, note } = recording();
    system.sysuninit('early', Subsystem.TUNABLES, Order.FIRST, note('early'));
    system.sysuninit('a', Subsystem.NETGRAPH, Order.ANY, note('a'));
    system.sysuninit('b', Subsystem.NETGRAPH, Order.ANY, note('b'));
    system.sysuninit('late', Subsystem.VNET_DONE, Order.ANY, note('late'));
    system.destroy(system.alloc());
    expect(ran).toEqual(['late 1', 'b 1', 'a 1', 'early 1']);
  });

  it('finds the variables of the vnet still there', () => {
    const { system } = recording();
    const variable = vnetDefine('variable', () => 'initial');
    const seen: string[] = [];
    system.sysuninit('look', 0, 0, (vnet) => void seen.push(`${vnet.state} ${variable.get(vnet)}`));
    const vnet = system.alloc();
    variable.set(vnet, 'set');
    system.destroy(vnet);
    expect(seen).toEqual(['stopping set']);
  });

  it('that fails is reported and does not stop the others', () => {
    const { system, ran, note, reports } = recording();
    system.sysuninit('first', 1, 0, note('first'));
    system.sysuninit('bad', 2, 0, () => {
      throw new Error('stuck');
    });
    system.sysuninit('last', 3, 0, note('last'));
    const vnet = system.alloc();
    system.destroy(vnet);
    expect(ran).toEqual(['last 1', 'first 1']);
    expect(reports).toEqual(['teardown of bad in vnet1: stuck']);
    expect(vnet.state).toBe('gone');
  });

  it('runs for every vnet when its module goes, and never again', () => {
    const { system, ran, note } = recording();
    const vnet = system.alloc();
    const registration = system.sysuninit('module', 0, 0, note('module'));
    registration.unregister();
    expect(ran).toEqual(['module 0', 'module 1']);
    registration.unregister();
    system.destroy(vnet);
    expect(ran).toEqual(['module 0', 'module 1']);
  });
});
