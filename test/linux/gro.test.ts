/** TCP segments that are written as fewer large ones: the stack behind the TAP makes the very same frames of them. */
import { expect, it } from 'vitest';
import type { TapDevice, TapHost } from '../../src/linux/index.js';
import { Frame, VNET_HEADER } from '../../src/netgraph/frame.js';
import { describeReal } from '../support/sandbox.js';
import { be16, be32, buildFrame, type FrameShape, random, slowSum, withVirtio } from '../wire/frames.js';
import { describeFrames, ip, ipJson, output, quiet, sandbox, until } from './root.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Behind each case comes this frame, of a protocol that nobody knows. */
const end = Buffer.concat([Buffer.from('02000000000202000000000188b5', 'hex'), Buffer.alloc(46)]);

/** A kernel bridge between `ta`, which takes large segments, and `tb`, for which they are cut again. */
class Bridge {
  readonly host: TapHost;
  readonly ta: TapDevice;
  private readonly tb: TapDevice;
  private readonly netns: string;
  private got: string[] = [];

  constructor(box: ReturnType<typeof sandbox>['box']) {
    this.host = box.host();
    const vnet = box.vnet();
    this.netns = box.netnsOf(vnet).name;
    const receive = (frame: Frame): void => {
      this.got.push(hex(frame.bytes.subarray(frame.offset, frame.offset + frame.length)));
    };
    this.ta = this.host.createEthernet(vnet, 'ta', quiet);
    this.tb = this.host.createEthernet(vnet, 'tb', { receive, gone() {} });
    this.tb.setOffloads(false);
    const calls = ['iptables', 'ip6tables', 'arptables'].map(
      (table) => `net.bridge.bridge-nf-call-${table}=0`,
    );
    ip('netns', 'exec', this.netns, 'sysctl', '-qew', 'net.ipv6.conf.default.disable_ipv6=1', ...calls);
    for (const tap of ['ta', 'tb'])
      ip('netns', 'exec', this.netns, 'sysctl', '-qw', `net.ipv6.conf.${tap}.disable_ipv6=1`);
    ip('-n', this.netns, 'link', 'add', 'bridge', 'type', 'bridge', 'mcast_snooping', '0');
    for (const tap of ['ta', 'tb'])
      ip('-n', this.netns, 'link', 'set', tap, 'master', 'bridge', 'mtu', '9000', 'up');
    ip('-n', this.netns, 'link', 'set', 'bridge', 'up');
  }

  /** Writes frames to `ta` at a time; returns what came out of `tb`. */
  async pass(frames: readonly (Uint8Array | Frame)[]): Promise<string[]> {
    await until(() => this.ta.up && this.tb.up);
    this.got = [];
    for (const frame of frames) this.ta.transmit(frame instanceof Frame ? frame : new Frame(frame));
    this.ta.transmit(new Frame(end));
    await until(() => this.got.at(-1) === hex(end));
    return this.got.slice(0, -1);
  }

  /** How many frames the kernel saw come in at `ta`. */
  written(): number {
    const [link] = ipJson('-s', '-n', this.netns, 'link', 'show', 'ta');
    return (link as { stats64: { rx: { packets: number } } }).stats64.rx.packets;
  }
}

type Change = (shape: FrameShape, index: number) => Partial<FrameShape>;

