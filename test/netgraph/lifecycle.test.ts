import { describe, expect, it } from 'vitest';
import {
  type Behaviour,
  defineNode,
  dropsIn,
  Frame,
  NgError,
  type NodeType,
} from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

type Make = Parameters<typeof defineNode>[0]['create'];

const type = (name: string, create: Make): NodeType => defineNode({ type: name, cookie: 82, create });

/** A world with one type, of which the program's hook `n` leads to a node by hook `x`. */
function withNode(create: Make) {
  const world = simulatedWorld({ types: [type('thing', create)] });
  const me = new Program(world);
  me.mkpeer('.', 'thing', 'n', 'x');
  me.name('n', 'thing');
  const { node } = me.node.findHook('n')!.peer;
  return { world, me, node, count: () => world.graph.count(world.vnet0) };
}

describe('a node', () => {
  it('goes with its last hook, unless its type says that it stays', () => {
    for (const persists of [false, true]) {
      const { me, count } = withNode(() => ({ receive: () => 0, persists: () => persists }));
      me.msg('.', 'rmhook', '{ hook="n" }');
      expect(count()).toBe(persists ? 2 : 1);
    }
  });

  it('is told to close while its hooks still work, so that it can say goodbye (preshutdown)', () => {
    const { me } = withNode(({ node }) => ({
      receive: () => 0,
      close: () => void node.hooks[0].send(new Frame(Buffer.from('goodbye'))),
    }));
    me.msg('thing:', 'shutdown');
    expect(me.received()).toEqual(['n:goodbye']);
  });

  it('loses all hooks before its shutdown, each with its own notice, newest first', () => {
    const calls: string[] = [];
    const { me } = withNode(({ node }) => ({
      receive: () => 0,
      close: () => void calls.push('close'),
      disconnect: ({ name }) => void calls.push(`disconnect ${name}`),
      shutdown: () => void calls.push(`shutdown with ${node.hooks.length} hooks`),
    }));
    me.connect('.', 'thing:', 'm', 'y');
    me.msg('thing:', 'shutdown');
    expect(calls).toEqual(['close', 'disconnect y', 'disconnect x', 'shutdown with 0 hooks']);
  });

  it('that is gone refuses messages, and frames for it are ENETDOWN', () => {
    const { world, me, node, count } = withNode(() => ({ receive: () => 0 }));
    const hook = me.node.findHook('n')!;
    me.msg('thing:', 'shutdown');
    expect(count()).toBe(1);
    expect(node.isValid).toBe(false);
    expect(hook.isValid).toBe(false);
    expect(hook.send(new Frame(Buffer.from('x')))).toBe(new NgError('ENETDOWN').errno);
    const outcomes: unknown[] = [];
    const message = me.control.toBinary('.', 'nodeinfo', '');
    world.graph.sendTo({ node, message, from: undefined, hook: undefined }, (e) => outcomes.push(e?.code));
    expect(outcomes).toEqual(['EINVAL']);
  });

  it('may ask for its own end from inside a handler', () => {
    const { me, count } = withNode(({ node }) => ({
      receive() {
        node.graph.removeNodeSoon(node);
        expect(node.isValid).toBe(true);
        return 0;
      },
    }));
    expect(me.send('n', 'go')).toBe(0);
    expect(count()).toBe(1);
    expect(me.node.hooks).toEqual([]);
  });

  it('is taken down once, whatever its own code asks for meanwhile', () => {
    const calls: string[] = [];
    const { world, me, node } = withNode(({ node: self }) => ({
      receive: () => 0,
      close: () => self.graph.removeNode(self),
      disconnect: () => self.graph.removeNodeSoon(self),
      shutdown: () => void calls.push('shutdown'),
    }));
    me.msg('thing:', 'shutdown');
    world.graph.removeNode(node);
    world.settle();
    expect(calls).toEqual(['shutdown']);
    expect(world.graph.types().map(({ type: { type }, nodes }) => [type, nodes])).toEqual([
      ['socket', 1],
      ['thing', 0],
    ]);
  });
});

describe('a persistent node', () => {
  const persistent: Make = ({ node }) => ({
    receive: () => 0,
    persists: () => true,
    shutdown: () => void node.revive(),
  });

  it('revives in its shutdown: it loses its hooks but keeps its ID and name (NG_NODE_REVIVE)', () => {
    const { me } = withNode(persistent);
    me.msg('thing:', 'shutdown');
    expect(me.msg('thing:', 'nodeinfo')).toBe('{ name="thing" type="thing" id=0x2 }');
    me.connect('.', 'thing:', 'again', 'x');
    expect(me.send('again', 'x')).toBe(0);
  });

  it('revived takes frames at once, whatever waited for it before', () => {
    const got: string[] = [];
    const { world, me, node } = withNode(({ node: self }) => ({
      receive: (frame) => {
        got.push(Buffer.from(frame.view()).toString());
        return 0;
      },
      shutdown: () => void self.revive(),
    }));
    node.queued = true;
    me.send('n', 'lost');
    world.graph.removeNode(node);
    node.queued = false;
    me.connect('.', 'thing:', 'again', 'x');
    me.send('again', 'new');
    expect(got).toEqual(['new']);
  });

  it('is told whether it may stay', () => {
    const answers: boolean[] = [];
    const { me, node } = withNode(({ node: self }) => ({
      receive: () => 0,
      shutdown: () => void answers.push(self.revive()),
    }));
    me.msg('thing:', 'shutdown');
    node.reallyDie = true;
    me.msg('thing:', 'shutdown');
    expect(answers).toEqual([true, false]);
  });

  it('goes when its code fails', () => {
    const { me, count } = withNode(({ node }) => ({
      receive() {
        throw new TypeError('defect');
      },
      shutdown: () => void node.revive(),
    }));
    expect(me.send('n', 'x')).toBe('EIO');
    expect(count()).toBe(1);
  });

  it('goes when it must (NGF_REALLY_DIE)', () => {
    const { world, node, count } = withNode(persistent);
    node.reallyDie = true;
    world.graph.removeNode(node);
    expect(count()).toBe(1);
  });

  it('goes with its vnet', () => {
    const { world } = withNode(persistent);
    const jail = world.jails.create('jail');
    const inside = new Program(world, jail.vnet);
    inside.mkpeer('.', 'thing', 'n', 'x');
    world.jails.remove(jail);
    expect(world.graph.types().map(({ nodes }) => nodes)).toEqual([1, 1]);
  });
});

