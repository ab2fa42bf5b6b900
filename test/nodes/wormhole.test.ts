import { describe, expect, it } from 'vitest';
import { Program } from '../support/program.js';
import { type SimulatedJail, type SimulatedWorld, simulatedWorld } from '../support/world.js';

/** A host with jails, and a program in each. */
function withJails(...names: string[]) {
  const world = simulatedWorld();
  const host = new Program(world);
  const jails = names.map((name) => world.jails.create(name));
  const programs = jails.map(({ vnet }) => new Program(world, vnet));
  return { world, host, jails, programs };
}

/** Opens a wormhole called `name` from the host into a jail, without other hooks. */
function open(host: Program, name: string, jail: string): void {
  host.mkpeer('.', 'wormhole', name, 'evthorizon');
  host.name(name, name);
  host.msg(`${name}:`, 'open', `"${jail}"`);
  host.msg('.', 'rmhook', `{ hook="${name}" }`);
}

/** Connects a program to the only wormhole of its vnet. */
function dock(program: Program): void {
  const id = /type="wormhole" id=0x(\w+)/.exec(program.msg('.', 'listnodes'))?.[1];
  program.connect('.', `[${id}]:`, 'eh', 'evthorizon');
}

const wormholes = ({ graph }: SimulatedWorld, { vnet }: Pick<SimulatedJail, 'vnet'>) =>
  graph.nodes(vnet).filter(({ type }) => type.type === 'wormhole');

const warps = (program: Program) =>
  [...program.msg('eh', 'listhooks').matchAll(/"(jid=\d+)"/g)].map(([, hook]) => hook);

describe('opening a wormhole', () => {
  it('makes the far side in the jail, unnamed, with an ID of there, joined by hooks that name the jails', () => {
    const { world, host, jails } = withJails('foo');
    open(host, 'wh', 'foo');
    const [far] = wormholes(world, jails[0]);
    expect([far.id, far.name, far.hooks.map(({ name }) => name)]).toEqual([2, '', ['jid=0']]);
    expect(host.msg('wh:', 'listhooks')).toContain('ourhook="jid=1" peerhook="jid=0"');
  });

  it('takes the name of a jail or its ID', () => {
    const { world, host, jails } = withJails('foo', 'bar');
    open(host, 'a', 'bar');
    open(host, 'b', '2');
    expect(wormholes(world, jails[0])).toEqual([]);
    expect(wormholes(world, jails[1]).length).toBe(2);
  });

  it('is refused without such a jail: EHOSTDOWN', () => {
    const { host } = withJails('foo');
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    const refusal = (jail: string) => host.refusal('w', 'open', `"${jail}"`);
    expect(['nosuch', '', '0', '99', '-1', 'foo ', 'Foo'].map(refusal)).toEqual(Array(7).fill('EHOSTDOWN'));
    expect(host.msg('w', 'nodeinfo')).toContain('hooks=1');
  });

  it('is refused into a jail without a vnet of its own: EINVAL', () => {
    const { world, host } = withJails();
    world.jails.create('shared', { vnet: false });
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    expect(host.refusal('w', 'open', '"shared"')).toBe('EINVAL');
  });

  it('is refused into a name that is too long: EINVAL', () => {
    const { host } = withJails();
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    expect(host.refusal('w', 'open', `"${'x'.repeat(256)}"`)).toBe('EINVAL');
    expect(host.refusal('w', 'open', `"${'x'.repeat(255)}"`)).toBe('EHOSTDOWN');
  });

  it('is done once, from either side: EISCONN (invariant 3)', () => {
    const { host, programs } = withJails('foo', 'bar');
    open(host, 'wh', 'foo');
    dock(programs[0]);
    expect(host.refusal('wh:', 'open', '"bar"')).toBe('EISCONN');
    expect(programs[0].refusal('eh', 'open', '"bar"')).toBe('EISCONN');
  });

  it('from a jail finds only jails below it', () => {
    const { world, programs, jails } = withJails('foo', 'bar');
    const inner = world.jails.create('inner', { parent: jails[0].vnet });
    const [foo] = programs;
    foo.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    const refusal = (jail: string) => foo.refusal('w', 'open', `"${jail}"`);
    expect(['bar', 'foo', '1', '2', '0'].map(refusal)).toEqual(Array(5).fill('EHOSTDOWN'));
    expect(refusal('inner')).toBe(0);
    expect(foo.msg('w', 'listhooks')).toContain(`ourhook="jid=${inner.id}" peerhook="jid=1"`);
  });

  it('does not let both ends be in one vnet (invariant 1)', () => {
    const { world, host } = withJails('foo');
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    const here = { id: 7, ownsVnet: true, vnet: world.vnet0 };
    world.jails.find = () => ({ ...here, name: 'here', parent: world.vnet0 });
    expect(host.refusal('w', 'open', '"here"')).toBe('EINVAL');
  });
});

