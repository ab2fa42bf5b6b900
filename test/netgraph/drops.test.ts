import { describe, expect, it } from 'vitest';
import { defineNode, Frame, NgError, VNET_HEADER } from '../../src/netgraph/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { Gso, VirtioFlag, writeVirtio } from '../../src/wire/index.js';
import { Program } from '../support/program.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';

/** Does with a frame what its name says. */
const outside = (type: string, receive: (frame: Frame) => number | undefined, frames?: 'wire') =>
  defineNode({ type, cookie: 100 + type.length, frames, create: () => ({ receive }) });

const types = [
  outside('refuser', () => {
    throw new NgError('EPERM', 'not this one');
  }),
  outside('bomb', () => {
    throw new TypeError('defect');
  }),
  outside('wire', () => 0, 'wire'),
  defineNode({ type: 'mute', cookie: 120, create: () => ({ receive: {} }) }),
];

/** What a vnet has lost, by reason, as sysctl(8) shows it. */
function lost({ vnets }: SimulatedWorld, vnet: Vnet): Record<string, unknown> {
  const prefix = 'net.graph.drops.';
  const counters = vnets.sysctls.list().filter(({ name }) => name.startsWith(prefix));
  return Object.fromEntries(
    counters
      .map(({ name, read }) => [name.slice(prefix.length), read(vnet)] as const)
      .filter(([, count]) => count !== 0),
  );
}

function scene() {
  const world = simulatedWorld({ types });
  const me = new Program(world);
  /** Sends a frame to a new node. */
  const sendTo = (type: string, hook = 'x') => {
    me.mkpeer('.', type, 'n', hook);
    return me.send('n', 'frame');
  };
  return { world, me, sendTo, drops: () => lost(world, world.vnet0) };
}

type Scene = ReturnType<typeof scene>;

const ways: [string, Record<string, number>, (scene: Scene) => void][] = [
  ['for a hub without another hook', { nohook: 1 }, ({ sendTo }) => sendTo('hub')],
  ['for a tee without another side', { nohook: 1 }, ({ sendTo }) => sendTo('tee', 'left')],
  ['for a wormhole without a far side', { nohook: 1 }, ({ sendTo }) => sendTo('wormhole', 'evthorizon')],
  ['for a hook that a type has no code for', { nohook: 1 }, ({ sendTo }) => sendTo('mute')],
  [
    'by a hook that is gone',
    { nohook: 1 },
    ({ me }) => {
      me.mkpeer('.', 'hole', 'n', 'x');
      const hook = me.node.findHook('n')!;
      me.msg('.', 'rmhook', '{ hook="n" }');
      hook.send(new Frame(new Uint8Array(60)));
    },
  ],
  [
    'in the queue of a node that goes',
    { gone: 1 },
    ({ me }) => {
      me.mkpeer('.', 'hole', 'n', 'x');
      const { node } = me.node.findHook('n')!.peer;
      node.queued = true;
      me.send('n', 'frame');
      node.graph.removeNode(node);
    },
  ],
  [
    'in the queue of a hook that goes',
    { gone: 1 },
    ({ world, me }) => {
      me.mkpeer('.', 'hole', 'n', 'x');
      me.connect('.', 'n', 'other', 'other');
      const { peer } = me.node.findHook('n')!;
      peer.queued = true;
      me.send('n', 'frame');
      world.graph.destroyHook(peer);
      world.settle();
    },
  ],
  [
    'when queues are full',
    { queuefull: 2 },
    ({ world, me }) => {
      world.vnets.sysctls.write(world.vnet0, 'net.graph.maxdata', 1);
      me.mkpeer('.', 'hole', 'n', 'x');
      me.node.findHook('n')!.peer.queued = true;
      for (let i = 0; i < 3; i++) me.send('n', 'frame');
    },
  ],
  [
    'with an offload header that makes no sense',
    { malformed: 1 },
    ({ me }) => {
      me.mkpeer('.', 'wire', 'n', 'x');
      const bytes = new Uint8Array(VNET_HEADER + 60).fill(0xff, 0, VNET_HEADER);
      me.node.findHook('n')!.send(new Frame(bytes, VNET_HEADER, 60, true));
    },
  ],
  ['when a node refuses it', { refused: 1 }, ({ sendTo }) => sendTo('refuser')],
  ["when a type's code fails", { handlerfailed: 1 }, ({ sendTo }) => sendTo('bomb')],
  [
    'for a socket node without a data socket',
    { noreader: 1 },
    ({ world, me }) => {
      const other = new Program(world);
      me.mkpeer('.', 'hub', 'n', 'x');
      world.graph.connect(other.node, 'in', me.node.findHook('n')!.peer.node, 'y');
      other.data.socket.close();
      me.send('n', 'frame');
    },
  ],
  [
    'for a program that does not read',
    { unread: 1 },
    ({ me }) => {
      me.mkpeer('.', 'hub', 'n', 'x');
      me.connect('.', 'n', 'm', 'y');
      me.data.socket.owner.data = () => 55;
      me.send('n', 'frame');
    },
  ],
];

describe('a frame that is lost', () => {
  it.each(ways)('%s is counted once, by reason', (_, expected, lose) => {
    const one = scene();
    lose(one);
    expect(one.drops()).toEqual(expected);
  });

  it('is counted in the vnet where it was', () => {
    const { world, me, drops } = scene();
    const jail = world.jails.create('jail');
    me.mkpeer('.', 'wormhole', 'n', 'evthorizon');
    me.msg('n', 'open', '"jail"');
    me.send('n', 'frame');
    expect([drops(), lost(world, jail.vnet)]).toEqual([{}, { nohook: 1 }]);
  });

  it('cannot be wished away', () => {
    const { world } = scene();
    const { sysctls } = world.vnets;
    expect(() => sysctls.write(world.vnet0, 'net.graph.drops.nohook', 0)).toThrow('read-only');
  });

  it('among the pieces of another is not forgotten for the last one', () => {
    let left = 0;
    const picky = outside('picky', () => (left-- > 0 ? undefined : 0), 'wire');
    const world = simulatedWorld({ types: [picky] });
    const me = new Program(world);
    me.mkpeer('.', 'picky', 'n', 'x');
    left = 2;
    expect(me.node.findHook('n')!.send(segments(3))).toBe(50);
    expect([left, lost(world, world.vnet0)]).toEqual([-1, { nohook: 2 }]);
  });
});

/** A UDP segment to be cut into so many datagrams of 8 octets. */
function segments(count: number): Frame {
  const length = 42 + 8 * count;
  const bytes = new Uint8Array(VNET_HEADER + length);
  const view = new DataView(bytes.buffer);
  const checksum = { flags: VirtioFlag.needsChecksum, csumStart: 34, csumOffset: 6 };
  writeVirtio(bytes, 0, { ...checksum, gsoType: Gso.udpSegment, gsoSize: 8 });
  view.setUint16(VNET_HEADER + 12, 0x0800);
  bytes.set([0x45, 0, 0, length - 14, 0, 0, 0, 0, 64, 17], VNET_HEADER + 14);
  view.setUint16(VNET_HEADER + 38, length - 34);
  return new Frame(bytes, VNET_HEADER, length, true);
}
