import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { segment } from '../../src/wire/segment.js';
import { Gso, VIRTIO_HEADER } from '../../src/wire/virtio.js';
import { whyNotReal } from '../support/sandbox.js';
import { buildFrame, buildSegment, type FrameShape, random, withVirtio } from '../wire/frames.js';

/**
 * A namespace of its own with a kernel bridge between two TAPs: `ta` takes frames with an offload header, `tb`
 * has no offloads, so the kernel does in software what the header asks for. In Python, so that neither the addon nor
 * anything else of ours stands between the kernel and the comparison. br_netfilter is off: it trims padding.
 */
const kernel = `
import ctypes, fcntl, os, select, struct, subprocess, sys
if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0: sys.exit('unshare failed')
def sh(line): subprocess.run(line, shell=True, check=True)
def tap(name, flags):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', name, flags))
    return fd
sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1')
sh('for i in iptables ip6tables arptables; do sysctl -qw net.bridge.bridge-nf-call-$i=0; done')
ta, tb = tap(b'ta', 0x5002), tap(b'tb', 0x1002)
fcntl.ioctl(ta, 0x400454d8, struct.pack('i', 12))
fcntl.ioctl(tb, 0x400454d0, 0)
sh('ip link add br0 type bridge mcast_snooping 0 && ip link set ta master br0 && ip link set tb master br0')
sh('for i in ta tb br0; do ip link set $i mtu 65521 txqueuelen 70000 up; done')
end = bytes.fromhex('02000000000202000000000188b5') + b'end' + bytes(43)
source, out = sys.stdin.buffer, sys.stdout.buffer
while head := source.read(4):
    frame = source.read(struct.unpack('<I', head)[0])
    error, frames = 0, []
    try: os.write(ta, frame)
    except OSError as e: error = e.errno
    os.write(ta, bytes(12) + end)
    while True:
        if not select.select([tb], [], [], 5)[0]: sys.exit('the frame that ends a case was lost')
        got = os.read(tb, 200000)
        if got == end: break
        frames.append(got)
    out.write(struct.pack('<iI', error, len(frames)))
    for got in frames: out.write(struct.pack('<I', len(got)) + got)
`;

interface Outcome {
  /** What write(2) said, 0 for nothing. */
  errno: number;
  frames: Uint8Array[];
}

