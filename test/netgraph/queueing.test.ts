import { describe, expect, it } from 'vitest';
import { defineNode, dropsIn, Frame, limits } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const frame = (value: string) => new Frame(Buffer.from(value));

/** A program and a sink that counts what it gets; `hook` sends there. */
function scene() {
  const got: string[] = [];
  const sink = defineNode({
    type: 'sink',
    cookie: 80,
    create: () => ({
      receive(received) {
        got.push(Buffer.from(received.view()).toString());
        return 0;
      },
    }),
  });
  const world = simulatedWorld({ types: [sink] });
  const me = new Program(world);
  me.mkpeer('.', 'sink', 's', 'in');
  const hook = me.node.findHook('s')!;
  const queued = () => limits.maxData.count(world.vnet0);
  return { world, me, hook, sink: hook.peer.node, got, queued };
}

describe('a hook that is set to queue (NG_HOOK_FORCE_QUEUE)', () => {
  it('delivers what arrives there later, in order', () => {
    const { world, me, hook, got, queued } = scene();
    hook.peer.queued = true;
    expect(['a', 'b', 'c'].map((value) => me.send('s', value))).toEqual([0, 0, 0]);
    expect(got).toEqual([]);
    expect(queued()).toBe(3);
    world.settle();
    expect(got).toEqual(['a', 'b', 'c']);
    expect(queued()).toBe(0);
  });

  it('keeps a copy of the frame', () => {
    const { world, hook, got } = scene();
    hook.peer.queued = true;
    const bytes = Buffer.from('before');
    hook.send(new Frame(bytes));
    bytes.write('after!');
    world.settle();
    expect(got).toEqual(['before']);
  });

  it('leaves other hooks of the node alone', () => {
    const { me, hook, got } = scene();
    me.connect('.', 's', 'other', 'in2');
    hook.peer.queued = true;
    me.send('other', 'direct');
    expect(got).toEqual(['direct']);
  });

  it('delivers directly again when it is set back', () => {
    const { world, me, hook, got } = scene();
    hook.peer.queued = true;
    me.send('s', 'a');
    hook.peer.queued = false;
    me.send('s', 'b');
    expect(got).toEqual([]);
    world.settle();
    me.send('s', 'c');
    expect(got).toEqual(['a', 'b', 'c']);
  });

  it('forgets what waits when it goes', () => {
    const { world, me, hook, got, queued } = scene();
    me.connect('.', 's', 'other', 'in2');
    hook.peer.queued = true;
    me.send('s', 'a');
    me.node.graph.destroyHook(hook);
    world.settle();
    expect(got).toEqual([]);
    expect(queued()).toBe(0);
  });
});

describe('a node that is set to queue', () => {
  it('delivers everything later, frames and messages in one order', () => {
    const { world, me, sink, got } = scene();
    sink.queued = true;
    me.send('s', 'a');
    const outcomes: unknown[] = [];
    const message = me.control.toBinary('.', 'nodeinfo', '');
    me.control.socket.send('.:', message, (error) => outcomes.push(error));
    expect(got).toEqual(['a']);
    expect(outcomes).toEqual([undefined]);
    me.send('s', 'b');
    expect(got).toEqual(['a']);
    world.settle();
    expect(got).toEqual(['a', 'b']);
  });

  it('forgets what waits when it goes', () => {
    const { world, me, sink, got, queued } = scene();
    sink.queued = true;
    me.send('s', 'a');
    world.graph.removeNode(sink);
    world.settle();
    expect(got).toEqual([]);
    expect(queued()).toBe(0);
  });
});

describe('a jail that is removed', () => {
  it('takes along what waits in its queues', () => {
    const { world, got } = scene();
    const jail = world.jails.create('jail');
    const inside = new Program(world, jail.vnet);
    inside.mkpeer('.', 'sink', 's', 'in');
    inside.node.findHook('s')!.peer.queued = true;
    inside.send('s', 'a');
    world.jails.remove(jail);
    expect(world.settle()).toBe(true);
    expect(got).toEqual([]);
    expect(world.log).toEqual([]);
  });
});

describe('the room of all queues of a vnet', () => {
  it('has a bound, net.graph.maxdata: what does not fit is ENOBUFS, and counted', () => {
    const { world, me, hook, got, queued } = scene();
    world.vnets.sysctls.write(world.vnet0, 'net.graph.maxdata', 3);
    hook.peer.queued = true;
    expect(['a', 'b', 'c', 'd', 'e'].map((value) => me.send('s', value))).toEqual([
      0,
      0,
      0,
      'ENOBUFS',
      'ENOBUFS',
    ]);
    expect(dropsIn(world.vnets).queueFull).toBe(2);
    world.settle();
    expect(got).toEqual(['a', 'b', 'c']);
    expect(me.send('s', 'f')).toBe(0);
    expect(queued()).toBe(1);
  });

  it('is each vnet for itself', () => {
    const { world, me, hook } = scene();
    const inside = new Program(world, world.jails.create('jail').vnet);
    inside.mkpeer('.', 'sink', 's', 'in');
    inside.node.findHook('s')!.peer.queued = true;
    hook.peer.queued = true;
    world.vnets.sysctls.write(world.vnet0, 'net.graph.maxdata', 1);
    expect([me.send('s', 'a'), me.send('s', 'b')]).toEqual([0, 'ENOBUFS']);
    expect([inside.send('s', 'a'), inside.send('s', 'b')]).toEqual([0, 0]);
  });

  it('does not concern control messages, which are never lost', () => {
    const { world, me, hook } = scene();
    world.vnets.sysctls.write(world.vnet0, 'net.graph.maxdata', 0);
    hook.peer.queued = true;
    expect(hook.send(frame('lost'))).not.toBe(0);
    expect(me.msg('s', 'nodeinfo')).toContain('sink');
  });
});