describe('a defect in the code of a type', () => {
  const broken = (): never => {
    throw new TypeError('defect');
  };
  const make = (behaviour: Partial<Behaviour<Record<string, never>, string>>): Make => {
    return () => ({ receive: () => 0, ...behaviour });
  };

  it('in receiving a frame costs the node its life and nobody else: EIO', () => {
    const { world, me, count } = withNode(make({ receive: broken }));
    me.mkpeer('.', 'hub', 'h', 'x');
    expect(me.send('n', 'x')).toBe('EIO');
    expect(count()).toBe(2);
    expect(me.node.hooks.map(({ name }) => name)).toEqual(['h']);
    expect(world.log[0]).toContain('node thing: of type thing failed: TypeError: defect');
    expect(dropsIn(world.vnets).handlerFailed).toBe(1);
    expect(world.graph.executor.depth).toBe(0);
  });

  it('in handling a message does the same', () => {
    const { me, count } = withNode(make({ message: broken }));
    expect(me.refusal('n', 'textstatus')).toBe('EIO');
    expect(count()).toBe(1);
  });

  it('in taking a hook does not cost the node that asked for it', () => {
    const world = simulatedWorld({
      types: [type('bad1', make({ newHook: broken })), type('bad2', make({ connect: broken }))],
    });
    const me = new Program(world);
    for (const name of ['bad1', 'bad2'])
      expect(me.refusal('.', 'mkpeer', `{ type="${name}" ourhook="h" peerhook="x" }`)).toBe('EIO');
    expect(world.graph.count(world.vnet0)).toBe(1);
    expect(me.node.hooks).toEqual([]);
  });

  it('in taking a hook costs the node that has it, and leaves the other as it was', () => {
    let broke = false;
    const { world, me, count } = withNode(() => ({
      receive: () => 0,
      newHook() {
        if (broke) broken();
      },
    }));
    broke = true;
    expect(me.refusal('.', 'connect', '{ path="thing:" ourhook="a" peerhook="b" }')).toBe('EIO');
    expect(count()).toBe(1);
    expect(me.node.hooks).toEqual([]);
    expect(dropsIn(world.vnets).handlerFailed).toBe(1);
  });

  it('in being made makes no node: EIO', () => {
    const world = simulatedWorld({ types: [type('bad', broken)] });
    const me = new Program(world);
    expect(me.refusal('.', 'mkpeer', '{ type="bad" ourhook="h" peerhook="x" }')).toBe('EIO');
    expect(world.graph.count(world.vnet0)).toBe(1);
  });

  it('in taking leave of a hook, or of everything, keeps nothing from going', () => {
    const all = { disconnect: broken, persists: broken, close: broken, shutdown: broken };
    for (const command of ['shutdown', 'rmhook']) {
      const { world, me, count } = withNode(make(all));
      me.msg(command === 'shutdown' ? 'n' : '.', command, command === 'rmhook' ? '{ hook="n" }' : '');
      expect(count()).toBe(1);
      expect(me.node.hooks).toEqual([]);
      expect(world.log.length).toBeGreaterThan(0);
    }
  });

  it('in a timer costs its node', () => {
    const { world, count } = withNode(({ env }) => {
      env.clock.after(1000, broken);
      return { receive: () => 0 };
    });
    world.clock.advance(999);
    expect(count()).toBe(2);
    world.clock.advance(1);
    expect(count()).toBe(1);
  });
});

describe('timers of a node', () => {
  it('do not outlive it', () => {
    const fired: number[] = [];
    const { world, me } = withNode(({ env }) => {
      for (const at of [10, 20]) env.clock.after(at, () => fired.push(env.clock.now()));
      return { receive: () => 0 };
    });
    world.clock.advance(15);
    me.msg('n', 'shutdown');
    world.clock.advance(15);
    expect(fired).toEqual([10]);
  });

  it('can be stopped', () => {
    let fired = 0;
    const { world } = withNode(({ env }) => {
      const stop = env.clock.after(10, () => fired++);
      env.clock.after(5, stop);
      return { receive: () => 0 };
    });
    world.clock.advance(20);
    expect(fired).toBe(0);
  });
});