describe('data through a wormhole', () => {
  it('leaves the event horizon of the other side, both ways', () => {
    const { host, programs } = withJails('foo');
    open(host, 'wh', 'foo');
    host.connect('.', 'wh:', 'w', 'evthorizon');
    dock(programs[0]);
    expect([host.send('w', 'in'), programs[0].send('eh', 'out')]).toEqual([0, 0]);
    expect([programs[0].received(), host.received()]).toEqual([['eh:in'], ['w:out']]);
  });

  it('is ENETDOWN before it is opened, and when nobody is on the other side', () => {
    const { host, programs } = withJails('foo');
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    expect(host.send('w', 'x')).toBe('ENETDOWN');
    host.msg('w', 'open', '"foo"');
    expect(host.send('w', 'x')).toBe('ENETDOWN');
    dock(programs[0]);
    expect(host.send('w', 'x')).toBe(0);
    programs[0].msg('.', 'rmhook', '{ hook="eh" }');
    expect(host.send('w', 'x')).toBe('ENETDOWN');
  });

  it('goes on after the event horizon was disconnected and connected again, without end', () => {
    const { host, programs } = withJails('foo');
    open(host, 'wh', 'foo');
    dock(programs[0]);
    for (let i = 0; i < 20; i++) {
      host.connect('.', 'wh:', 'w', 'evthorizon');
      host.send('w', `${i}`);
      host.msg('.', 'rmhook', '{ hook="w" }');
    }
    expect(programs[0].received().length).toBe(20);
  });
});

describe('the end of a wormhole', () => {
  it('is that of both sides, whichever is shut down (invariant 4)', () => {
    for (const side of ['near', 'far']) {
      const { world, host, jails, programs } = withJails('foo');
      open(host, 'wh', 'foo');
      dock(programs[0]);
      if (side === 'near') host.msg('wh:', 'shutdown');
      else programs[0].msg('eh', 'shutdown');
      expect(wormholes(world, { vnet: world.vnet0 })).toEqual([]);
      expect(wormholes(world, jails[0])).toEqual([]);
      expect(programs[0].node.hooks).toEqual([]);
    }
  });

  it('comes with the removal of the warp hook', () => {
    const { world, host, jails } = withJails('foo');
    open(host, 'wh', 'foo');
    host.msg('wh:', 'rmhook', '{ hook="jid=1" }');
    expect([...wormholes(world, { vnet: world.vnet0 }), ...wormholes(world, jails[0])]).toEqual([]);
  });

  it('comes with the removal of the jail', () => {
    const { world, host, jails } = withJails('foo');
    open(host, 'wh', 'foo');
    host.connect('.', 'wh:', 'w', 'evthorizon');
    world.jails.remove(jails[0]);
    expect(wormholes(world, { vnet: world.vnet0 })).toEqual([]);
    expect(host.node.hooks).toEqual([]);
  });

  it('before it was opened comes with its last hook, if it has no name', () => {
    const { world, host } = withJails();
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    host.msg('.', 'rmhook', '{ hook="w" }');
    expect(wormholes(world, { vnet: world.vnet0 })).toEqual([]);
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    host.name('w', 'named');
    host.msg('.', 'rmhook', '{ hook="w" }');
    expect(host.msg('named:', 'nodeinfo')).toContain('type="wormhole"');
  });
});

