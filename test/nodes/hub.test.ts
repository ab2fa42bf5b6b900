import { describe, expect, it } from 'vitest';
import { Message } from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

function hubWith(...hooks: string[]) {
  const world = simulatedWorld();
  const me = new Program(world);
  const [first, ...others] = hooks;
  me.mkpeer('.', 'hub', first, first);
  me.name(first, 'test hub');
  for (const hook of others) me.connect('.', 'test hub:', hook, hook);
  return { world, me };
}

describe('hub', () => {
  it('sends a frame out of all hooks but the one it came in by', () => {
    const { me } = hubWith('a', 'b', 'c');
    me.send('a', 'x');
    expect(me.received().sort()).toEqual(['b:x', 'c:x']);
  });

  it('sends it only to those that remain', () => {
    const { me } = hubWith('a', 'b', 'c');
    me.msg('.', 'rmhook', '{ hook="b" }');
    me.send('a', 'x');
    expect(me.received()).toEqual(['c:x']);
  });

  it('with nobody else drops it, which is no error', () => {
    const { me } = hubWith('a');
    expect(me.send('a', 'x')).toBe(0);
    expect(me.received()).toEqual([]);
  });

  it('goes with its last hook, unless it is set to persist', () => {
    const { me } = hubWith('a');
    me.msg('a', 'setpersistent');
    me.msg('.', 'rmhook', '{ hook="a" }');
    expect(me.msg('test hub:', 'nodeinfo')).toBe('{ name="test hub" type="hub" id=0x2 }');
    me.msg('test hub:', 'shutdown');
    expect(me.refusal('test hub:', 'nodeinfo')).toBe('ENOENT');
  });

  it('reaches a thousand hooks', () => {
    const hooks = Array.from({ length: 1000 }, (_, i) => `h${i}`);
    const { me } = hubWith(...hooks);
    me.send('h0', 'x');
    expect(me.received().length).toBe(999);
    expect(me.msg('test hub:', 'nodeinfo')).toContain('hooks=1000');
  });
});

describe('echo', () => {
  it('has a cookie of its own, though it knows no messages', () => {
    expect(nodeTypes.get('echo')?.cookie).toBe(884298942);
  });

  it('sends a frame back where it came from, and a message back as its own reply', () => {
    const me = new Program(simulatedWorld());
    me.mkpeer('.', 'echo', 'e', 'x');
    me.connect('.', 'e', 'f', 'y');
    me.send('f', 'hello');
    expect(me.received()).toEqual(['f:hello']);
    me.control.send('e', new Message(12345, 77, Uint8Array.of(1, 2, 3)));
    const { message } = me.control.inbox.pop()!;
    expect([message.cookie, message.cmd, message.isReply, ...message.data]).toEqual([
      12345,
      77,
      true,
      1,
      2,
      3,
    ]);
  });
});

describe('hole', () => {
  it('swallows frames, and counts them by hook', () => {
    const me = new Program(simulatedWorld());
    me.mkpeer('.', 'hole', 'h', 'x');
    expect([me.send('h', 'ab'), me.send('h', 'abc')]).toEqual([0, 0]);
    expect(me.msg('h', 'getstats', '"x"')).toBe('{ frames=2 octets=5 }');
    expect(me.msg('h', 'getclrstats', '"x"')).toBe('{ frames=2 octets=5 }');
    expect(me.msg('h', 'getstats', '"x"')).toBe('{}');
    expect(me.refusal('h', 'getstats', '"nosuch"')).toBe('ENOENT');
  });
});
