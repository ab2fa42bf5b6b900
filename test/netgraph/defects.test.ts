import { describe, expect, it } from 'vitest';
import { type Behaviour, defineNode, ExpiredFrame, Frame, graphScript } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

type Anything = Behaviour<Record<never, never>, string>;

const nothing = () => null;

/** What types from outside return, whose authors had no compiler to tell them. */
const answers: [string, () => unknown][] = [
  ['null', nothing],
  ['a promise', async () => 0],
  ['an object', () => ({})],
  ['an object with a peer', () => ({ peer: {} })],
  ['a function', () => () => 0],
  ['a string', () => '0'],
];

/** What they throw. */
const thrown: [string, () => never][] = [
  ['null', () => raise(null)],
  ['undefined', () => raise(undefined)],
  ['a symbol', () => raise(Symbol('x'))],
  ['an object without a text', () => raise(Object.create(null))],
];

function raise(what: unknown): never {
  throw what;
}

/** A program with a node of a type from outside at hook `n`, and a hub beside it. */
function scene(create: () => unknown) {
  const types = [defineNode({ type: 'outside', cookie: 92, create: create as () => Anything })];
  const world = simulatedWorld({ types });
  const me = new Program(world);
  me.mkpeer('.', 'hub', 'h1', 'h1');
  me.connect('.', 'h1', 'h2', 'h2');
  const mkpeer = () => me.refusal('.', 'mkpeer', '{ type="outside" ourhook="n" peerhook="x" }');
  /** Nothing of the defect is left: frames and messages pass, at once and queued, and nodes go. */
  const isWell = () => {
    world.settle();
    const { executor } = world.graph;
    expect(executor.depth).toBe(0);
    expect(me.node.hooks.map(({ name }) => name)).toEqual(['h1', 'h2']);
    expect([me.send('h1', 'x'), me.received()]).toEqual([0, ['h2:x']]);
    me.node.findHook('h1')!.peer.queued = true;
    expect(me.send('h1', 'queued')).toBe(0);
    world.settle();
    expect(me.received()).toEqual(['h2:queued']);
    expect(me.msg('h1', 'nodeinfo')).toContain('hub');
    expect(faults(world)).toEqual([]);
  };
  return { world, me, mkpeer, isWell };
}

describe.each([...answers, ...thrown.map(([what, run]) => [`a throw of ${what}`, run] as const)])(
  'a type whose code gives %s',
  (_, give) => {
    it('for a frame fails with it: EIO, and all others go on', () => {
      const { me, mkpeer, isWell } = scene(() => ({ receive: give }));
      mkpeer();
      expect(me.send('n', 'x')).toBe('EIO');
      isWell();
    });

    it('for a frame that another node passes on, too', () => {
      const { world, me, isWell } = scene(() => ({ receive: give }));
      me.msg('h1', 'mkpeer', '{ type="outside" ourhook="n" peerhook="x" }');
      me.send('h1', 'to all');
      expect(me.received()).toEqual(['h2:to all']);
      expect(world.log.filter((line) => line.includes('outside'))).toHaveLength(1);
      isWell();
    });

    it('for a frame from a queue, too', () => {
      const { me, mkpeer, isWell } = scene(() => ({ receive: give }));
      mkpeer();
      me.node.findHook('n')!.peer.queued = true;
      expect(me.send('n', 'x')).toBe(0);
      isWell();
    });

    it('for a frame as on a wire, too', () => {
      const { me, isWell } = scene(() => ({ receive: () => 0 }));
      const wire = defineNode({
        type: 'outside2',
        cookie: 93,
        frames: 'wire',
        create: () => ({ receive: give }) as Anything,
      });
      me.node.graph.addType(wire);
      me.mkpeer('.', 'outside2', 'n', 'x');
      const ready = new Frame(new Uint8Array(12 + 60), 12, 60, true);
      expect(me.node.findHook('n')!.send(ready)).toBe(5);
      isWell();
    });

    it('for a message, too', () => {
      const { me, mkpeer, isWell } = scene(() => ({ receive: () => 0, message: give }));
      mkpeer();
      expect(me.refusal('n', 'textstatus')).toBe(give === nothing ? 0 : 'EIO');
      me.msg('.', 'rmhook', '{ hook="n" }');
      isWell();
    });

    it('when it makes a node makes none: EIO', () => {
      const { me, mkpeer, isWell } = scene(give);
      expect(mkpeer()).toBe('EIO');
      expect(me.refusal('h1', 'mkpeer', '{ type="outside" ourhook="n" peerhook="x" }')).toBe('EIO');
      isWell();
    });
  },
);

describe.each(thrown)('a throw of %s', (_, raised) => {
  it('in any other code of a node costs that node alone', () => {
    const all = { newHook: raised, connect: raised, disconnect: raised, persists: raised, message: raised };
    for (const [name, code] of Object.entries({ ...all, close: raised, shutdown: raised })) {
      const { me, mkpeer, isWell } = scene(() => ({ receive: () => 0, [name]: code }));
      if (mkpeer() === 0) {
        me.refusal('n', 'textstatus');
        me.msg('.', 'rmhook', '{ hook="n" }');
      }
      isWell();
    }
  });

  it('while a type is loaded costs no node', () => {
    const { world, mkpeer, isWell } = scene(() => ({ receive: () => 0 }));
    Object.assign(world.env, { loadType: raised });
    expect(mkpeer()).toBe('EIO');
    isWell();
  });
});

