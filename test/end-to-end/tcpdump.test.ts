import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { pcapFileHeader, pcapRecord } from '../../src/wire/index.js';
import { type Machine, machine, until } from '../support/machine.js';
import { describeReal, finished } from '../support/sandbox.js';

/** A version manager's python takes ten times as long to start. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** Sends back whatever it gets, until its input ends. */
const ECHO = `
import os, socket, sys, threading
def tcp():
    s = socket.create_server(('::', 5000), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c = s.accept()[0]; got = bytearray()
        while d := c.recv(1 << 20): got += d
        c.sendall(got); c.close()
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', 5001))
    while True: s.sendto(*s.recvfrom(65536))
for work in tcp, udp: threading.Thread(target=work, daemon=True).start()
print('ready', flush=True); sys.stdin.read(); os._exit(0)`;

/** Datagrams of all sizes, ten that are handed over in one piece (UDP_SEGMENT of udp(7)), then TCP. */
const ASK = `
import random, socket, sys
r = random.Random(7); data = r.randbytes(1 << 20)
for address in sys.argv[1:]:
    u = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(3); u.connect((address, 5001))
    for size in 1, 18, 1000, 1452, 1473, 5000, 60000:
        d = r.randbytes(size); u.send(d)
        if u.recv(65536) != d: print('wrong', size)
    u.setsockopt(17, 103, 1400); d = r.randbytes(14000); u.send(d)
    if b''.join(u.recv(65536) for _ in range(10)) != d: print('wrong segments')
    c = socket.create_connection((address, 5000)); c.settimeout(8); c.sendall(data); c.shutdown(socket.SHUT_WR)
    back = bytearray()
    while d := c.recv(1 << 20): back += d
    print(address, 'right' if back == data else 'wrong')`;

/** Jails `a` and `b` with 192.0.2.1 and .2, fd00::1 and ::2; a hub of the host between them, with hook `in` of ours. */
async function joinByHub(box: Machine, host: NetgraphClient): Promise<void> {
  await host.mkpeer('.', 'hub', 'in', 'snoop');
  await host.name('in', 'lan');
  for (const [i, name] of ['a', 'b'].entries()) {
    const { jid } = await host.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true' } });
    await host.mkpeer('lan:', 'wormhole', name, 'evthorizon');
    await host.msg(`lan:${name}`, 'open', `"${name}"`);
    await host.mkpeer(`lan:${name}.jid=${jid}`, 'eiface', 'evthorizon', 'ether');
    await box.sh(`
ip -n ${name} addr add 192.0.2.${i + 1}/24 dev ngeth0; ip -n ${name} addr add fd00::${i + 1}/64 dev ngeth0 nodad
ip -n ${name} link set ngeth0 up`);
  }
  await until(async () => (await host.call('status', {})).interfaces.every(({ up }) => up));
}

describeReal('tcpdump', () => {
  const t = machine();

  it('finds every checksum right in what a data socket saw of large segments', async () => {
    const host = await t.box.client();
    await joinByHub(t.box, host);
    const seen: Uint8Array[] = [];
    const watching = (async () => {
      for await (const { data } of host.frames()) seen.push(data);
    })();
    const python = (jail: string, program: string, ...args: string[]) =>
      t.box.spawn('ip', 'netns', 'exec', jail, PYTHON, '-c', program, ...args);
    const echo = python('b', ECHO);
    await new Promise((resolve) => echo.stdout.once('data', resolve));
    const asked = await finished(python('a', ASK, '192.0.2.2', 'fd00::2'));
    echo.stdin.end();
    expect(asked).toEqual({ stdout: '192.0.2.2 right\nfd00::2 right\n', stderr: '', status: 0 });
    const { interfaces } = await host.call('status', {});
    // Four times a MiB in so few frames: the segments were large when they crossed the hub.
    for (const { counters } of interfaces)
      expect(counters.rxOctets / counters.rxFrames).toBeGreaterThan(3000);
    await host.close();
    await watching;
    expect(Math.max(...seen.map(({ length }) => length))).toBe(1514);

    const tcpdump = t.box.spawn('tcpdump', '-nvvr', '-');
    const judged = finished(tcpdump);
    tcpdump.stdin.write(pcapFileHeader());
    for (const frame of seen) tcpdump.stdin.write(pcapRecord(0, frame));
    tcpdump.stdin.end();
    const { stdout, status } = await judged;
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/incorrect|bad (udp |tcp )?cksum|truncated|\[\|/);
    const count = (what: RegExp) => stdout.match(what)?.length ?? 0;
    expect(count(/cksum 0x[0-9a-f]+ \(correct\)/g)).toBeGreaterThan(1000);
    // Of both families, there and back: those of the sizes that are not cut, and the ten.
    expect(count(/\[udp sum ok\]/g)).toBe(2 * 2 * (4 + 10));
    // The second pieces of those that are.
    expect(count(/offset 1480, flags \[/g)).toBe(2 * 3);
    expect(count(/frag \(0x[0-9a-f]+:1448\|/g)).toBe(2 * 3);
  });
});
