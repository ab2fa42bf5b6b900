import { describe, expect, it } from 'vitest';
import { defineNode, NgError } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const code = (run: () => unknown): string => {
  try {
    run();
    return 'none';
  } catch (error) {
    if (error instanceof NgError) return error.code;
    throw error;
  }
};

/** Refuses what it is told to refuse; counts how often it was made and taken down. */
const picky = (calls: string[]) =>
  defineNode({
    type: 'picky',
    cookie: 78,
    create() {
      calls.push('create');
      return {
        receive: () => 0,
        newHook({ name }) {
          calls.push(`newHook ${name}`);
          if (name === 'no') throw new NgError('EPERM');
        },
        connect({ name }) {
          calls.push(`connect ${name}`);
          if (name === 'late') throw new NgError('EBUSY');
        },
        disconnect: ({ name }) => void calls.push(`disconnect ${name}`),
        shutdown: () => void calls.push('shutdown'),
      };
    },
  });

function world() {
  const calls: string[] = [];
  const simulated = simulatedWorld({ types: [picky(calls)] });
  const me = new Program(simulated);
  const counts = () => me.msg('.', 'listtypes').match(/"\w+" numnodes=\d+|"picky"/g);
  return { world: simulated, me, calls, counts };
}

const args = (type: string, ourhook: string, peerhook: string) =>
  `{ type="${type}" ourhook="${ourhook}" peerhook="${peerhook}" }`;

describe('mkpeer', () => {
  it('makes a node and joins it', () => {
    const { me } = world();
    me.mkpeer('.', 'hub', 'h', 'x');
    expect(me.msg('.', 'listhooks')).toBe(
      '{ nodeinfo={ type="socket" id=0x1 hooks=1 }' +
        ' linkinfo=[ { ourhook="h" peerhook="x" nodeinfo={ type="hub" id=0x2 hooks=1 } } ] }',
    );
  });

  it('of an unknown type is ENOENT, and the sentence says where it was looked for', () => {
    const { me } = world();
    const mkpeer = () => me.msg('.', 'mkpeer', args('nosuch', 'h', 'x'));
    expect(code(mkpeer)).toBe('ENOENT');
    expect(mkpeer).toThrow('no node type "nosuch", and no module ng_nosuch');
  });

  it('on a hook that is taken is EEXIST, and no node is left', () => {
    const { world: simulated, me } = world();
    me.mkpeer('.', 'hub', 'h', 'x');
    expect(me.refusal('.', 'mkpeer', args('hub', 'h', 'y'))).toBe('EEXIST');
    expect(simulated.graph.count(simulated.vnet0)).toBe(2);
    expect(me.msg('.', 'listtypes')).toContain('"hub" numnodes=1');
  });

  it('that the new node refuses at once leaves nothing', () => {
    const { world: simulated, me, calls } = world();
    expect(me.refusal('.', 'mkpeer', args('picky', 'h', 'no'))).toBe('EPERM');
    expect(calls).toEqual(['create', 'newHook no', 'shutdown']);
    expect(simulated.graph.count(simulated.vnet0)).toBe(1);
    expect(me.node.hooks).toEqual([]);
  });

  it('that the new node refuses when it sees its peer leaves nothing, and takes the node down once', () => {
    const { world: simulated, me, calls } = world();
    expect(me.refusal('.', 'mkpeer', args('picky', 'h', 'late'))).toBe('EBUSY');
    expect(calls).toEqual(['create', 'newHook late', 'connect late', 'disconnect late', 'shutdown']);
    expect(simulated.graph.count(simulated.vnet0)).toBe(1);
    expect(me.msg('.', 'listtypes')).not.toContain('"picky" numnodes');
  });

  it('asks the node at hand before the new one', () => {
    const { me, calls } = world();
    me.mkpeer('.', 'picky', 'p', 'a');
    calls.length = 0;
    me.mkpeer('p', 'picky', 'b', 'c');
    expect(calls).toEqual(['create', 'newHook b', 'newHook c', 'connect b', 'connect c']);
  });
});

