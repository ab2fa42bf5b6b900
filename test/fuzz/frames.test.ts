import fc from 'fast-check';
import { expect, it, describe as suite } from 'vitest';
import {
  dropsIn,
  errnoName,
  type Hook,
  Message,
  type MessageSpec,
  type Node,
  type NodeType,
  VNET_HEADER,
} from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { describe } from '../../src/wire/describe.js';
import { isWireReady, segment } from '../../src/wire/index.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';
import { frame } from './frame.js';
import { byteMutation, fuzz, oddNames, TIMEOUT } from './support.js';

/** Names by which hooks are tried where a type does not say which it takes. */
const guesses = ['x', 'link1', 'many0', 'in', 'out', 'left', 'right', 'upper', 'lower', 'iface'];
// By `jid=` others tell that a hook leads out of its vnet.
guesses.push(...oddNames.filter((name) => !name.startsWith('jid=')));

interface Arena {
  world: SimulatedWorld;
  me: Program;
  node: Node;
  /** Hooks that lead to the node. */
  into: Hook[];
}

/** One node of a type with all the hooks that it takes, each of them joined to a program. */
function arena(type: NodeType): Arena {
  const world = simulatedWorld();
  const jail = world.jails.create('jail');
  const me = new Program(world);
  const node =
    type.type === 'socket' ? new Program(world).node : world.graph.makeNode(world.vnet0, type.type);
  const path = `[${node.id.toString(16)}]:`;
  // A name keeps alive what is to lose its hooks.
  world.graph.nameNode(node, 'subject');
  let count = 0;
  for (const name of type.hooks ?? guesses) {
    try {
      world.graph.connect(me.node, `h${count++}`, node, name);
    } catch (error) {
      expect(error).toHaveProperty('errno');
    }
  }
  if (type.type === 'wormhole') {
    me.msg(path, 'open', `"${jail.name}"`);
    // The far side has a program of its own, which sends, too.
    const far = node.findHook(`jid=${jail.id}`)!.peer.node;
    const inside = new Program(world, jail.vnet);
    world.graph.connect(inside.node, 'far', far, 'evthorizon');
    return { world, me, node, into: [...me.node.hooks, ...inside.node.hooks] };
  }
  return { world, me, node, into: [...me.node.hooks] };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const known = (error: unknown): boolean => error === 0 || errnoName(error as number) !== undefined;

function expectHealthy({ world }: Arena): void {
  world.settle();
  expect(world.log).toEqual([]);
  expect(dropsIn(world.vnets).handlerFailed).toBe(0);
  expect(world.graph.executor.depth).toBe(0);
  expect(faults(world)).toEqual([]);
}

suite.each([...nodeTypes])('type %s', { timeout: TIMEOUT }, (_name, type) => {
  it('survives any frame through any hook of any name', () => {
    let subject = arena(type);
    let sent = 0;
    fuzz(fc.tuple(frame, fc.nat(), fc.boolean()), 1500, ([one, which, shared]) => {
      const { into } = subject;
      if (into.length === 0) return;
      one.shared = shared;
      const before = one.view().slice();
      const error = into[which % into.length].send(one);
      sent++;
      if (!known(error)) throw new Error(`sending gave ${String(error)}`);
      if (shared && !same(one.view(), before)) throw new Error('written to, though shared');
      if (dropsIn(subject.world.vnets).handlerFailed > 0) {
        const { log } = subject.world;
        subject = arena(type);
        throw new Error(log.join('\n'));
      }
      if (sent % 500 === 0) expectHealthy(subject);
    });
    expectHealthy(subject);
    expect(subject.node.isValid).toBe(true);
  });

  it('survives frames between messages of any content', () => {
    const own = Object.values<MessageSpec>(type.messages);
    const command = fc.oneof(
      fc.constantFrom(...own.map(({ cmd }) => cmd), 1, 32, 33, 41),
      fc.nat(0xffffffff),
    );
    const step = fc.record({
      frame,
      which: fc.nat(),
      cmd: command,
      cookie: fc.constantFrom(type.cookie, type.cookie, 851672669, 0),
      args: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(...own.map(({ args }) => new Uint8Array(args?.size ?? 8)), new Uint8Array(0)),
      ),
      mutate: byteMutation,
    });
    fuzz(fc.array(step, { maxLength: 12 }), 120, (steps) => {
      const subject = arena(type);
      const { world, me, into } = subject;
      const path = `[${subject.node.id.toString(16)}]:`;
      for (const { frame, which, cmd, cookie, args, mutate } of steps) {
        sendMessage(me, which % 2 ? path : `.:h${which % 4}`, cookie, cmd, mutate(args));
        if (into.length > 0 && !known(into[which % into.length].send(frame))) throw new Error('no errno');
        world.clock.advance(which % 1_000_000);
        me.control.inbox.length = 0;
        me.data.inbox.length = 0;
      }
      expectHealthy(subject);
    });
  });
});