function readOutcomes(bytes: Uint8Array): Outcome[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const outcomes: Outcome[] = [];
  let at = 0;
  while (at < bytes.length) {
    const frames: Uint8Array[] = [];
    const errno = view.getInt32(at, true);
    const count = view.getUint32(at + 4, true);
    at += 8;
    for (let index = 0; index < count; index++) {
      const length = view.getUint32(at, true);
      frames.push(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    outcomes.push({ errno, frames });
  }
  return outcomes;
}

/** What the kernel makes of each frame, which begins with its offload header. */
function byKernel(cases: readonly Uint8Array[]): Outcome[] {
  const input = cases.flatMap((frame) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(frame.length);
    return [length, Buffer.from(frame)];
  });
  const options = { input: Buffer.concat(input), maxBuffer: 2 ** 30 };
  const { status, stdout, stderr } = spawnSync('python3', ['-c', kernel], options);
  if (status !== 0) throw new Error(`the kernel helper failed: ${stderr}`);
  return readOutcomes(stdout);
}

function byUs(frame: Uint8Array): { result: string; frames: Uint8Array[] } {
  const frames: Uint8Array[] = [];
  const emit = (bytes: Uint8Array, offset: number, length: number) => {
    frames.push(bytes.slice(offset, offset + length));
  };
  const result = segment(frame.slice(), VIRTIO_HEADER, frame.length - VIRTIO_HEADER, emit);
  return { result, frames };
}

/** IPv6 fragments carry a random number, ours a hash: both go before comparing. */
function withoutIdentification(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  let at = 14;
  while (copy[at - 2] === 0x81 || copy[at - 2] === 0x88) at += 4;
  if (copy[at] >>> 4 === 6 && copy[at + 6] === 44) copy.fill(0, at + 44, at + 48);
  return copy;
}

const hex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex');

interface Case {
  name: string;
  bytes: Uint8Array;
}

/** Compares all cases of a family in one go, for starting the helper costs more than a thousand frames. */
function compare(cases: readonly Case[], expected: readonly string[]): void {
  const outcomes = byKernel(cases.map(({ bytes }) => bytes));
  expect(outcomes.length).toBe(cases.length);
  const seen = new Set<string>();
  outcomes.forEach((kernels, index) => {
    const { name, bytes } = cases[index];
    const ours = byUs(bytes);
    seen.add(ours.result);
    expect(kernels.errno === 0 || ours.result === 'malformed', `${name}: errno ${kernels.errno}`).toBe(true);
    expect(ours.frames.length, name).toBe(kernels.frames.length);
    kernels.frames.forEach((frame, piece) => {
      const same = hex(withoutIdentification(ours.frames[piece])) === hex(withoutIdentification(frame));
      if (!same) expect(hex(ours.frames[piece]), `${name}, piece ${piece}`).toBe(hex(frame));
    });
  });
  // A family that never does what it is there for would pass all the same.
  expect([...seen]).toEqual(expect.arrayContaining([...expected]));
}

type Vary = (draw: (below: number) => number) => Partial<FrameShape>;

const nothing: Vary = () => ({});
const options = (draw: (below: number) => number, words: number): number[] =>
  new Array<number>(4 * draw(words + 1)).fill(1);
const tcpOptions: Vary = (draw) => ({ tcpOptions: options(draw, 10), ipOptions: options(draw, 10) });
const tagged: Vary = (draw) => ({ vlans: [[0x8100, draw(65536)]], tcpOptions: options(draw, 3) });
const doubleTagged: Vary = (draw) => ({
  vlans: [
    [0x88a8, draw(65536)],
    [0x8100, draw(65536)],
  ],
});
const extensions: Vary = (draw) => ({
  extensions: (['hop', 'routing', 'destination'] as const).filter(() => draw(2) === 1),
});

interface Family {
  name: string;
  version: 4 | 6;
  protocol: 'tcp' | 'udp';
  gso: number;
  vary: Vary;
  /** How to draw the size of the pieces; any by default. */
  size?: (draw: (below: number) => number) => number;
  /** The sender left no partial checksum. */
  whole?: boolean;
}

const anySize = (draw: (below: number) => number): number => (draw(8) === 0 ? 1 : 400) + draw(1100);
const eights = (draw: (below: number) => number): number => 8 * (1 + draw(190));

const families: Family[] = [
  { name: 'TCP over IPv4', version: 4, protocol: 'tcp', gso: Gso.tcp4, vary: nothing },
  { name: 'TCP over IPv4 with options', version: 4, protocol: 'tcp', gso: Gso.tcp4, vary: tcpOptions },
  { name: 'TCP over IPv4 in a VLAN', version: 4, protocol: 'tcp', gso: Gso.tcp4, vary: tagged },
  { name: 'TCP over IPv4 in two VLANs', version: 4, protocol: 'tcp', gso: Gso.tcp4, vary: doubleTagged },
  { name: 'TCP over IPv4 with ECN', version: 4, protocol: 'tcp', gso: Gso.tcp4 | Gso.ecn, vary: tcpOptions },
  { name: 'TCP over IPv4, no checksum yet', version: 4, protocol: 'tcp', gso: 1, vary: nothing, whole: true },
  { name: 'TCP over IPv6', version: 6, protocol: 'tcp', gso: Gso.tcp6, vary: tcpOptions },
  {
    name: 'TCP over IPv6 with extension headers',
    version: 6,
    protocol: 'tcp',
    gso: Gso.tcp6,
    vary: extensions,
  },
  { name: 'TCP over IPv6 in a VLAN', version: 6, protocol: 'tcp', gso: Gso.tcp6, vary: tagged },
  { name: 'TCP over IPv6 with ECN', version: 6, protocol: 'tcp', gso: Gso.tcp6 | Gso.ecn, vary: nothing },
  { name: 'TCP over IPv6, no checksum yet', version: 6, protocol: 'tcp', gso: 4, vary: nothing, whole: true },
  { name: 'UDP datagrams over IPv4', version: 4, protocol: 'udp', gso: Gso.udpSegment, vary: tcpOptions },
  { name: 'UDP datagrams over IPv6', version: 6, protocol: 'udp', gso: Gso.udpSegment, vary: extensions },
  {
    name: 'UDP datagrams in two VLANs',
    version: 6,
    protocol: 'udp',
    gso: Gso.udpSegment,
    vary: doubleTagged,
  },
  { name: 'UDP fragments over IPv4', version: 4, protocol: 'udp', gso: 3, vary: tcpOptions, size: eights },
  {
    name: 'UDP fragments over IPv4, no checksum',
    version: 4,
    protocol: 'udp',
    gso: 3,
    vary: tagged,
    size: eights,
    whole: true,
  },
  { name: 'UDP fragments over IPv6', version: 6, protocol: 'udp', gso: 3, vary: doubleTagged, size: eights },
];

const ROUNDS = 100;

/** A segment that is longer than a piece, or in one of eight rounds as short as can be. */
function draw(family: Family, seed: number): Case {
  const next = random(seed);
  const size = (family.size ?? anySize)(next);
  const most = family.gso === Gso.udpSegment ? size * 128 : Math.min(60_000, size * 400);
  // Where a segment is too short to be cut, Linux guesses the length of its headers, and drops it when the guess
  // was wrong (virtio_net_hdr_to_skb). We look and send it, so such lengths are not drawn.
  const short = !family.whole && (family.protocol === 'udp' || family.gso === Gso.tcp4);
  const count = next(8) === 0 && short ? next(Math.max(1, size - 100)) : size + 1 + next(most - size);
  const payload = Uint8Array.from({ length: count }, () => next(256));
  const shape: FrameShape = {
    version: family.version,
    protocol: family.protocol,
    identification: next(65536),
    sequence: 0xffff_f000 + next(4096),
    flags: next(256),
    payload,
    ...family.vary(next),
  };
  const bytes = buildSegment(shape, family.gso, size);
  if (family.whole) bytes[0] = 0;
  return { name: `${family.name}, seed ${seed}, ${count} bytes in pieces of ${size}`, bytes };
}

/** A frame with nothing but a partial checksum. */
function partialOnly(seed: number): Case {
  const next = random(seed);
  const payload = Uint8Array.from({ length: next(3000) }, () => next(256));
  const version = next(2) === 0 ? 4 : 6;
  const protocol = next(2) === 0 ? 'tcp' : 'udp';
  const vary = [tcpOptions, tagged, doubleTagged][next(3)](next);
  const shape: FrameShape = { version, protocol, payload, padding: next(4) * next(10), ...vary };
  const { bytes, transport } = buildFrame(shape, 'partial');
  const header = { flags: 1, csumStart: transport, csumOffset: protocol === 'tcp' ? 16 : 6 };
  return { name: `partial checksum, seed ${seed}`, bytes: withVirtio(header, bytes) };
}

/** Changes the first two bytes of data so that the first piece's checksum comes to zero. */
function withZeroSum(bytes: Uint8Array, data: number, field: number): Uint8Array {
  bytes.fill(0, VIRTIO_HEADER + data, VIRTIO_HEADER + data + 2);
  const [first] = byUs(bytes).frames;
  bytes.set(first.subarray(field, field + 2), VIRTIO_HEADER + data);
  return bytes;
}

function zeroSums(): Case[] {
  const payload = new Uint8Array(300).fill(7);
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const shape: FrameShape = { version: 4, protocol, payload };
    const { bytes, transport, data } = buildFrame(shape, 'partial');
    const csumOffset = protocol === 'tcp' ? 16 : 6;
    const field = transport + csumOffset;
    const alone = withVirtio({ flags: 1, csumStart: transport, csumOffset }, bytes);
    const segment = buildSegment(shape, protocol === 'tcp' ? Gso.tcp4 : Gso.udpSegment, 100);
    return [
      { name: `${protocol}, checksum zero`, bytes: withZeroSum(alone, data, field) },
      { name: `${protocol}, checksum of a piece zero`, bytes: withZeroSum(segment, data, field) },
    ];
  });
}

