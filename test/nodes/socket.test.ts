import { describe, expect, it } from 'vitest';
import {
  Frame,
  GENERIC_COOKIE,
  genericMessages,
  limits,
  Message,
  NgError,
} from '../../src/netgraph/index.js';
import { ControlSocket, DataSocket } from '../../src/nodes/socket.js';
import { Control, Data, Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const SOCKET_COOKIE = 851601233;
const nodeinfo = () => new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd);

const code = (run: () => unknown) => {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as NgError).code;
  }
};

function program() {
  const world = simulatedWorld();
  return { world, me: new Program(world) };
}

describe('a socket node', () => {
  it('joined to itself sends a frame from one hook to the other, once', () => {
    const { me } = program();
    me.connect('.', '.', 'a', 'b');
    me.send('a', 'x');
    expect(me.received()).toEqual(['b:x']);
  });

  it('cannot be made by mkpeer', () => {
    const { me } = program();
    expect(me.refusal('.', 'mkpeer', '{ type="socket" ourhook="a" peerhook="b" }')).toBe('EINVAL');
  });

  it('stays without hooks, and goes when both sockets are closed', () => {
    const { world, me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    me.data.socket.close();
    expect(world.graph.count(world.vnet0)).toBe(2);
    me.control.socket.close();
    expect(world.graph.count(world.vnet0)).toBe(0);
  });

  it('that shall not linger goes with its last hook', () => {
    const { world, me } = program();
    me.control.send('.', new Message(SOCKET_COOKIE, 1));
    me.mkpeer('.', 'hub', 'h', 'x');
    me.msg('h', 'shutdown');
    expect(world.graph.count(world.vnet0)).toBe(0);
    expect([me.control.ended, me.data.ended]).toEqual([true, true]);
  });

  it('lingers again when it is told to', () => {
    const { world, me } = program();
    for (const cmd of [1, 2]) me.control.send('.', new Message(SOCKET_COOKIE, cmd));
    me.mkpeer('.', 'hub', 'h', 'x');
    me.msg('h', 'shutdown');
    expect(world.graph.count(world.vnet0)).toBe(1);
  });

  it('knows no other commands, and hands messages of other cookies to its program', () => {
    const { me } = program();
    expect(code(() => me.control.send('.', new Message(SOCKET_COOKIE, 3)))).toBe('EINVAL');
    me.control.send('.', new Message(1, 2, Uint8Array.of(3)));
    const { from, message } = me.control.inbox.pop()!;
    expect([from, message.cookie, message.cmd, [...message.data]]).toEqual(['[1]:', 1, 2, [3]]);
  });
});

describe('a control socket', () => {
  it('that is closed before its data socket leaves a node that takes generic messages only', () => {
    const { world, me } = program();
    const other = new Program(world);
    other.control.socket.close();
    expect(me.msg('[2]:', 'nodeinfo')).toBe('{ type="socket" id=0x2 }');
    expect(code(() => me.control.send('[2]:', new Message(1, 1)))).toBe('EINVAL');
  });

  it('names its node by bind, and tells its name or else its ID (getsockname)', () => {
    const { me } = program();
    const { socket } = me.control;
    expect(socket.name).toBe('[1]');
    socket.bind('me');
    expect(socket.name).toBe('me');
    socket.bind('x'.repeat(31));
    expect(socket.name).toBe('x'.repeat(31));
    expect(['', 'a.b', 'a:b', '[1]', 'x'.repeat(32)].map((name) => code(() => socket.bind(name)))).toEqual(
      Array(5).fill('EINVAL'),
    );
  });

  it('reads end of file after its node was shut down, and writing is EPIPE', () => {
    const { me } = program();
    me.control.send('.', new Message(GENERIC_COOKIE, 1));
    expect([me.control.ended, me.data.ended]).toEqual([true, true]);
    expect(code(() => me.control.send('.', nodeinfo()))).toBe('EPIPE');
    expect(code(() => me.control.socket.bind('me'))).toBe('EPIPE');
    me.close();
  });

  it('refuses messages larger than net.graph.maxdgram: EMSGSIZE', () => {
    const { world, me } = program();
    const send = (size: number) => code(() => me.control.send('.', new Message(1, 1, new Uint8Array(size))));
    expect([send(128 * 1024), send(128 * 1024 + 1)]).toEqual(['none', 'EMSGSIZE']);
    limits.maxDatagram.set(world.vnet0, 100);
    expect([send(100), send(101)]).toEqual(['none', 'EMSGSIZE']);
  });

  it('lists a thousand nodes in one reply', () => {
    const { me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    for (let i = 0; i < 1000; i++) me.mkpeer('h', 'hub', `h${i}`, 'x');
    me.control.send('.', new Message(GENERIC_COOKIE, genericMessages.listnodes.cmd));
    expect(me.control.inbox.pop()!.message.data.length).toBe(4 + 1002 * 72);
    me.control.send('h', new Message(GENERIC_COOKIE, genericMessages.listhooks.cmd));
    expect(me.control.inbox.pop()!.message.data.length).toBe(72 + 1001 * 136);
  });

  it('whose program takes no more messages loses them: ENOBUFS to the sender', () => {
    const { world, me } = program();
    const full = new ControlSocket(world.graph, world.vnet0, { message: () => 55, end: () => {} });
    full.bind('full');
    expect(code(() => me.control.send('full:', new Message(1, 1)))).toBe('ENOBUFS');
    const outcomes: unknown[] = [];
    full.send('[1]:', nodeinfo(), (error) => outcomes.push(error?.code));
    expect(outcomes).toEqual(['ENOBUFS']);
  });
});

describe('a data socket', () => {
  const frame = () => new Frame(Buffer.from('x'));
  const named = (world: ReturnType<typeof program>['world'], name: string) => {
    const control = new Control(world.graph, world.vnet0);
    control.socket.bind(name);
    return control;
  };

  it('connects to a socket node by an absolute path', () => {
    const { world, me } = program();
    named(world, 'other');
    const data = new Data(world.graph, world.vnet0);
    expect(code(() => data.socket.connect('nosuch:'))).toBe('ENOENT');
    expect(code(() => data.socket.connect('other'))).toBe('ENOENT');
    expect(code(() => data.socket.connect('other:foo'))).toBe('ENOENT');
    data.socket.connect('other:');
    me.connect('.', 'other:', 'mine', 'theirs');
    me.send('mine', 'x');
    expect(data.inbox.map(({ hook }) => hook)).toEqual(['theirs']);
  });

  it('is one for a node: EADDRINUSE; and only socket nodes have one: EINVAL', () => {
    const { world, me } = program();
    me.mkpeer('.', 'hub', 'h', 'x');
    const data = new DataSocket(world.graph, world.vnet0, { data: () => 0, end: () => {} });
    expect(code(() => data.connect('[1]:'))).toBe('EADDRINUSE');
    expect(code(() => data.connect('[2]:'))).toBe('EINVAL');
    me.data.socket.close();
    expect(code(() => data.connect('[1]:'))).toBe('none');
    named(world, 'other');
    expect(code(() => data.connect('other:'))).toBe('EISCONN');
  });

  it('needs a hook to send to, but for a node that has only one: EDESTADDRREQ', () => {
    const { me } = program();
    const { socket } = me.data;
    const refusal = (hook?: string) => socket.send(hook, frame());
    expect(refusal()).toBe(new NgError('EDESTADDRREQ').errno);
    me.connect('.', '.', 'a', 'b');
    expect(refusal()).toBe(new NgError('EDESTADDRREQ').errno);
    expect(refusal('nosuch')).toBe(new NgError('EHOSTUNREACH').errno);
    me.msg('.', 'rmhook', '{ hook="a" }');
    me.mkpeer('.', 'echo', 'only', 'x');
    expect([refusal(), refusal('')]).toEqual([0, 0]);
    expect(me.received()).toEqual(['only:x', 'only:x']);
    expect(refusal('x'.repeat(32))).toBe(new NgError('EINVAL').errno);
  });

  it('that is not connected: ENOTCONN', () => {
    const { world } = program();
    const data = new DataSocket(world.graph, world.vnet0, { data: () => 0, end: () => {} });
    expect(data.send('hook', frame())).toBe(new NgError('ENOTCONN').errno);
  });

  it('that is missing makes its node a black hole', () => {
    const { world, me } = program();
    named(world, 'deaf');
    me.connect('.', 'deaf:', 'h', 'h');
    expect(me.send('h', 'x')).toBe(0);
  });

  it('refuses frames larger than net.graph.maxdgram: EMSGSIZE', () => {
    const { me } = program();
    me.mkpeer('.', 'echo', 'e', 'x');
    const send = (size: number) => me.data.send('e', new Uint8Array(size));
    expect([send(128 * 1024), send(128 * 1024 + 1)]).toEqual([0, 'EMSGSIZE']);
  });

  it('whose program does not read loses frames, and their sender hears ENOBUFS', () => {
    const { world, me } = program();
    let room = 3;
    named(world, 'slow');
    new DataSocket(world.graph, world.vnet0, {
      data: () => (room-- > 0 ? 0 : new NgError('ENOBUFS').errno),
      end: () => {},
    }).connect('slow:');
    me.connect('.', 'slow:', 'h', 'h');
    expect(['1', '2', '3', '4'].map((value) => me.send('h', value))).toEqual([0, 0, 0, 'ENOBUFS']);
    expect(me.msg('.', 'nodeinfo')).toContain('hooks=1');
  });
});
