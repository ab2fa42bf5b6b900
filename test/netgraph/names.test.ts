import { describe, expect, it } from 'vitest';
import { GENERIC_COOKIE, Message } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

function program() {
  const world = simulatedWorld();
  return { world, me: new Program(world) };
}

describe('names of nodes', () => {
  it('are given by a message, and may be given anew, which frees the old one', () => {
    const { me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    me.name('h', 'first');
    me.name('first:', 'second');
    expect(me.refusal('first:', 'nodeinfo')).toBe('ENOENT');
    expect(me.msg('second:', 'nodeinfo')).toBe('{ name="second" type="hub" id=0x2 hooks=1 }');
    me.name('.', 'first');
  });

  it('may have spaces, and a renaming to the same name is fine', () => {
    const { me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    me.name('h', 'test hub');
    me.name('test hub:', 'test hub');
    expect(me.msg('test hub:', 'nodeinfo')).toContain('name="test hub"');
  });

  it('that are taken are EADDRINUSE', () => {
    const { me } = program();
    me.name('.', 'me');
    me.mkpeer('.', 'hub', 'h', 'x');
    expect(me.refusal('h', 'name', '{ name="me" }')).toBe('EADDRINUSE');
    expect(me.msg('h', 'nodeinfo')).toBe('{ type="hub" id=0x2 hooks=1 }');
  });

  it('are not empty, have no dot and no colon, and do not look like an ID', () => {
    const { me } = program();
    const refusal = (name: string) => me.refusal('.', 'name', `{ name="${name}" }`);
    expect(['', 'a.b', 'a:b', '.', '[1]', '[ff]', '[0x2]'].map(refusal)).toEqual(Array(7).fill('EINVAL'));
    expect(['[]', '[zz]', '[1', '[1]x', 'a b', '*'].map(refusal)).toEqual(Array(6).fill(0));
  });

  it('have at most 31 characters', () => {
    const { me } = program();
    const refusal = (length: number) => me.refusal('.', 'name', `{ name="${'x'.repeat(length)}" }`);
    expect([refusal(31), refusal(32)]).toEqual([0, 'E2BIG']);
    expect(me.msg('.', 'nodeinfo')).toContain(`name="${'x'.repeat(31)}"`);
  });

  it('are counted in bytes, and end where their buffer ends', () => {
    const { me } = program();
    const { socket } = me.control;
    expect(() => socket.bind('ä'.repeat(16))).toThrow('1 to 31 bytes');
    expect(() => socket.bind('a\0b')).toThrow('cannot name a node');
    socket.bind('ä'.repeat(15));
    expect(me.msg('.', 'listnames')).toContain('name="');
    me.control.send('.', new Message(GENERIC_COOKIE, 4, new Uint8Array(32).fill(0x51)));
    expect(socket.name).toBe('Q'.repeat(31));
  });

  it('of nodes that are gone are free again', () => {
    const { me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    me.name('h', 'hub1');
    me.msg('hub1:', 'shutdown');
    expect(me.refusal('hub1:', 'nodeinfo')).toBe('ENOENT');
    me.name('.', 'hub1');
  });

  it('are listed in alphabetical order by listnames, and nodes by ID by listnodes', () => {
    const { me } = program();
    for (const name of ['c', 'a', 'b']) {
      me.mkpeer('.', 'hub', name, 'x');
      me.name(name, name);
    }
    const names = (command: string) =>
      [...me.msg('.', command).matchAll(/name="(\w)"|type="socket"/g)].map(([, name]) => name);
    expect(names('listnames')).toEqual(['a', 'b', 'c']);
    expect(names('listnodes')).toEqual([undefined, 'c', 'a', 'b']);
  });
});

describe('IDs of nodes', () => {
  it('count up from 1 and are not used again', () => {
    const { me } = program();
    const ids = ['a', 'b', 'c'].map((hook) => {
      me.mkpeer('.', 'hub', hook, 'x');
      const id = /id=(\w+)/.exec(me.msg(hook, 'nodeinfo'))?.[1];
      me.msg('.', 'rmhook', `{ hook="${hook}" }`);
      return id;
    });
    expect(ids).toEqual(['0x2', '0x3', '0x4']);
  });

  it('are used up by a mkpeer that fails', () => {
    const { me } = program();
    expect(me.refusal('.', 'mkpeer', '{ type="tee" ourhook="t" peerhook="nosuch" }')).toBe('EINVAL');
    me.mkpeer('.', 'tee', 't', 'left');
    expect(me.msg('t', 'nodeinfo')).toContain('id=0x3');
  });

  it('are counted in each vnet by itself', () => {
    const { world, me } = program();
    const inside = new Program(world, world.jails.create('jail').vnet);
    expect([me.node.id, inside.node.id]).toEqual([1, 1]);
    expect(inside.msg('[1]:', 'nodeinfo')).toBe('{ type="socket" id=0x1 }');
    expect(inside.refusal('[2]:', 'nodeinfo')).toBe('ENOENT');
  });
});

describe('vnets', () => {
  it('keep names apart: the same name may be used in each', () => {
    const { world, me } = program();
    const inside = new Program(world, world.jails.create('jail').vnet);
    me.name('.', 'same');
    inside.name('.', 'same');
    inside.mkpeer('.', 'hub', 'h', 'x');
    expect(me.msg('same:', 'nodeinfo')).toBe('{ name="same" type="socket" id=0x1 }');
    expect(inside.msg('same:', 'nodeinfo')).toBe('{ name="same" type="socket" id=0x1 hooks=1 }');
  });

  it('do not show each other their nodes, but share types and the count of their nodes', () => {
    const { world, me } = program();
    const inside = new Program(world, world.jails.create('jail').vnet);
    inside.mkpeer('.', 'hub', 'h', 'x');
    expect(me.msg('.', 'listnodes')).toBe('{ numnames=1 nodeinfo=[ { type="socket" id=0x1 } ] }');
    expect(me.msg('.', 'listtypes')).toContain(
      'typeinfo=[ { typename="hub" numnodes=1 } { typename="socket" numnodes=2 } ]',
    );
  });
});
