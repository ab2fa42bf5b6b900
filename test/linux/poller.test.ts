/** The Poller waits in libuv's place; whatever else a program does has to go on as if it did not. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { native } from '../../src/linux/native.js';
import { Frame } from '../../src/netgraph/frame.js';
import { describeReal } from '../support/sandbox.js';
import { ip, sandbox, until } from './root.js';

/** An Ethernet frame of a protocol that nobody answers. */
const strange = (): Frame => {
  const bytes = new Uint8Array(60);
  bytes.fill(0xff, 0, 6);
  bytes.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
  return new Frame(bytes);
};

/** Sends datagrams to whoever, as fast as it goes. */
const send = (loop: string): string => `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.bind(('10.9.0.1', 0))
${loop}:
    s.sendto(b'x' * 22, ('10.9.0.255', 9))
`;
const flood = send('while True');

describeReal('while frames come without end', () => {
  const t = sandbox();

  it('timers, immediates, promises, ticks and descriptors have their turn', async () => {
    const turns = { timer: 0, immediate: 0, promise: 0, tick: 0, child: 0 };
    let frames = 0;
    const { names } = await t.box.pair({}, () => {
      if (frames++ % 100 > 0) return;
      process.nextTick(() => turns.tick++);
      void Promise.resolve().then(() => turns.promise++);
    });
    t.box.spawn('ip', 'netns', 'exec', names[0]!, 'python3', '-c', flood);
    await until(() => frames > 1000);
    const echo = t.box.spawn('cat');
    echo.stdin!.on('error', () => {}); // it is killed in the end
    echo.stdout!.on('data', () => {
      turns.child++;
      echo.stdin!.write('x');
    });
    echo.stdin!.write('x');
    const immediate = (): void => {
      if (turns.immediate++ < 100) setImmediate(immediate);
    };
    setImmediate(immediate);
    const timer = setInterval(() => turns.timer++, 2);
    try {
      await until(() => Object.values(turns).every((count) => count >= 50));
    } finally {
      clearInterval(timer);
    }
    const before = frames;
    await until(() => frames > before + 1000);
  });
});

describeReal('several Pollers in one thread', () => {
  const t = sandbox();

  it('all hear of their frames, also when the first one is gone', async () => {
    const hosts = [t.box.host(), t.box.host(), t.box.host()];
    const got = hosts.map(() => 0);
    const devices = hosts.map((host, i) => {
      const vnet = t.box.vnet();
      const receive = (frame: Frame): void => {
        if (frame.bytes[frame.offset + 12] === 0x88 && frame.bytes[frame.offset + 13] === 0xb5) got[i]!++;
      };
      const pair = [0, 1].map((n) => host.createEthernet(vnet, `e${n}`, { receive, gone() {} }));
      // What one of them sends is bridged to the other, which so receives it.
      const { name } = t.box.netnsOf(vnet);
      ip('-n', name, 'link', 'add', 'bridge', 'type', 'bridge');
      ip('-n', name, 'link', 'set', 'bridge', 'up');
      for (const n of [0, 1]) ip('-n', name, 'link', 'set', `e${n}`, 'master', 'bridge', 'up');
      return pair[0]!;
    });
    await until(() => devices.every((device) => device.up));
    const all = async (which: number[]): Promise<void> => {
      const before = [...got];
      await until(() => {
        for (const i of which) devices[i]!.transmit(strange());
        return which.every((i) => got[i]! > before[i]!);
      });
    };
    await all([0, 1, 2]);
    await hosts[0]!.close();
    await all([1, 2]);
    await hosts[1]!.close();
    await all([2]);
  });
});

describeReal('frames that take long', () => {
  const t = sandbox();

  it('come in small batches, and others have their turn in between', async () => {
    const { name, path } = t.box.netns();
    const batches: { count: number; turns: number }[] = [];
    let turns = 0;
    let frames = 0;
    const poller = new native.Poller(
      (count) => {
        frames += count;
        batches.push({ count, turns });
        for (const end = performance.now() + 3; performance.now() < end; );
      },
      () => {},
    );
    const { fd } = native.tapOpen(path, 'e0', true);
    const timer = setInterval(() => {}, 1); // keeps the program going
    let immediate = setImmediate(function turn() {
      turns++;
      immediate = setImmediate(turn);
    });
    try {
      poller.add(fd);
      ip('-n', name, 'addr', 'add', '10.9.0.1/24', 'broadcast', '10.9.0.255', 'dev', 'e0');
      ip('-n', name, 'link', 'set', 'e0', 'up');
      execFileSync('ip', ['netns', 'exec', name, 'python3', '-c', send('for _ in range(200)')]);
      await until(() => frames >= 200);
    } finally {
      clearImmediate(immediate);
      clearInterval(timer);
      poller.close();
      await native.closeFds([fd]);
    }
    // A frame of the first batch took 3/64 ms at least, and a batch is to take half a millisecond.
    expect(Math.max(...batches.slice(1).map(({ count }) => count))).toBeLessThanOrEqual(11);
    for (let i = 1; i < batches.length; i++) expect(batches[i]!.turns).toBeGreaterThan(batches[i - 1]!.turns);
  });
});