/** Segments of a flow, one of `sizes` bytes each; `change` makes some different. The last is pushed. */
function flow(sizes: readonly number[], shape: Partial<FrameShape> = {}, change: Change = () => ({})) {
  let sequence = shape.sequence ?? 0xffff_ff00;
  return sizes.map((size, index) => {
    const plain: FrameShape = {
      version: 4,
      protocol: 'tcp',
      flags: index === sizes.length - 1 ? 0x18 : 0x10,
      payload: Uint8Array.from({ length: size }, (_, at) => at * 7 + index),
      ...shape,
      identification: ((shape.identification ?? 0xfffd) + index) & 0xffff,
      sequence,
    };
    sequence = (sequence + size) >>> 0;
    return Uint8Array.from(buildFrame({ ...plain, ...change(plain, index) }).bytes);
  });
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const ten = [...times(9, 1000), 300];
const stamps = (value: number): number[] => [1, 1, 8, 10, ...be32(value), ...be32(99)];

/** Makes the checksums of a frame right again, whatever else was changed in it. */
function mend(frame: Uint8Array): void {
  const [ip, tcp, pseudo] = frame[12] === 8 ? [14, 34, 26] : [14, 54, 22];
  if (frame.length < tcp + 20) return;
  frame.set([0, 0], tcp + 16);
  const length = frame.length - tcp;
  const sum = slowSum(
    frame.subarray(tcp),
    slowSum([...frame.subarray(pseudo, tcp), ...be16(6), ...be16(length)]),
  );
  frame.set(be16(~sum & 0xffff), tcp + 16);
  if (tcp !== 34) return;
  frame.set([0, 0], ip + 10);
  frame.set(be16(~slowSum(frame.subarray(ip, tcp)) & 0xffff), ip + 10);
}

/** Does something to one of the frames. */
function changed(frames: Uint8Array[], index: number, change: (frame: Uint8Array) => void, sums = true) {
  change(frames[index]!);
  if (sums) mend(frames[index]!);
  return frames;
}

const set =
  (at: number, value: number) =>
  (frame: Uint8Array): void => {
    frame[at] = value;
  };

function swapped(frames: Uint8Array[], a: number, b: number): Uint8Array[] {
  [frames[a], frames[b]] = [frames[b]!, frames[a]!];
  return frames;
}

const interleaved = (a: Uint8Array[], b: Uint8Array[]): Uint8Array[] =>
  a.flatMap((frame, i) => [frame, b[i]!]);

/** A frame whose checksum at `field` comes to zero, which can be said in two ways: here the unusual one. */
function negativeZero(frame: Uint8Array, field: number, spare: number): void {
  frame.set([0, 0], spare);
  mend(frame);
  frame.copyWithin(spare, field, field + 2);
  mend(frame);
  expect([...frame.subarray(field, field + 2)]).toEqual([0, 0]);
  frame.set([0xff, 0xff], field);
}

/** What, how many writes it takes, the frames. */
const cases: [string, number, () => Uint8Array[]][] = [
  ['IPv4', 1, () => flow(ten)],
  ['IPv6', 1, () => flow(ten, { version: 6 })],
  ['timestamps', 1, () => flow(ten, { tcpOptions: stamps(5) })],
  ['all options there is room for', 1, () => flow(ten, { version: 6, tcpOptions: times(40, 1) })],
  ['a VLAN', 1, () => flow(ten, { vlans: [[0x8100, 7]] })],
  [
    'two VLANs',
    1,
    () =>
      flow(ten, {
        version: 6,
        vlans: [
          [0x88a8, 9],
          [0x8100, 7],
        ],
      }),
  ],
  [
    'three VLANs',
    10,
    () =>
      flow(ten, {
        vlans: [
          [0x88a8, 9],
          [0x8100, 7],
          [0x8100, 8],
        ],
      }),
  ],
  ['odd sizes', 1, () => flow([...times(20, 101), 3])],
  ['single bytes', 1, () => flow(times(20, 1))],
  ['two', 1, () => flow([1448, 1448])],
  ['one', 1, () => flow([1448])],
  ['more than 64 KiB', 2, () => flow(times(60, 1448))],
  ['more than 64 KiB, IPv6', 2, () => flow(times(60, 1448), { version: 6 })],
  ['exactly the largest packet', 1, () => flow(times(45, 1455).concat(20))],
  ['one byte more', 2, () => flow(times(45, 1455).concat(21))],
  ['more than 64 of them', 2, () => flow(times(100, 100))],
  ['a shorter one in between', 2, () => flow([500, 500, 400, 500, 500])],
  [
    'a gap behind a shorter one',
    2,
    () => flow([500, 500, 400, 500], {}, ({ sequence }, i) => (i === 3 ? { sequence: sequence! + 100 } : {})),
  ],
  ['a longer one', 2, () => flow([500, 500, 600, 600])],
  ['growing', 5, () => flow([100, 200, 300, 400, 500])],
  ['a push in between', 2, () => flow(ten, {}, (_, i) => (i === 4 ? { flags: 0x18 } : {}))],
  ['a push each', 10, () => flow(ten, { flags: 0x18 })],
  ['reordered', 4, () => swapped(flow(ten), 4, 5)],
  ['a gap', 2, () => flow(ten).filter((_, i) => i !== 4)],
  ['the same again', 2, () => flow(ten).flatMap((frame, i) => (i === 4 ? [frame, frame] : [frame]))],
  ['acknowledgments alone', 10, () => flow(times(10, 0))],
  ['later timestamps', 2, () => flow(ten, {}, (_, i) => ({ tcpOptions: stamps(i < 5 ? 1 : 2) }))],
  [
    'options that come to the same length',
    2,
    () => flow(ten, {}, (_, i) => ({ tcpOptions: times(4, i < 5 ? 0 : 1) })),
  ],
  ['options of another length', 2, () => flow(ten, {}, (_, i) => ({ tcpOptions: times(i < 5 ? 4 : 8, 1) }))],
  ['two flows, one after the other', 2, () => [...flow(ten), ...flow(ten, { sequence: 4 })]],
  [
    'two flows interleaved',
    20,
    () =>
      interleaved(
        flow(ten),
        flow(ten).map((f) => changed([f], 0, set(35, 9))[0]!),
      ),
  ],
  ['IPv4 and IPv6 interleaved', 20, () => interleaved(flow(ten), flow(ten, { version: 6 }))],
  ['a constant identification', 10, () => flow(ten, {}, () => ({ identification: 0 }))],
  ['IPv4 options', 10, () => flow(ten, { ipOptions: times(4, 1) })],
  ['IPv6 extension headers', 10, () => flow(ten, { version: 6, extensions: ['destination'] })],
  ['no version of IP', 10, () => flow(ten).map((frame) => changed([frame], 0, set(14, 0x55))[0]!)],
  ['another protocol', 10, () => flow(ten).map((frame) => changed([frame], 0, set(23, 132))[0]!)],
  [
    'another protocol, IPv6',
    10,
    () => flow(ten, { version: 6 }).map((frame) => changed([frame], 0, set(20, 132))[0]!),
  ],
  ['reserved bits in all', 10, () => flow(ten).map((frame) => changed([frame], 0, set(46, 0x51))[0]!)],
  ['congestion said by all', 10, () => flow(ten, { flags: 0x50 })],
  ['padding', 10, () => flow(ten, { padding: 4 })],
  ['UDP', 10, () => flow(ten, { protocol: 'udp' })],
  ['corrupted data', 3, () => changed(flow(ten), 4, set(900, 0x55), false)],
  ['corrupted data of the first', 2, () => changed(flow(ten), 0, set(900, 0x55), false)],
  ['corrupted data of the last', 2, () => changed(flow(ten), 9, set(200, 0x55), false)],
  ['corrupted data, IPv6', 3, () => changed(flow(ten, { version: 6 }), 4, set(900, 0x55), false)],
  ['a wrong checksum', 3, () => changed(flow(ten), 4, set(50, 0x55), false)],
  ['a wrong IPv4 checksum', 3, () => changed(flow(ten), 4, set(24, 0x55), false)],
  [
    'a checksum of negative zero',
    3,
    () => changed(flow(ten), 4, (frame) => negativeZero(frame, 50, 200), false),
  ],
  [
    'an IPv4 checksum of negative zero',
    10,
    () => flow(ten).map((frame) => changed([frame], 0, (bytes) => negativeZero(bytes, 24, 26), false)[0]!),
  ],
  ['fragments', 10, () => flow(ten).map((frame) => changed([frame], 0, set(20, 0x20))[0]!)],
  ['without "do not fragment"', 1, () => flow(ten).map((frame) => changed([frame], 0, set(20, 0))[0]!)],
  ...(
    [
      ['source', 11, 3],
      ['type of service', 15, 1],
      ['time to live', 22, 63],
      ['source address', 29, 9],
      ['destination address', 33, 9],
      ['source port', 35, 9],
      ['destination port', 37, 9],
      ['acknowledgment', 45, 9],
      ['reserved bits', 46, 0x51],
      ['FIN', 47, 0x11],
      ['SYN', 47, 0x12],
      ['RST', 47, 0x14],
      ['URG', 47, 0x30],
      ['ECE', 47, 0x50],
      ['CWR', 47, 0x90],
      ['no ACK', 47, 0],
      ['window', 49, 9],
      ['urgent pointer', 53, 9],
    ] as const
  ).map(([name, at, value]): [string, number, () => Uint8Array[]] => [
    `another ${name}`,
    3,
    () => changed(flow(ten), 4, set(at, value)),
  ]),
  ...(
    [
      ['traffic class', 15, 0x10],
      ['flow label', 17, 5],
      ['hop limit', 21, 63],
      ['address', 53, 9],
    ] as const
  ).map(([name, at, value]): [string, number, () => Uint8Array[]] => [
    `another ${name}, IPv6`,
    3,
    () => changed(flow(ten, { version: 6 }), 4, set(at, value)),
  ]),
];

describeFrames('segments, merged and cut again', (t) => {
  it('are the same frames, whatever they were, and merged when they can be', async () => {
    const bridge = new Bridge(t.box);
    for (const [name, writes, make] of cases) {
      const frames = make();
      const before = bridge.written();
      expect(await bridge.pass(frames), name).toEqual(frames.map(hex));
      expect(bridge.written() - before - 1, `${name}: writes`).toBe(writes);
    }
    const { txFrames, txOctets, dropInvalid } = bridge.ta.counters;
    const all = cases.flatMap(([, , make]) => [...make(), end]);
    const octets = all.reduce((sum, { length }) => sum + length, 0);
    expect([txFrames, txOctets, dropInvalid]).toEqual([all.length, octets, 0]);
  });

  it('are left alone where the stack takes none, or has something left to do', async () => {
    const bridge = new Bridge(t.box);
    const shape: FrameShape = { version: 6, protocol: 'tcp', flags: 0x10, payload: new Uint8Array(2000) };
    const cut = flow(times(4, 1000), {
      sequence: 0,
      version: 6,
      flags: 0x10,
      payload: new Uint8Array(1000),
    });
    let before: number;
    for (const sum of ['partial', 'complete'] as const) {
      const offloaded = [0, 1].map((i) => {
        const bytes = withVirtio(
          {
            flags: sum === 'partial' ? 1 : 0,
            gsoType: 4,
            gsoSize: 1000,
            headerLength: 74,
            csumStart: 54,
            csumOffset: 16,
          },
          buildFrame({ ...shape, sequence: 2000 * i }, sum).bytes,
        );
        return new Frame(bytes, VNET_HEADER, bytes.length - VNET_HEADER, true);
      });
      before = bridge.written();
      expect(await bridge.pass(offloaded)).toEqual(cut.map(hex));
      expect(bridge.written() - before).toBe(3);
    }
    for (const [on, writes] of [
      [false, 10],
      [true, 1],
    ] as const) {
      bridge.ta.setOffloads(on);
      before = bridge.written();
      expect(await bridge.pass(flow(ten))).toEqual(flow(ten).map(hex));
      expect(bridge.written() - before - 1).toBe(writes);
    }
  });

  it('changed at random are what they are unmerged', async () => {
    const bridge = new Bridge(t.box);
    const next = random(Number(process.env.SEED ?? 1));
    const before = bridge.written();
    let sent = 0;
    for (let round = 0; round < 300; round++) {
      const frames: Uint8Array[] = [];
      for (let flows = 1 + next(3); flows > 0; flows--) {
        const size = 1 + next(next(2) === 0 ? 1400 : 60);
        const version = next(2) === 0 ? 4 : 6;
        const tcpOptions = times(4 * next(4), 1);
        const sizes = times(2 + next(10), size).concat(1 + next(size));
        frames.push(
          ...flow(sizes, { version, tcpOptions, sequence: next(2 ** 32), identification: next(65536) }),
        );
      }
      for (let changes = next(4); changes > 0; changes--) {
        const frame = frames[next(frames.length)]!;
        // Not the addresses of Ethernet: what the bridge learned from one case would count in the next.
        const at = 12 + next(Math.min(next(3) === 0 ? frame.length : 80, frame.length) - 12);
        if (next(2) === 0) frame[at]! ^= 1 << next(8);
        else frame[at] = next(256);
        if (next(3) > 0) mend(frame);
        if (next(4) === 0) swapped(frames, next(frames.length), next(frames.length));
      }
      sent += frames.length;
      bridge.ta.setOffloads(true);
      const merged = await bridge.pass(frames);
      bridge.ta.setOffloads(false);
      expect(merged, `round ${round}`).toEqual(await bridge.pass(frames));
    }
    const [written, alone] = [bridge.written() - before, sent + 2 * 300];
    expect(written - alone).toBeLessThan(sent / 3);
  });

  it('are counted one by one when they are dropped', async () => {
    const bridge = new Bridge(t.box);
    await bridge.pass([]);
    const { txFrames, txOctets } = bridge.ta.counters;
    ip('-n', t.box.netnsOf(bridge.ta.vnet).name, 'link', 'set', 'ta', 'down'); // synchronous: no news can come in
    for (const frame of flow(ten)) bridge.ta.transmit(new Frame(frame));
    bridge.host.flush();
    expect(bridge.ta.counters).toMatchObject({ txFrames, txOctets, dropDown: 10, dropInvalid: 0 });
  });
});

const server = `
import socket, sys, hashlib
s = socket.create_server((sys.argv[1], 5000), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
c = s.accept()[0]; h = hashlib.sha1(); n = 0
while d := c.recv(1 << 20): h.update(d); n += len(d)
print(n, h.hexdigest())`;
const client = `
import socket, sys, hashlib, random
d = random.Random(7).randbytes(1 << 20); h = hashlib.sha1(); c = socket.create_connection((sys.argv[1], 5000))
for i in range(32): c.sendall(d); h.update(d)
c.close(); print(32 << 20, h.hexdigest())`;

describeReal('a stream from an interface without offloads to one with', () => {
  const t = sandbox();

  it.each(['10.9.0.2', 'fd00::2'])('arrives unharmed, in fewer frames: %s', async (address) => {
    let [frames, damaged] = [0, 0];
    const { names, devices } = await t.box.pair({}, (frame) => {
      // Now and then the wire harms one: its checksum has to say so.
      if (frame.length > 1000 && frame.length < 2000 && ++frames % 1000 === 0) {
        frame.bytes[frame.offset + 700]! ^= 0x10;
        damaged++;
      }
    });
    devices[0]!.setOffloads(false);
    names.forEach((name, i) => {
      ip('-n', name, 'addr', 'add', `fd00::${i + 1}/64`, 'dev', 'e0', 'nodad');
    });
    const listener = t.box.spawn('ip', 'netns', 'exec', names[1]!, 'python3', '-c', server, address);
    const received = output(listener, 'server');
    await new Promise((resolve) => listener.stdout!.once('data', resolve));
    const sent = await t.box.run(names[0]!, 'python3', '-c', client, address);
    expect(await received).toBe(`ready\n${sent}`);
    expect(damaged).toBeGreaterThan(10);
    const [a, b] = devices.map(({ counters }) => counters);
    expect(b).toMatchObject({ txFrames: a!.rxFrames, txOctets: a!.rxOctets });
    const [link] = ipJson('-s', '-n', names[1]!, 'link', 'show', 'e0');
    expect((link as { stats64: { rx: { packets: number } } }).stats64.rx.packets).toBeLessThan(
      a!.rxFrames / 2,
    );
  });
});
