import { expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message, type NetgraphClient } from '../../src/client/index.js';
import { errnoName, type MessageSpec } from '../../src/netgraph/index.js';
import { encode } from '../../src/netgraph/types/index.js';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { type RawClient, sharedMachine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const MiB = 2 ** 20;

const message = (name: keyof typeof genericMessages, args?: object): Uint8Array => {
  const spec: MessageSpec = genericMessages[name];
  const made = new Message(GENERIC_COOKIE, spec.cmd, spec.args && encode(spec.args, args as never));
  made.name = name;
  return made.encode();
};

const record = (path: string, bytes: Uint8Array): Buffer => encodeRecord(Kind.MESSAGE, 1, `${path}\0`, bytes);

const mkpeer = (type: string, ourhook: string, peerhook: string): Uint8Array =>
  message('mkpeer', { type, ourhook, peerhook });

/** Opens connections, sends a first record over each, says how many are served, and holds them. */
const CROWD = `
const net = require('net'), [path, count, first, rest] = process.argv.slice(1);
let left = Number(count), served = 0;
const done = () => --left || console.log(served);
for (let i = 0; i < count; i++) {
  const socket = net.connect(path, () => socket.write(Buffer.from(first, 'hex')));
  let said = false;
  socket.on('error', () => {});
  socket.on('data', (data) => { if (!said) { said = true; if (data.readUInt32LE(9) === 0) served++; done(); } socket.write(Buffer.alloc(Number(rest))); });
  socket.on('close', () => { if (!said) done(); });
}
process.stdin.on('end', () => process.exit()).resume();`;

// Starting processes takes its time where much else runs.

describeReal('one client or jail that wants too much', () => {
  const t = sharedMachine();
  const crowd = (as: string[], count: number, rest = 0) => {
    const first = encodeRecord(Kind.CALL, 1, '{"method":"jail.list"}');
    // The beginning of a record that is as long as one may be.
    const half = rest === 0 ? '' : '00001000';
    const words = ['/run/netgraph/control.sock', String(count), first.toString('hex') + half, String(rest)];
    const child = t.box.spawn(...as, process.execPath, '-e', CROWD, ...words);
    const served = new Promise<number>((resolve) =>
      child.stdout.once('data', (text) => resolve(Number(text))),
    );
    return { served, end: () => child.stdin.end() };
  };
  const rss = async (): Promise<number> => (await t.box.status()).memory.rss;

  /** The longest that somebody waits for an answer while something goes on, in milliseconds. */
  async function slowest(clients: RawClient[], times = 10): Promise<number> {
    let longest = 0;
    for (let i = 0; i < times; i++)
      for (const client of clients) {
        const start = performance.now();
        expect((await client.call('jail.list')).errno).toBe(0);
        longest = Math.max(longest, performance.now() - start);
      }
    return longest;
  }

  /** Programs on the host and in jail `b`, connected. */
  async function bystanders(): Promise<RawClient[]> {
    const clients = [t.box.connect(), t.box.connect(['jexec', 'b'])];
    for (const client of clients) await client.call('open', {});
    return clients;
  }

  const set = async (name: string, value: number): Promise<void> => {
    const client = await t.box.client({ jail: 'a' });
    await client.call('sysctl.write', { name, value: String(value) });
    await client.close();
  };

  it('gets no more connections than its jail may have, and the others theirs', async () => {
    const { box } = t;
    expect(await box.sh('jail -c name=a vnet persist children.max=1; jail -c name=b vnet persist')).toBe('');
    expect(await box.sh('jexec a jail -c name=in vnet persist')).toBe('');
    await set('net.graph.maxclients', 5);
    expect(await box.sh('jexec a.in sysctl -n net.graph.maxclients')).toBe('5\n');
    const many = crowd(['jexec', 'a'], 40);
    expect(await many.served).toBe(5);
    expect(await box.sh('jexec a ngctl list')).toBe(
      'ngctl: the netgraph daemon refuses us: jail a has as many connections as net.graph.maxclients allows\n(exit 71)\n',
    );
    // Those of a jail inside it count towards it.
    expect(await box.sh('jexec a.in ngctl list')).toMatch(
      'jail a.in has as many connections as net.graph.maxclients allows',
    );
    expect(
      await box.sh('jexec b ngctl list | head -1; ngctl list | head -1; ngctl -j a list | head -1'),
    ).toBe('There are 1 total nodes:\n'.repeat(3));
    many.end();
    await until(async () => (await box.sh('jexec a ngctl list | head -1')) === 'There are 1 total nodes:\n');
    await set('net.graph.maxclients', 1024);
  });

  it('is refused from nowhere as often as it likes, and keeps nobody waiting', async () => {
    const { box } = t;
    const { pid } = await box.status();
    const clients = await bystanders();
    const aliens = crowd(['unshare', '--net'], 2000);
    expect(await aliens.served).toBe(0);
    const silent = box.spawn(
      'unshare',
      '--net',
      process.execPath,
      '-e',
      CROWD,
      '/run/netgraph/control.sock',
      '2000',
      '',
      '0',
    );
    expect(await slowest(clients)).toBeLessThan(3000);
    expect(Number(await box.sh(`ls /proc/${pid}/fd | wc -l`))).toBeLessThan(400);
    // A tool tries again where connect(2) would have it wait.
    expect(await box.sh('ngctl list | head -1')).toBe('There are 2 total nodes:\n');
    for (const client of clients) client.destroy();
    aliens.end();
    silent.stdin.end();
  });

  it('cannot fill the memory with halves of records', async () => {
    const { box } = t;
    const before = await rss();
    const halves = crowd(['jexec', 'a'], 300, MiB - 100);
    expect(await halves.served).toBe(300);
    await until(
      async () =>
        (await box.sh('grep -c "requests that are not done" /run/netgraph/daemon.log')) !== '0\n(exit 1)\n',
    );
    const clients = await bystanders();
    expect(await slowest(clients)).toBeLessThan(3000);
    expect((await rss()) - before).toBeLessThan(250 * MiB);
    for (const client of clients) client.destroy();
    halves.end();
  });

  it('cannot fill the memory with what it does not read', async () => {
    const { box } = t;
    await set('net.graph.maxrecvspace', 2 * MiB);
    const inside = await box.client({ name: 'reads' }, ['jexec', 'a']);
    await inside.mkpeer('.', 'hub', 'h', 'h');
    await inside.name('h', 'hub');
    const deaf = Array.from({ length: 8 }, () => box.connect(['jexec', 'a']));
    for (const [i, client] of deaf.entries()) {
      await client.call('open', { name: `deaf${i}` });
      client.reading(false);
      await inside.connectNodes('hub:', `deaf${i}:`, `h${i}`, 'in');
    }
    const before = await rss();
    const frame = new Uint8Array(60_000);
    for (let i = 0; i < 400; i++) await inside.sendData('h', frame).catch(() => {});
    // 8 times 4 MiB and more, if each had its own.
    expect((await rss()) - before).toBeLessThan(24 * MiB);
    // Who reads gets everything, in the same jail and elsewhere.
    await inside.mkpeer('.', 'echo', 'e', 'e');
    for (let i = 0; i < 50; i++) {
      await inside.sendData('e', Buffer.from(`frame ${i}`));
      await inside.arrival();
      expect(Buffer.from(inside.takeFrame()!.data).toString()).toBe(`frame ${i}`);
    }
    expect((await inside.listNodes()).length).toBe(11);
    for (const client of deaf) client.destroy();
    await inside.close();
  });

  it('that makes interfaces as fast as it can, over many connections, keeps nobody else waiting', async () => {
    const { box } = t;
    const clients = await bystanders();
    const flooders = Array.from({ length: 4 }, () => box.connect(['jexec', 'a']));
    const turn = Buffer.concat([
      record('.', mkpeer('eiface', 'e', 'ether')),
      record('.:e', message('shutdown')),
    ]);
    for (const client of flooders) {
      await client.call('open', {});
      client.write(Buffer.concat(Array.from({ length: 200 }, () => turn)));
    }
    expect(await slowest(clients)).toBeLessThan(3000);
    for (const client of flooders) client.destroy();
    for (const client of clients) client.destroy();
    await until(async () => (await box.sh('ngctl -j a list | grep -c socket')) === '1\n');
    // What was made and not yet taken away.
    await box.sh(
      'ngctl -j a list | grep -o "ngeth[0-9]*" | while read -r i; do ngctl -j a shutdown $i:; done',
    );
  });

  it('that lets frames run in circles keeps nobody else waiting', async () => {
    const { box } = t;
    const clients = await bystanders();
    const inside = await box.client({}, ['jexec', 'a']);
    await inside.mkpeer('.', 'hub', 'h', 'h');
    for (let i = 0; i < 4; i++) await inside.connectNodes('.:h', '.:h', `a${i}`, `b${i}`);
    await inside.sendData('h', new Uint8Array(1000));
    expect(await slowest(clients)).toBeLessThan(3000);
    await inside.shutdown('.:h');
    await inside.close();
    for (const client of clients) client.destroy();
  });

  it('makes no more interfaces and nodes than its jail may have', async () => {
    const { box } = t;
    expect(
      await box.sh('cd /; for n in maxnodes maxhooks maxinterfaces; do jexec a sysctl -n net.graph.$n; done'),
    ).toBe('65536\n131072\n1024\n');
    expect(await box.sh('sysctl -n net.graph.maxrecord; sysctl net.graph.maxrecord=1 2>&1')).toMatch(
      /^1048576\n.*read-only/,
    );
    await set('net.graph.maxinterfaces', 2);
    await set('net.graph.maxnodes', 5);
    const inside = await box.client({}, ['jexec', 'a']);
    const refused = (made: Promise<void>) => expect(made).rejects.toMatchObject({ code: 'ENFILE' });
    for (const hook of ['e1', 'e2']) await inside.mkpeer('.', 'eiface', hook, 'ether');
    await refused(inside.mkpeer('.', 'eiface', 'e3', 'ether'));
    for (const hook of ['h1', 'h2']) await inside.mkpeer('.', 'hub', hook, 'x');
    await refused(inside.mkpeer('.', 'hub', 'h3', 'x'));
    expect(await box.sh('ngctl mkpeer . eiface e ether; ngctl shutdown ngeth0:')).toBe('');
    for (const hook of ['e1', 'e2', 'h1', 'h2']) await inside.shutdown(hook);
    await inside.close();
    expect(await box.sh('jail -r a; jail -r b')).toBe('');
  });
});

describeReal('an answer', () => {
  const t = sharedMachine();
  let client: NetgraphClient;

  it('may be as long as what there is: a list of twenty thousand nodes', async () => {
    client = await t.box.client();
    await client.mkpeer('.', 'hub', 'h', 'h');
    const made = Array.from({ length: 20_000 }, (_, i) => client.mkpeer('.:h', 'hub', `x${i}`, 'x'));
    await Promise.all(made);
    expect((await client.listNodes()).length).toBe(20_002);
    await client.close();
  });

  it('that refuses is short, however long what it refuses', async () => {
    const raw = t.box.connect();
    await raw.call('open', {});
    for (const path of [
      'x'.repeat(MiB - 200),
      `${'x.'.repeat(MiB / 2 - 100)}`,
      '\u0001:'.repeat(MiB / 2 - 100),
    ]) {
      const { errno, text } = await raw.request(Kind.MESSAGE, path, '\0', message('nodeinfo'));
      expect(errnoName(errno)).toMatch(/^(ENOENT|EINVAL)$/);
      expect(text.length).toBeLessThan(5000);
    }
    const bytes = new Uint8Array(MiB - 200).fill(0xff);
    expect((await raw.request(Kind.MESSAGE, bytes, '\0', message('nodeinfo'))).text.length).toBeLessThan(
      5000,
    );
    raw.destroy();
  });
});
