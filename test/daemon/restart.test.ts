import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { ADDRESSES, TWO_JAILS } from '../support/jails.js';
import { type Machine, machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const LAB = TWO_JAILS + ADDRESSES;

const LISTING =
  'ngctl list | grep -v ngctl; for j in a b; do ngctl -j $j show nic:; done; jls; ip -4 -n a addr';

async function restart(box: Machine): Promise<void> {
  const { pid } = await box.status();
  const said = await box.sh('netgraph restart');
  const now = (await box.status()).pid;
  expect(said).toBe(`process ${now}\n`);
  expect(now).not.toBe(pid);
  await until(async () => (await box.sh(`kill -0 ${pid}`)).includes('exit'));
}

/** Has new processes stand still before they write a word of the handover, until there is a file /run/go. */
async function holdBefore(box: Machine, word: string): Promise<void> {
  const script = `
    const fs = require('node:fs'), { writeSync } = fs;
    fs.writeSync = (fd, text, ...rest) => {
      if (text === '${word}\\n') {
        fs.writeFileSync('/run/held', '');
        while (!fs.existsSync('/run/go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
      return writeSync(fd, text, ...rest);
    };
    require('node:module').syncBuiltinESMExports();`;
  const writer = box.spawn('sh', '-c', 'cat >/run/hold.cjs');
  writer.stdin.end(script);
  await new Promise((resolve) => writer.on('close', resolve));
  expect(await box.sh('NODE_OPTIONS="--require /run/hold.cjs" jls >/dev/null')).toBe('');
}

/** Sends numbered frames out of an interface, one a millisecond. */
const SEND = `
import socket, sys, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); out.bind(("ngeth0", 0))
for i in range(int(sys.argv[1])):
    out.send(bytes.fromhex("0200000000020200000000 0188b5") + i.to_bytes(4, "little") + bytes(46)); time.sleep(0.001)`;

const DAEMONS = 'pgrep -fc [n]etgraph.js.daemon';

describeReal('a restart', () => {
  const t = machine();

  it('loses no frame, no connection and no node', async () => {
    const { box } = t;
    expect(await box.sh(LAB)).toBe('');
    const before = await box.sh(LISTING);
    const ping = box.sh('ip netns exec a ping -q -i 0.002 -c 1500 192.0.2.2 | grep transmitted');
    await box.sh('ip netns exec b iperf3 -s -1 -D; sleep 0.3');
    const stream = box.run('ip netns exec a iperf3 -c 192.0.2.2 -t 4 -J');
    for (let i = 0; i < 3; i++) {
      await sleep(300);
      await restart(box);
    }
    expect(await ping).toMatch(/^1500 packets transmitted, 1500 received, 0% packet loss/);
    const { end } = JSON.parse((await stream).stdout);
    expect(end.sum_received.bytes).toBeGreaterThan(1e6);
    expect(await box.sh(LISTING)).toBe(before);
  });

  it('is not noticed by clients, whatever they are in the midst of', async () => {
    const { box } = t;
    const client = await box.client({ name: 'prog' });
    await client.mkpeer('.', 'echo', 'e', 'x');
    await client.mkpeer('.', 'hub', 'h', 'y');
    const other = await box.client();
    const frames: string[] = [];
    void (async () => {
      for await (const { data } of client.frames()) frames.push(Buffer.from(data).toString());
    })();
    let answers = 0;
    let asking = true;
    const asked = (async () => {
      while (asking) {
        const some = Array.from({ length: 50 }, () => client.nodeInfo('.'));
        for (const { name, hooks } of await Promise.all(some)) {
          expect([name, hooks]).toEqual(['prog', 2]);
          answers++;
        }
      }
    })();
    for (let i = 0; i < 3; i++) {
      await restart(box);
      await client.sendData('e', Buffer.from(`frame ${i}`));
    }
    asking = false;
    await asked;
    expect(answers).toBeGreaterThan(100);
    await until(() => frames.length === 3);
    expect(frames).toEqual(['frame 0', 'frame 1', 'frame 2']);
    expect((await other.nodeInfo('prog:')).hooks).toBe(2);
    await client.close();
    await expect(other.nodeInfo('prog:')).rejects.toThrow('prog');
    await other.close();
  });

  it('leaves nobody behind to whom frames are on their way', async () => {
    const { box } = t;
    const [sender, reader] = [await box.client(), await box.client({ name: 'reader' })];
    await reader.mkpeer('.', 'hub', 'in', 'down');
    await reader.name('.:in', 'lan');
    await sender.connectNodes('.', 'lan:', 'out', 'up');
    const received: number[] = [];
    void (async () => {
      for await (const { data } of reader.frames()) received.push(Buffer.from(data).readUInt32LE());
    })();
    let sent = 0;
    let sending = true;
    const all = (async () => {
      while (sending) {
        const frame = Buffer.alloc(1000);
        frame.writeUInt32LE(sent++);
        await sender.sendData('out', frame);
      }
    })();
    for (let i = 0; i < 4; i++) await restart(box);
    sending = false;
    await all;
    await until(() => received.length === sent);
    expect(received).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(sent).toBeGreaterThan(100);
    for (const client of [sender, reader]) await client.close();
  });

  it('loses nothing of what an interface has for a program', async () => {
    const { box } = t;
    const client = await box.client();
    await client.mkpeer('.', 'eiface', 'in', 'ether');
    await client.name('.:in', 'nic');
    await box.sh('ip link set ngeth0 addrgenmode none; ip link set ngeth0 up');
    const received: number[] = [];
    void (async () => {
      for await (const { data } of client.frames()) received.push(Buffer.from(data).readUInt32LE(14));
    })();
    const sent = 3000;
    const sending = box.run(`python3 -c '${SEND}' ${sent}`);
    for (let i = 0; i < 4; i++) await restart(box);
    expect((await sending).stdout).toBe('');
    await until(() => received.length >= sent);
    expect(received).toEqual(Array.from({ length: sent }, (_, i) => i));
    await client.close();
  });

  it('leaves those without a node as they were, and nobody gets out of a jail by it', async () => {
    const { box } = t;
    expect(await box.sh('jail -c name=a vnet persist; jail -c name=b vnet persist')).toBe('');
    const host = await box.client({ name: 'host' });
    const shut = await box.client({ name: 'shut' });
    await host.shutdown('shut:');
    const inside = await box.client({}, ['jexec', 'a']);
    const orphan = box.connect(['jexec', 'b']);
    expect((await orphan.call('hello', { version: 1 })).errno).toBe(0);
    expect(await box.sh('ip netns del b; sleep 0.5; jls name')).toBe('a\n');
    await restart(box);
    await expect(shut.nodeInfo('host:')).rejects.toThrow('shut down');
    await expect(inside.nodeInfo('host:')).rejects.toThrow('no node');
    await expect(inside.call('restart', {})).rejects.toThrow('jail a may not');
    await expect(orphan.call('jail.list')).rejects.toThrow('closed');
    expect((await host.nodeInfo('host:')).name).toBe('host');
    for (const client of [host, shut, inside]) await client.close();
  });

  it('gives the rest of a request that had come half-way to the new process', async () => {
    const { box } = t;
    await box.daemon();
    const raw = box.connect();
    expect((await raw.call('hello', { version: 1 })).errno).toBe(0);
    const text = JSON.stringify({ method: 'jail.list', params: {} });
    const record = Buffer.alloc(9 + text.length);
    record.writeUInt32LE(5 + text.length);
    record[4] = Kind.CALL;
    record.writeUInt32LE(77, 5);
    record.write(text, 9);
    raw.write(record.subarray(0, 20));
    await sleep(100);
    await restart(box);
    raw.write(record.subarray(20));
    const { body } = await raw.record(({ kind, id }) => kind === Kind.RESULT && id === 77);
    expect(Buffer.from(body.subarray(4)).toString()).toBe('[]');
    raw.end();
  });

  it('takes no more along of what clients of a jail have sent by half than goes fast', async () => {
    const { box } = t;
    await box.sh('jail -c name=a vnet persist');
    const half = Buffer.alloc(900_000);
    half.writeUInt32LE(1_000_000);
    const [small, ...large] = Array.from({ length: 6 }, () => box.connect(['jexec', 'a']));
    for (const client of [small, ...large])
      expect((await client.call('hello', { version: 1 })).errno).toBe(0);
    const record = encodeRecord(Kind.CALL, 77, JSON.stringify({ method: 'jail.list', params: {} }));
    small.write(record.subarray(0, 20));
    for (const client of large) client.write(half);
    await sleep(1000);
    await restart(box);
    small.write(record.subarray(20));
    const { body } = await small.record(({ kind, id }) => kind === Kind.RESULT && id === 77);
    expect(Buffer.from(body.subarray(4)).toString()).toBe('[]');
    await until(() => large.some(({ closed }) => closed));
    for (const client of [small, ...large]) client.destroy();
  });

  it('leaves those behind that do not read', async () => {
    const { box } = t;
    const client = await box.client();
    await client.close();
    const deaf = box.connect();
    expect((await deaf.call('hello', { version: 1 })).errno).toBe(0);
    deaf.reading(false);
    const text = JSON.stringify({ method: 'sysctl.list', params: {} });
    for (let i = 0; i < 3000; i++) {
      const record = Buffer.alloc(9 + text.length);
      record.writeUInt32LE(5 + text.length);
      record[4] = Kind.CALL;
      record.write(text, 9);
      deaf.write(record);
    }
    await sleep(300);
    await restart(box);
    deaf.destroy();
  });

  it('does not happen when the new process fails: the old one goes on', async () => {
    const { box } = t;
    expect(await box.sh(LAB)).toBe('');
    const { pid } = await box.status();
    const before = await box.sh(LISTING);
    await box.sh('mv /run/state/world.journal /run/state/away; mkdir /run/state/world.journal');
    expect(await box.sh('netgraph restart')).toMatch(
      /^netgraph: .*the old daemon goes on.*\n\(exit \d+\)\n$/,
    );
    expect((await box.status()).pid).toBe(pid);
    await box.sh('rmdir /run/state/world.journal');
    expect(await box.sh('ip netns exec a ping -q -c 3 -i 0.1 192.0.2.2 | grep transmitted')).toContain(
      ' 0% ',
    );
    expect(await box.sh(LISTING)).toBe(before);
    await restart(box);
    expect(await box.sh(LISTING)).toBe(before);
  });

  it('does not happen when the new process does not come up, of which nothing stays', async () => {
    const { box } = t;
    await holdBefore(box, 'ready');
    const { pid } = await box.status();
    expect(await box.sh('netgraph restart')).toMatch(/the old daemon goes on.*\n\(exit \d+\)\n$/);
    expect((await box.status()).pid).toBe(pid);
    expect(await box.sh(DAEMONS)).toBe('1\n');
  });

  it('serves who comes in the midst of it', async () => {
    const { box } = t;
    await holdBefore(box, 'done');
    const restarting = box.sh('netgraph restart');
    await until(async () => (await box.sh('ls /run/held')) === '/run/held\n');
    const clients = Promise.all(Array.from({ length: 5 }, () => box.sh('jls; ngctl types >/dev/null')));
    // They are connected, and nobody answers yet.
    const CONNECTED = "ss -xH state established src '*control.sock' | wc -l";
    await until(async () => Number(await box.sh(CONNECTED)) > 5);
    await box.sh('touch /run/go');
    const { pid } = await box.status();
    expect(await restarting).toBe(`process ${pid}\n`);
    expect(await clients).toEqual(Array(5).fill(expect.stringMatching(/^.*JID.*\n$/)));
  });

  it.each(['ready', 'parcel'])('may be told to stop, by SIGTERM, before it is %s', async (word) => {
    const { box } = t;
    await holdBefore(box, word);
    expect(await box.sh(LAB)).toBe('');
    const { pid } = await box.status();
    const restarting = box.sh('netgraph restart');
    await until(async () => (await box.sh('ls /run/held')) === '/run/held\n');
    await box.sh(`kill ${pid}; sleep 0.2; touch /run/go`);
    await restarting;
    await until(async () => (await box.sh(DAEMONS)).startsWith('0'));
    expect(await box.sh('ls /run/netgraph /run/state; ip netns; ip -o link | wc -l')).toBe(
      "ls: cannot access '/run/state': No such file or directory\n/run/netgraph:\n1\n",
    );
  });

  it('finds everything again when paths of the instance are relative', async () => {
    const { box } = t;
    const there =
      'cd /run; NETGRAPH_RUN_DIR=x/run NETGRAPH_STATE_DIR=x/state NETGRAPH_MODULE_PATH=x/types; export';
    const names = 'NETGRAPH_RUN_DIR NETGRAPH_STATE_DIR NETGRAPH_MODULE_PATH';
    const said = await box.sh(
      `${there} ${names}; jail -c name=a vnet persist && netgraph restart >/dev/null && jls name
       tr '\\0' '\\n' </proc/$(netgraph status | sed -n 's/.*process \\([0-9]*\\).*/\\1/p')/environ | grep -E '^NETGRAPH_.*_(DIR|PATH)=' | sort; netgraph stop; find . -name x; ip netns list`,
    );
    const absolute = ['MODULE_PATH=/run/x/types', 'RUN_DIR=/run/x/run', 'STATE_DIR=/run/x/state'];
    expect(said.split('\n')).toEqual(['a', ...absolute.map((text) => `NETGRAPH_${text}`), '']);
  });

  it('is for the host only', async () => {
    const { box } = t;
    await box.sh('jail -c name=a vnet persist');
    expect(await box.sh('jexec a netgraph restart')).toContain('jail a may not restart the daemon');
  });
});
