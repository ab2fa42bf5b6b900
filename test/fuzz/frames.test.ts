import fc from 'fast-check';
import { expect, it, describe as suite } from 'vitest';
import {
  dropsIn,
  errnoName,
  Frame,
  type Hook,
  Message,
  type MessageSpec,
  type Node,
  type NodeType,
  VNET_HEADER,
} from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { describe } from '../../src/wire/describe.js';
import { isWireReady, segment, writeVirtio } from '../../src/wire/index.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';
import { buildFrame, type FrameShape } from '../wire/frames.js';
import { byteMutation, fuzz, oddNames, TIMEOUT } from './support.js';

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

const ipv4 = (protocol: number, ...more: number[]): number[] => [
  ...[...MACS, 8, 0, 0x45, 0, 0, 20 + more.length, 0, 1, 0, 0, 64, protocol, 0, 0],
  ...[10, 0, 0, 1, 10, 0, 0, 2, ...more],
];

/** Frames of the kinds that there are, as they should be. */
const plain: number[][] = [
  [...MACS, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
  ipv4(1, 8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4), // echo request
  ipv4(1, 3, 4, 0, 0, 0, 0, 5, 0xdc, ...ipv4(6, 0, 80, 0, 81).slice(14)), // fragmentation needed
  ipv4(2, 0x11, 0, 0, 0),
  ipv4(47, 0x30, 1, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 0, 0xff, 3, 0, 0x21),
  [...MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255, ...new Array(32).fill(0xfe), 135, 0, 0, 0, 0, 0, 0, 0],
  [...MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 44, 64, ...new Array(32).fill(1), 17, 0, 0, 1, 0, 0, 0, 9],
  [...MACS, 0x88, 0x63, 0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0],
  [...MACS, 0x88, 0x64, 0x11, 0, 0, 1, 0, 2, 0xc0, 0x21],
  [...MACS, 0x88, 0x09, 1, 1, 1, 20, ...new Array(40).fill(0)], // LACP
  [...MACS, 0, 3, 0x42, 0x42, 3],
];

const shape: fc.Arbitrary<FrameShape> = fc.record(
  {
    version: fc.constantFrom<4 | 6>(4, 6),
    protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
    vlans: fc.array(fc.constantFrom<[number, number]>([0x8100, 5], [0x88a8, 0xf0ff], [0x8100, 0]), {
      maxLength: 9,
    }),
    ipOptions: fc.constantFrom([], [1, 1, 1, 1], [7, 3, 4, 0]),
    extensions: fc.array(
      fc.constantFrom<'hop' | 'routing' | 'destination'>('hop', 'routing', 'destination'),
      {
        maxLength: 3,
      },
    ),
    tcpOptions: fc.constantFrom([], [1, 1, 1, 1], [2, 4, 5, 0xb4]),
    flags: fc.nat(255),
    payload: fc.constantFrom(0, 1, 7, 100, 1400, 3000).map((length) => new Array<number>(length).fill(0x61)),
    padding: fc.constantFrom(0, 6),
  },
  { requiredKeys: ['version', 'protocol', 'payload'] },
);

const small = fc.oneof(
  fc.nat(3),
  fc.nat(100),
  fc.nat(0xffff),
  fc.constantFrom(14, 34, 16, 6, 1448, 8, 0xffff),
);

/** An offload header: one that fits, one that might, or anything at all. */
const header = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant('fitting' as const), gsoSize: small, cut: fc.boolean() }),
  fc.record({
    kind: fc.constant('odd' as const),
    flags: fc.nat(7),
    gsoType: fc.constantFrom(0, 1, 3, 4, 5, 0x80, 0x81, 0x84, 6, 255),
    gsoSize: small,
    headerLength: small,
    csumStart: small,
    csumOffset: small,
    buffers: small,
  }),
  fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ minLength: 12, maxLength: 12 }) }),
);

/** A frame, with an offload header before it or without one. */
const frame = fc
  .record({
    built: fc.oneof(
      { weight: 6, arbitrary: shape },
      { weight: 3, arbitrary: fc.constantFrom(...plain) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
    ),
    mutate: byteMutation,
    header,
  })
  .map(({ built, mutate, header }) => {
    const base =
      'version' in built ? buildFrame(built, header === undefined ? 'complete' : 'partial') : undefined;
    const bytes = mutate(base === undefined ? (built as ArrayLike<number>) : base.bytes);
    if (header === undefined) return new Frame(bytes);
    const whole = new Uint8Array(VNET_HEADER + bytes.length);
    whole.set(bytes, VNET_HEADER);
    if (header.kind === 'bytes') whole.set(header.bytes);
    else if (header.kind === 'odd') writeVirtio(whole, 0, header);
    else if (base !== undefined && 'version' in built) {
      const tcp = built.protocol === 'tcp';
      writeVirtio(whole, 0, {
        flags: 1,
        gsoType: !header.cut ? 0 : tcp ? (built.version === 4 ? 1 : 4) : header.gsoSize % 2 ? 3 : 5,
        gsoSize: header.gsoSize,
        headerLength: base.data,
        csumStart: base.transport,
        csumOffset: tcp ? 16 : 6,
      });
    }
    return new Frame(whole, VNET_HEADER, bytes.length, true);
  });

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
});
