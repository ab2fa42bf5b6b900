import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceManager } from '../../src/daemon/notify.js';
import { sendDatagram } from '../../src/linux/index.js';
import { machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** Writes down what comes to a socket, with the PID of the sender and the time, as a service manager would see it. */
const MANAGER = String.raw`
import os, socket, struct, sys, time
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind('\0' + path[1:] if path[0] == '@' else path)
out = open('/run/notes', 'a', buffering=1)
while True:
    text, ancillary, _, _ = s.recvmsg(4096, 64)
    pid = struct.unpack('3i', ancillary[0][2][:12])[0]
    print(pid, '%.3f' % time.monotonic(), *text.decode().split('\n'), file=out)
`;

describeReal('the service manager', () => {
  const t = machine();

  async function start(path: string, variables = ''): Promise<number> {
    await t.box.sh(`cat >/run/manager.py <<'END'\n${MANAGER}END`);
    void t.box.run(`exec python3 /run/manager.py '${path}'`);
    const listens = `grep -q '${path}$' /proc/net/unix`;
    await until(async () => (await t.box.sh(listens)) === '');
    const env = `NOTIFY_SOCKET='${path}' WATCHDOG_USEC=200000 ${variables}`;
    void t.box.run(`${env} exec netgraph daemon >/run/netgraph/daemon.log 2>&1`);
    await until(async () => (await t.box.status()).running);
    return (await t.box.status()).pid;
  }

  interface Note {
    pid: number;
    time: number;
    text: string;
  }
  const notes = async (): Promise<Note[]> =>
    (await t.box.sh('cat /run/notes'))
      .trimEnd()
      .split('\n')
      .map((line) => /^(\d+) (\S+) (.*)$/.exec(line)!)
      .map(([, pid, time, text]) => ({ pid: Number(pid), time: Number(time), text }));

  it.each(['/run/notify.sock', '@netgraph-test'])('hears of start, life and end at %s', async (path) => {
    const pid = await start(path);
    await sleep(500);
    expect(await t.box.sh('netgraph stop')).toBe('');
    const all = await notes();
    expect(new Set(all.map((note) => note.pid))).toEqual(new Set([pid]));
    expect(all[0].text).toBe(`READY=1 MAINPID=${pid} STATUS=serving /run/netgraph/control.sock`);
    // While it stops, too, it is alive.
    const later = all.slice(1).map(({ text }) => text);
    expect(new Set(later)).toEqual(new Set(['WATCHDOG=1', 'STOPPING=1']));
    expect(later.indexOf('STOPPING=1')).toBeGreaterThan(2);
  });

  it('hears who goes on, and from that one then', async () => {
    const pid = await start('/run/notify.sock');
    expect(await t.box.sh('netgraph restart')).toMatch(/^process \d+\n$/);
    const { pid: next } = await t.box.status();
    const said = async () =>
      (await notes()).map((note) => `${note.pid} ${note.text.split(' ').slice(0, 2).join(' ')}`);
    await until(async () => (await said()).includes(`${next} WATCHDOG=1`));
    const all = [...new Set(await said())];
    const told = (from: number) => all.filter((line) => line.startsWith(`${from} `));
    expect(told(pid).at(0)).toBe(`${pid} READY=1 MAINPID=${pid}`);
    expect(told(pid).at(-1)).toBe(`${pid} MAINPID=${next}`);
    expect(told(next)).toEqual([`${next} WATCHDOG=1`]);
  });

  it('gets everything back that it ended, at the next start', async () => {
    let pid = await start('/run/notify.sock');
    await t.box.sh(
      `jail -c name=a vnet persist; printf 'mkpeer eiface e ether\nname .:e nic\n' | ngctl -j a -f -`,
    );
    const before = await t.box.sh('ngctl -j a list | grep nic; jls; ip -n a -o link');
    expect(await t.box.sh(`kill ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`)).toBe('');
    expect((await notes()).filter((note) => note.pid === pid).at(-1)!.text).toBe('STOPPING=1');
    expect(await t.box.sh('ip -n a -o link | grep -c ngeth0')).toBe('1\n');
    pid = await start('/run/notify.sock2');
    expect(await t.box.sh('ngctl -j a list | grep nic; jls; ip -n a -o link')).toBe(before);
    expect(await t.box.sh('netgraph stop; ip netns list')).toBe('');
  });

  it('hears nothing while the event loop is blocked', async () => {
    await t.box.sh(`mkdir /run/modules; cat >/run/modules/ng_block.cjs <<'END'
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
END`);
    await start('/run/notify.sock', 'NETGRAPH_MODULE_PATH=/run/modules');
    await t.box.sh('ngctl mkpeer . block a b');
    const times = (await notes()).filter(({ text }) => text === 'WATCHDOG=1').map(({ time }) => time);
    const gaps = times.slice(1).map((time, i) => time - times[i]);
    expect(Math.max(...gaps)).toBeGreaterThan(0.9);
  });

  it('is not told by a daemon that it does not watch, and one that is gone is no reason to fail', async () => {
    const pid = await start('/run/notify.sock', 'WATCHDOG_PID=1');
    await sleep(300);
    expect((await notes()).map(({ text }) => text.split(' ')[0])).toEqual(['READY=1']);
    await t.box.sh('pkill -f manager.py; rm /run/notify.sock');
    expect(await t.box.sh('netgraph stop')).toBe('');
    const log = await t.box.sh('cat /run/netgraph/daemon.log 2>&1');
    expect(log).not.toContain('uncaught');
    expect(await t.box.sh(`kill -0 ${pid} 2>&1`)).toContain('(exit 1)');
  });
});

describe('word to the service manager', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'netgraph-notify-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('goes nowhere when nobody asked for it', () => {
    const manager = new ServiceManager(() => expect.unreachable(), {});
    manager.ready('here');
    manager.watch();
    manager.handOver(1);
    manager.stopping();
  });

  it('that cannot be sent is logged', () => {
    const lines: string[] = [];
    new ServiceManager((line) => lines.push(line), { NOTIFY_SOCKET: join(folder, 'none') }).ready('here');
    expect(lines).toEqual([
      `service manager: ENOENT: No such file or directory, sendto '${join(folder, 'none')}'`,
    ]);
  });

  it('names what it cannot be sent to', () => {
    expect(() => sendDatagram('relative', 'x')).toThrow('EAFNOSUPPORT');
    expect(() => sendDatagram('@', 'x')).toThrow('EAFNOSUPPORT');
    expect(() => sendDatagram(`/${'x'.repeat(200)}`, 'x')).toThrow('ENAMETOOLONG');
    expect(() => sendDatagram('@a\0b', 'x')).toThrow('NUL');
  });

  it('does not wait long for one that does not listen', () => {
    const path = join(folder, 'full');
    const code = `
import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
subprocess.run(sys.argv[2:], check=True)`;
    const fill = `
const { sendDatagram } = await import('${new URL('../../dist/linux/index.js', import.meta.url)}');
try { for (;;) sendDatagram('${path}', 'x'); } catch (error) { process.exit(error.code === 'EAGAIN' ? 0 : 1); }`;
    const node = [process.execPath, '--input-type=module', '-e', fill];
    const { status, stderr } = spawnSync('python3', ['-c', code, path, ...node], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});