describe('connect', () => {
  function twoHubs() {
    const both = world();
    both.me.mkpeer('.', 'hub', 'h1', 'x');
    both.me.mkpeer('.', 'hub', 'h2', 'x');
    both.me.name('h1', 'hub1');
    both.me.name('h2', 'hub2');
    return both;
  }

  it('joins two nodes by a hook on each', () => {
    const { me } = twoHubs();
    me.connect('hub1:', 'hub2:', 'a', 'b');
    expect(me.msg('hub1:a', 'nodeinfo')).toContain('name="hub2"');
    expect(me.msg('hub2:b', 'nodeinfo')).toContain('name="hub1"');
  });

  it('to a hook that is taken, on either side, is EEXIST and changes nothing', () => {
    const { me } = twoHubs();
    me.connect('hub1:', 'hub2:', 'a', 'b');
    const connect = (ourhook: string, peerhook: string) =>
      me.refusal('hub1:', 'connect', `{ path="hub2:" ourhook="${ourhook}" peerhook="${peerhook}" }`);
    expect([connect('a', 'c'), connect('c', 'b')]).toEqual(['EEXIST', 'EEXIST']);
    expect(me.msg('hub1:', 'nodeinfo')).toContain('hooks=2');
    expect(me.msg('hub2:', 'nodeinfo')).toContain('hooks=2');
  });

  it('that the other node refuses leaves both as they were', () => {
    const { me } = twoHubs();
    me.mkpeer('.', 'picky', 'p', 'first');
    const connect = (hook: string) =>
      me.refusal('hub1:', 'connect', `{ path="[1]:p" ourhook="q" peerhook="${hook}" }`);
    expect([connect('no'), connect('late')]).toEqual(['EPERM', 'EBUSY']);
    expect(me.msg('hub1:', 'nodeinfo')).toContain('hooks=1');
    expect(me.msg('p', 'nodeinfo')).toContain('hooks=1');
  });

  it('of a node that has no other hook, when it is refused, does not take the node away', () => {
    const { me } = world();
    expect(me.refusal('.', 'connect', '{ path="." ourhook="a" peerhook="b" }')).toBe(0);
    expect(me.msg('.', 'nodeinfo')).toContain('hooks=2');
  });

  it('may join a node to itself, even by one name', () => {
    const { me } = twoHubs();
    me.connect('hub1:', '.', 'a', 'b');
    me.connect('hub1:', '.', 's', 's');
    expect(me.msg('hub1:', 'nodeinfo')).toContain('hooks=5');
    me.msg('hub1:', 'rmhook', '{ hook="s" }');
    me.msg('hub1:', 'rmhook', '{ hook="b" }');
    expect(me.msg('hub1:', 'nodeinfo')).toContain('hooks=1');
  });

  it('across vnets is EXDEV', () => {
    const { me, world: simulated } = world();
    simulated.jails.create('jail');
    me.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    me.msg('w', 'open', '"jail"');
    expect(me.refusal('.', 'connect', '{ path="w.jid=1" ourhook="a" peerhook="evthorizon" }')).toBe('EXDEV');
  });
});

describe('rmhook', () => {
  it('takes both ends away', () => {
    const { me } = world();
    me.mkpeer('.', 'hub', 'h', 'x');
    me.connect('.', 'h', 'h2', 'y');
    me.msg('h', 'rmhook', '{ hook="x" }');
    expect(me.msg('.', 'nodeinfo')).toContain('hooks=1');
    expect(me.msg('h2', 'nodeinfo')).toContain('hooks=1');
  });

  it('of a hook that is not there is fine', () => {
    const { me } = world();
    expect(me.refusal('.', 'rmhook', '{ hook="nosuch" }')).toBe(0);
  });

  it('of the last hook takes most nodes away, and so a chain of them', () => {
    const { world: simulated, me, calls } = world();
    me.mkpeer('.', 'picky', 'p', 'a');
    me.msg('.', 'rmhook', '{ hook="p" }');
    expect(calls.slice(-2)).toEqual(['disconnect a', 'shutdown']);
    expect(simulated.graph.count(simulated.vnet0)).toBe(1);
  });
});

describe('listhooks', () => {
  it('lists the newest hook first', () => {
    const { me } = world();
    me.mkpeer('.', 'hub', 'a', 'x');
    me.mkpeer('.', 'hub', 'b', 'x');
    me.mkpeer('.', 'hub', 'c', 'x');
    expect([...me.msg('.', 'listhooks').matchAll(/ourhook="(\w)"/g)].map(([, name]) => name)).toEqual([
      'c',
      'b',
      'a',
    ]);
  });
});