/** What becomes of it is the node's to say, as long as it says it by an errno. */
function sendMessage(me: Program, path: string, cookie: number, cmd: number, args: Uint8Array): void {
  me.control.socket.send(path, new Message(cookie, cmd, args), (error) => {
    if (error?.code === 'EIO') throw error;
  });
}

suite('the wire', { timeout: TIMEOUT }, () => {
  it('has a word for every frame', () => {
    fuzz(frame, 5000, ({ bytes, offset, length }) => {
      expect(describe(bytes, offset, length)).not.toMatch(/\n|NaN|undefined|length -/);
    });
  });

  it('cuts what can be cut, and the pieces are no more than the whole and its headers', () => {
    const cut = { whole: 0, cut: 0, malformed: 0 };
    fuzz(fc.tuple(frame, fc.boolean()), 5000, ([one, keep]) => {
      if (!one.offload) return;
      const before = one.bytes.slice();
      let octets = 0;
      let pieces = 0;
      const result = segment(
        one.bytes,
        one.offset,
        one.length,
        (bytes, offset, length) => {
          if (offset < VNET_HEADER || length < 14 || offset + length > bytes.length)
            throw new Error('out of bounds');
          if (!isWireReady(bytes, offset - VNET_HEADER)) throw new Error('not as on a wire');
          octets += length;
          pieces++;
        },
        keep,
      );
      cut[result]++;
      if ((keep || result !== 'whole') && !same(one.bytes, before)) throw new Error('written to');
      if (result === 'malformed') expect(pieces).toBe(0);
      else expect(octets).toBeGreaterThanOrEqual(one.length);
      expect(octets).toBeLessThanOrEqual(one.length + pieces * 2000);
    });
    expect(Math.min(cut.whole, cut.cut, cut.malformed)).toBeGreaterThan(20);
  });

  it('gives a type that wants frames so what the header says, or nothing when it lies', () => {
    const world = simulatedWorld();
    const [me, other] = [new Program(world), new Program(world)];
    const { inbox } = other.data;
    world.graph.connect(me.node, 'a', other.node, 'b');
    const hook = me.node.findHook('a')!;
    const seen = { whole: 0, cut: 0, malformed: 0 };
    fuzz(fc.tuple(frame, fc.boolean()), 5000, ([one, shared]) => {
      one.shared = shared;
      const pieces: string[] = [];
      const add = (bytes: Uint8Array, offset: number, length: number) =>
        pieces.push(hex(bytes.subarray(offset, offset + length)));
      const how = one.offload ? segment(one.bytes.slice(), one.offset, one.length, add, true) : undefined;
      if (how === undefined) add(one.bytes, one.offset, one.length);
      else seen[how]++;
      inbox.length = 0;
      const error = hook.send(one);
      expect(inbox.map(({ bytes }) => hex(bytes))).toEqual(pieces);
      expect(error === 0).toBe(how !== 'malformed');
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
    expect(dropsIn([world.vnet0]).malformed).toBe(seen.malformed);
  });
});