describe('hooks of a wormhole', () => {
  it('that the user may connect are one: evthorizon', () => {
    const { host } = withJails('foo');
    open(host, 'wh', 'foo');
    const connect = (hook: string) =>
      host.refusal('.', 'connect', `{ path="wh:" ourhook="x" peerhook="${hook}" }`);
    expect(['warp', 'jid=5', 'jid=1', 'other'].map(connect)).toEqual([
      'EINVAL',
      'EINVAL',
      'EEXIST',
      'EINVAL',
    ]);
    host.connect('.', 'wh:', 'w', 'evthorizon');
    expect(connect('evthorizon')).toBe('EEXIST');
  });
});

describe('two event horizons that meet', () => {
  const meet = (host: Program, a = 'a', b = 'b') =>
    host.refusal(`${a}:`, 'connect', `{ path="${b}:" ourhook="evthorizon" peerhook="evthorizon" }`);

  it('collapse: four nodes in three vnets become two in two (invariant 2)', () => {
    const { world, host, jails, programs } = withJails('foo', 'bar');
    open(host, 'a', 'foo');
    open(host, 'b', 'bar');
    for (const program of programs) dock(program);
    const before = jails.map((jail) => wormholes(world, jail));
    before[0][0].graph.nameNode(before[0][0], 'outer');
    expect(meet(host)).toBe(0);
    expect(wormholes(world, { vnet: world.vnet0 })).toEqual([]);
    // The outer two keep their IDs, names and peers.
    expect(jails.map((jail) => wormholes(world, jail))).toEqual(before);
    expect(programs[0].msg('outer:', 'nodeinfo')).toContain('id=0x2 hooks=2');
    expect(programs.map(warps)).toEqual([
      ['jid=2', 'jid=1'],
      ['jid=1', 'jid=2'],
    ]);
  });

  it('let data pass directly, and end together', () => {
    const { world, host, jails, programs } = withJails('foo', 'bar');
    open(host, 'a', 'foo');
    open(host, 'b', 'bar');
    for (const program of programs) dock(program);
    meet(host);
    programs[0].send('eh', 'x');
    programs[1].send('eh', 'y');
    expect(programs.map((program) => program.received())).toEqual([['eh:y'], ['eh:x']]);
    world.jails.remove(jails[0]);
    expect(wormholes(world, jails[1])).toEqual([]);
  });

  it('collapse again with a third pair', () => {
    const { world, host, jails, programs } = withJails('foo', 'bar', 'baz');
    const [foo, bar, baz] = programs;
    open(host, 'a', 'foo');
    open(host, 'b', 'bar');
    dock(foo);
    meet(host);
    // foo and bar are joined now. A pair from bar to baz joins them to baz, by two event horizons in bar.
    open(host, 'c', 'bar');
    open(host, 'd', 'baz');
    dock(baz);
    expect(meet(host, 'c', 'd')).toBe(0);
    const [left, right] = wormholes(world, jails[1]);
    expect(
      bar.refusal(
        `[${left.id.toString(16)}]:`,
        'connect',
        `{ path="[${right.id.toString(16)}]:" ourhook="evthorizon" peerhook="evthorizon" }`,
      ),
    ).toBe(0);
    expect(wormholes(world, jails[1])).toEqual([]);
    foo.send('eh', 'x');
    expect(baz.received()).toEqual(['eh:x']);
    expect(warps(foo)).toEqual(['jid=3', 'jid=1']);
  });

  it('are refused when both lead to one vnet: EDOOFUS', () => {
    const { host } = withJails('foo');
    open(host, 'a', 'foo');
    open(host, 'b', 'foo');
    expect(meet(host)).toBe('EDOOFUS');
    expect([host.msg('a:', 'nodeinfo'), host.msg('b:', 'nodeinfo')]).toEqual([
      '{ name="a" type="wormhole" id=0x2 hooks=1 }',
      '{ name="b" type="wormhole" id=0x3 hooks=1 }',
    ]);
  });

  it('are refused when one is not open: EINVAL, and both stay as they were', () => {
    const { host } = withJails('foo', 'bar');
    open(host, 'a', 'foo');
    host.mkpeer('.', 'wormhole', 'u', 'evthorizon');
    host.name('u', 'b');
    host.msg('.', 'rmhook', '{ hook="u" }');
    expect(meet(host, 'a', 'b')).toBe('EINVAL');
    expect(meet(host, 'b', 'a')).toBe('EINVAL');
    host.msg('b:', 'open', '"bar"');
    expect(meet(host)).toBe(0);
  });

  it('cannot be those of one wormhole: EISCONN', () => {
    const { host } = withJails('foo');
    open(host, 'a', 'foo');
    expect(meet(host, 'a', 'a')).toBe('EISCONN');
    expect(host.msg('a:', 'nodeinfo')).toContain('hooks=1');
  });

  it('cannot be made by mkpeer: EINVAL, and the new one is gone', () => {
    const { world, host } = withJails('foo');
    open(host, 'a', 'foo');
    expect(
      host.refusal('a:', 'mkpeer', '{ type="wormhole" ourhook="evthorizon" peerhook="evthorizon" }'),
    ).toBe('EINVAL');
    expect(wormholes(world, { vnet: world.vnet0 }).length).toBe(1);
    expect(host.msg('.', 'listtypes')).toContain('{ typename="wormhole" numnodes=2 }');
  });
});

