import { expect, it } from 'vitest';
import { Frame, VNET_HEADER } from '../../src/netgraph/frame.js';
import { errno } from '../../src/netgraph/index.js';
import { describeFrames, ip, ipJson, output, quiet, sleep, until } from './root.js';

/** A broadcast frame of a type that no network stack knows. */
function strange(length = 60, fill = 0): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill, 14);
  bytes.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
  return bytes;
}

const server = `
import socket, sys, hashlib
s = socket.create_server(('10.9.0.2', 5000)); print('ready', flush=True)
c = s.accept()[0]; h = hashlib.sha1(); n = 0
while d := c.recv(1 << 20): h.update(d); n += len(d)
print(n, h.hexdigest())`;
const client = `
import socket, hashlib, random
d = random.Random(7).randbytes(1 << 20); h = hashlib.sha1(); c = socket.create_connection(('10.9.0.2', 5000))
for i in range(64): c.sendall(d); h.update(d)
c.close(); print(64 << 20, h.hexdigest())`;

describeFrames('frames between TAPs', (t) => {
  it('carry a ping from namespace to namespace', async () => {
    const { names, devices } = await t.box.pair();
    expect(await t.box.run(names[0]!, 'ping', '-c', '3', '-i', '0.1', '10.9.0.2')).toContain(
      ' 0% packet loss',
    );
    const [a, b] = devices.map((device) => device.counters);
    expect(a!.rxFrames).toBeGreaterThanOrEqual(4);
    expect(b).toMatchObject({ txFrames: a!.rxFrames, txOctets: a!.rxOctets, dropDown: 0, dropInvalid: 0 });
  });

  for (const offloads of [true, false]) {
    it(`carry TCP unharmed, ${offloads ? 'in segments of 64 KiB' : 'without offloads in frames of the MTU'}`, async () => {
      let largest = 0;
      const { names } = await t.box.pair({ offloads }, (frame) => {
        largest = Math.max(largest, frame.length);
      });
      const listener = t.box.spawn('ip', 'netns', 'exec', names[1]!, 'python3', '-c', server);
      const received = output(listener, 'server');
      await new Promise((resolve) => listener.stdout!.once('data', resolve));
      const sent = await t.box.run(names[0]!, 'python3', '-c', client);
      expect(await received).toBe(`ready\n${sent}`);
      if (offloads) expect(largest).toBeGreaterThan(60_000);
      else expect(largest).toBe(1514);
    });
  }

  it('are dropped and counted while the interface is down, before and after the program knows', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    const device = host.createEthernet(vnet, 'e0', quiet);
    expect(device.transmit(new Frame(strange()))).toBe(errno('ENETDOWN'));
    expect(device.counters).toMatchObject({ txFrames: 0, dropDown: 1 });
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    await until(() => device.up);
    ip('-n', netns, 'link', 'set', 'e0', 'down'); // synchronous: no news can come in
    expect(device.transmit(new Frame(strange()))).toBe(0);
    host.flush();
    expect(device.counters).toMatchObject({ txFrames: 0, txOctets: 0, dropDown: 2 });
    await until(() => !device.up);
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    await until(() => device.up);
    expect(device.transmit(new Frame(strange()))).toBe(0);
    host.flush();
    expect(device.counters).toMatchObject({ txFrames: 1, txOctets: 60, dropDown: 2 });
  });

  it('go to a hundred interfaces at once, and what one does not take is its own loss', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    const devices = Array.from({ length: 100 }, (_, i) => host.createEthernet(vnet, `e${i}`, quiet));
    for (const { name } of devices) ip('-n', netns, 'link', 'set', name, 'up');
    await until(() => devices.every((device) => device.up));
    for (const name of ['e3', 'e80']) ip('-n', netns, 'link', 'set', name, 'down');
    ip('-n', netns, 'link', 'del', 'e70');
    for (let i = 0; i < 3; i++)
      for (const device of devices) expect(device.transmit(new Frame(strange()))).toBe(0);
    host.flush();
    const received = new Map(
      ipJson('-s', '-n', netns, 'link').map(({ ifname, stats64 }) => [
        ifname,
        (stats64 as { rx: { packets: number } }).rx.packets,
      ]),
    );
    for (const { name, counters } of devices) {
      const lost = { e3: 'dropDown', e80: 'dropDown', e70: 'dropGone' }[name];
      const arrived = lost === undefined ? 3 : 0;
      const octets = 60 * arrived;
      const dropped = {
        dropDown: 0,
        dropGone: 0,
        dropInvalid: 0,
        dropNoBuffer: 0,
        ...(lost && { [lost]: 3 }),
      };
      expect({ name, ...counters }).toMatchObject({ name, txFrames: arrived, txOctets: octets, ...dropped });
      expect([name, received.get(name)]).toEqual([name, name === 'e70' ? undefined : arrived]);
    }
  });

  it('are written a moment later when they come from outside of a batch', async () => {
    const { devices, names } = await t.box.pair();
    const before = devices[0]!.counters.txFrames;
    devices[0]!.transmit(new Frame(strange()));
    expect(devices[0]!.counters.txFrames).toBe(before);
    await Promise.resolve();
    expect(devices[0]!.counters.txFrames).toBe(before + 1);
    expect(ip('-n', names[0]!, '-s', 'link', 'show', 'e0')).toContain('RX:');
  });

  it('are refused when too short or too long to be frames', async () => {
    const { devices, host } = await t.box.pair();
    expect(devices[0]!.transmit(new Frame(strange(14).subarray(0, 13)))).toBe(errno('EINVAL'));
    expect(devices[0]!.transmit(new Frame(strange(70_000)))).toBe(errno('EINVAL'));
    // An offload header that the kernel refuses: checksum beyond the end.
    const wrong = new Uint8Array(VNET_HEADER + 60);
    wrong.set([1, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    wrong.set(strange(), VNET_HEADER);
    expect(devices[0]!.transmit(new Frame(wrong, VNET_HEADER, 60, true))).toBe(0);
    host.flush();
    expect(devices[0]!.counters).toMatchObject({ dropInvalid: 3 });
  });

  it('arrive all and in order, when more are sent at once than there is room for', async () => {
    const host = t.box.host();
    const [from, to] = [t.box.vnet(), t.box.vnet()];
    const seen: number[] = [];
    const source = host.createEthernet(from, 'e0', quiet);
    // What the stack of `to` gets, a kernel bridge there sends back out of another TAP.
    const inner = host.createEthernet(to, 'in', quiet);
    host.createEthernet(to, 'out', {
      receive(frame) {
        if (frame.bytes[frame.offset + 12] !== 0x88) return; // IPv6's own
        seen.push(frame.bytes[frame.offset + 14]! | (frame.bytes[frame.offset + 15]! << 8));
        expect(frame.length).toBe(1400);
      },
      gone() {},
    });
    const netns = t.box.netnsOf(to).name;
    ip('-n', netns, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    for (const name of ['in', 'out']) ip('-n', netns, 'link', 'set', name, 'master', 'br0', 'up');
    ip('-n', netns, 'link', 'set', 'out', 'txqueuelen', '10000');
    ip('-n', netns, 'link', 'set', 'br0', 'up');
    await until(() => inner.up);
    await sleep(50);
    expect(source.up).toBe(false);
    for (let i = 0; i < 3000; i++) {
      const bytes = strange(1400);
      bytes.set([i & 255, i >> 8], 14);
      expect(inner.transmit(new Frame(bytes))).toBe(0);
    }
    await until(() => seen.length >= 3000);
    expect(seen).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it('keep their bytes though a later receiver of the same frame changes them', async () => {
    const host = t.box.host();
    const [a, b] = [t.box.vnet(), t.box.vnet()];
    const written: string[] = [];
    const sink = host.createEthernet(b, 'e0', quiet);
    const source = host.createEthernet(a, 'e0', {
      receive(frame) {
        // What hub does: the last receiver gets the frame unshared.
        frame.shared = true;
        sink.transmit(frame);
        frame.shared = false;
        const mine = frame.writable();
        mine.bytes.fill(0xee, mine.offset, mine.offset + mine.length);
        written.push(frame.view()[0]!.toString(16));
      },
      gone() {},
    });
    for (const vnet of [a, b]) ip('-n', t.box.netnsOf(vnet).name, 'link', 'set', 'e0', 'up');
    await until(() => source.up && sink.up && written.length > 0);
    expect(written[0]).toBe('33'); // IPv6 multicast
  });

  it('go on when a receiver throws', async () => {
    const errors: unknown[] = [];
    const host = t.box.host({ report: (error) => errors.push(error) });
    const vnet = t.box.vnet();
    let count = 0;
    host.createEthernet(vnet, 'e0', {
      receive() {
        if (count++ % 2) throw new Error(`frame ${count}`);
      },
      gone() {},
    });
    const netns = t.box.netnsOf(vnet).name;
    ip('-n', netns, 'addr', 'add', '10.9.0.1/24', 'dev', 'e0');
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    await t.box.run(netns, 'ping', '-c', '3', '-i', '0.01', '-W', '0.1', '-b', '10.9.0.255').catch(() => {});
    await until(() => count >= 4);
    expect(errors.length).toBe(Math.floor(count / 2));
  });

  it('of a busy interface leave room for those of others, and for timers', async () => {
    const { names, devices } = await t.box.pair();
    const host = t.box.host();
    const third = t.box.vnet();
    let heard = 0;
    host.createEthernet(third, 'e0', {
      receive() {
        heard++;
      },
      gone() {},
    });
    ip('-n', t.box.netnsOf(third).name, 'link', 'set', 'e0', 'up');
    const flood = t.box.run(names[0]!, 'ping', '-f', '-w', '1', '-q', '10.9.0.2');
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await flood;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(20);
    expect(heard).toBeGreaterThan(0);
    expect(devices[1]!.counters.rxFrames).toBeGreaterThan(100);
  });
});