describe('whoever asked and fails at the answer', () => {
  it('keeps nothing else from its turn', () => {
    const { world, me, isWell } = scene(() => ({ receive: () => 0 }));
    const hub = me.node.findHook('h1')!.peer.node;
    const ask = () =>
      me.control.socket.send('h1', me.control.toBinary('.', 'nodeinfo', ''), () => raise(new Error('asker')));
    ask();
    hub.queued = true;
    ask();
    hub.queued = false;
    world.settle();
    expect(world.log.map((line) => line.split('\n')[0])).toEqual([
      'the outcome of a message: Error: asker',
      'the outcome of a message: Error: asker',
    ]);
    isWell();
  });
});

describe('a node that cannot tell its settings', () => {
  it('is written down without them, and the others as they are', () => {
    const { world, me, mkpeer } = scene(() => ({
      receive: () => 0,
      persists: () => true,
      configuration: () => raise(new Error('not\nnow')),
    }));
    mkpeer();
    me.name('n', 'shy');
    me.msg('h1', 'setpersistent');
    expect(graphScript(world.graph, world.vnet0)).toEqual([
      'mkpeer . hub t1 link0',
      'msg .:t1 setpersistent',
      'rmhook . t1',
      '',
      'mkpeer . outside t1 link0',
      'name .:t1 shy',
      'rmhook . t1',
      '',
      '# shy (outside) is without its settings: telling them failed: "Error: not\\nnow"',
    ]);
  });
});

describe('a frame whose time is over (debug mode)', () => {
  /** A node that keeps its first frame and sends it when the next one arrives; `how` it does so. */
  const keeper = (how: 'frame' | 'timer') =>
    defineNode({
      type: 'keeper',
      cookie: 94,
      create({ node, env }) {
        let kept: Frame | undefined;
        const release = () => void node.findHook('out')?.send(kept!);
        return {
          receive(frame) {
            if (kept !== undefined) release();
            kept ??= frame;
            if (how === 'timer') env.clock.after(1, release);
            return 0;
          },
        };
      },
    });
  /** A node that sends on what it gets, without a look at it. */
  const relay = defineNode({
    type: 'relay',
    cookie: 95,
    create: ({ node }) => ({ receive: (frame) => node.findHook('out')!.send(frame) }),
  });
  const looker = defineNode({
    type: 'looker',
    cookie: 96,
    create: () => ({ receive: ({ bytes }) => bytes.length * 0 }),
  });

  it.each(['frame', 'timer'] as const)('costs who kept it its life, and no receiver: by a %s', (how) => {
    for (const queued of [false, true]) {
      const world = simulatedWorld({ types: [keeper(how), relay, looker] });
      const me = new Program(world);
      me.mkpeer('.', 'keeper', 'k', 'in');
      me.name('k', 'guilty');
      me.mkpeer('k', 'relay', 'out', 'in');
      me.mkpeer('k.out', 'looker', 'out', 'in');
      me.name('k.out', 'relay');
      me.name('k.out.out', 'looker');
      for (const name of ['relay', 'looker']) me.msg(`${name}:`, 'connect', link(name));
      world.graph.findNode(world.vnet0, 'looker')!.queued = queued;
      const first = new Frame(Buffer.from('first'));
      me.node.findHook('k')!.send(first);
      first.expire();
      if (how === 'timer') world.clock.advance(1);
      else expect(me.send('k', 'second')).toBe('EIO');
      world.settle();
      expect(world.log).toEqual([expect.stringContaining('node guilty: of type keeper failed: ')]);
      expect(world.log[0]).toContain('whoever keeps one must retain() it');
      const left = world.graph.nodes(world.vnet0).map(({ name }) => name);
      expect(left).toEqual(['', 'relay', 'looker']);
      expect(world.graph.executor.depth).toBe(0);
      expect(faults(world)).toEqual([]);
    }
  });

  it('may be a piece of another, and its bytes are of no use either', () => {
    let kept: { frame: Frame; bytes: Uint8Array } | undefined;
    const wire = defineNode({
      type: 'wire',
      cookie: 97,
      frames: 'wire',
      create: () => ({
        receive(frame) {
          kept ??= { frame, bytes: frame.view() };
          return kept.frame.length * 0;
        },
      }),
    });
    const world = simulatedWorld({ types: [wire], debug: true });
    const me = new Program(world);
    me.mkpeer('.', 'wire', 'n', 'x');
    const send = () => {
      const needsChecksum = Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0);
      const frame = new Frame(Uint8Array.of(...needsChecksum, ...new Uint8Array(60)), 12, 60, true);
      frame.shared = true;
      return me.node.findHook('n')!.send(frame);
    };
    expect([send(), kept!.bytes]).toEqual([0, new Uint8Array(60).fill(0xdb)]);
    expect(send()).toBe(5);
    expect(world.log[0]).toContain('of type wire failed: Error: a frame was used after its batch');
  });

  it('is that for each use of it', () => {
    const frame = new Frame(Buffer.from('frame'));
    frame.expire();
    for (const use of [() => frame.view(), () => frame.retain(), () => frame.writable(), () => frame.length])
      expect(use).toThrow(ExpiredFrame);
    expect(() => {
      frame.shared = true;
    }).toThrow(ExpiredFrame);
  });
});

/** Holds a node by a second hook, which is why it stays. */
const link = (name: string) => `{ path="[1]:" ourhook="held" peerhook="${name}" }`;