describe('messages through a wormhole', () => {
  it('from the host reach the nodes of the jail, and act there', () => {
    const { host, programs } = withJails('foo');
    open(host, 'wh', 'foo');
    dock(programs[0]);
    host.msg('wh:jid=1.evthorizon', 'name', '{ name="named" }');
    expect(programs[0].msg('.', 'nodeinfo')).toContain('name="named"');
    expect(host.refusal('named:', 'nodeinfo')).toBe('ENOENT');
    host.mkpeer('wh:jid=1.evthorizon', 'hub', 'h', 'x');
    expect(programs[0].msg('h', 'nodeinfo')).toContain('type="hub"');
  });

  it('out of a jail are refused: EPERM', () => {
    const { host, programs } = withJails('foo');
    open(host, 'wh', 'foo');
    host.connect('.', 'wh:', 'w', 'evthorizon');
    dock(programs[0]);
    for (const path of ['eh.jid=0', 'eh.jid=0.evthorizon', 'eh.jid=0.jid=1'])
      expect([path, programs[0].refusal(path, 'nodeinfo')]).toEqual([path, 'EPERM']);
    expect(() => programs[0].msg('eh.jid=0', 'shutdown')).toThrow('path "eh.jid=0" leaves the jail');
    expect(host.msg('wh:', 'nodeinfo')).toContain('hooks=2');
  });

  it('out of a jail by the path of a connect are refused, too', () => {
    const { host, programs } = withJails('foo');
    open(host, 'wh', 'foo');
    host.mkpeer('wh:', 'hub', 'evthorizon', 'x');
    dock(programs[0]);
    const connect = '{ path="eh.jid=0.evthorizon" ourhook="a" peerhook="b" }';
    expect(programs[0].refusal('.', 'connect', connect)).toBe('EPERM');
  });

  it('between jails side by side are refused', () => {
    const { host, programs } = withJails('foo', 'bar');
    open(host, 'a', 'foo');
    open(host, 'b', 'bar');
    for (const program of programs) dock(program);
    host.connect('a:', 'b:', 'evthorizon', 'evthorizon');
    expect(programs[0].refusal('eh.jid=2', 'nodeinfo')).toBe('EPERM');
  });

  it('into a jail within a jail are for its parent, not for the jail', () => {
    const { world, programs, jails } = withJails('foo');
    const inner = new Program(world, world.jails.create('inner', { parent: jails[0].vnet }).vnet);
    programs[0].mkpeer('.', 'wormhole', 'w', 'evthorizon');
    programs[0].msg('w', 'open', '"inner"');
    dock(inner);
    expect(programs[0].refusal('w.jid=2', 'nodeinfo')).toBe(0);
    expect(inner.refusal('eh.jid=1', 'nodeinfo')).toBe('EPERM');
  });
});