/** Offload headers that make no sense: the kernel drops these, too. */
function nonsense(): Case[] {
  const shape: FrameShape = { version: 4, protocol: 'udp', payload: new Uint8Array(3000) };
  const change = (name: string, at: number, value: number, gso: number = Gso.udpSegment): Case => {
    const bytes = buildSegment(shape, gso, 1000);
    bytes[at] = value;
    return { name, bytes };
  };
  return [
    change('UDP segment that says it is TCP', 1, Gso.tcp4),
    change('unknown type', 1, 2),
    change('ECN alone', 1, Gso.ecn),
    change('UDP segment with ECN', 1, Gso.udpSegment | Gso.ecn),
    change('UDP segment without a partial checksum', 0, 0),
    change('checksum field elsewhere', 8, 4),
    change('checksum starts elsewhere', 6, 36),
    change('checksum past the end', 7, 255),
    change('headers longer than the frame', 3, 255),
    change('no IP', VIRTIO_HEADER + 12, 0x77),
    change('IPv4 header too short', VIRTIO_HEADER + 14, 0x44),
    { name: 'no size', bytes: buildSegment(shape, Gso.udpSegment, 0) },
    { name: 'size of GSO_BY_FRAGS', bytes: buildSegment(shape, Gso.udpSegment, 0xffff) },
    { name: 'more than 128 datagrams', bytes: buildSegment(shape, Gso.udpSegment, 23) },
  ];
}

const python = spawnSync('python3', ['--version']).status === 0;
const why = whyNotReal ?? (python ? undefined : 'no python3');
const title = 'segment, against the kernel';

describe.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, () => {
  it.each(families)(
    '$name',
    (family) => {
      const cases = Array.from({ length: ROUNDS }, (_, seed) => draw(family, seed));
      compare(cases, ['cut']);
    },
    30_000,
  );

  it('a partial checksum and nothing else', () => {
    compare(
      Array.from({ length: 500 }, (_, seed) => partialOnly(seed)),
      ['whole'],
    );
  });

  it('a checksum that comes to zero', () => {
    compare(zeroSums(), ['whole', 'cut']);
  });

  it('headers that make no sense', () => {
    compare(nonsense(), ['malformed']);
  });
});
