import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message } from '../../src/client/index.js';
import { errno, errnoName } from '../../src/netgraph/index.js';
import { encodeRecord, Kind, MAX_RECORD } from '../../src/protocol/index.js';
import { type RawClient, SOCKET, sharedMachine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const MiB = 2 ** 20;

/** Opens a number of connections, sends something over each, and holds them until its input ends. */
const CROWD = `
const net = require('net'), [count, first] = process.argv.slice(1);
let open = 0;
const connect = () => {
  const socket = net.connect('${SOCKET}', () => {
    socket.write(Buffer.from(first, 'hex'));
    if (++open == count) console.log('all');
  });
  // EAGAIN: more wait than listen(2) lets.
  socket.on('error', ({ code }) => (code === 'EAGAIN' ? setTimeout(connect, 20) : console.log(code)));
};
for (let i = 0; i < count; i++) connect();
process.stdin.on('end', () => process.exit()).resume();`;

describeReal('a client', () => {
  const t = sharedMachine();

  const memory = async (): Promise<number> => (await t.box.status()).memory.rss;

  /** What the daemon says at the end of a connection: an error, in answer to nothing in particular. */
  async function lastWords(client: RawClient) {
    const { id, body } = await client.record();
    await until(() => client.closed);
    return { id, code: errnoName(body[0]), text: Buffer.from(body.subarray(4)).toString() };
  }

  it('that speaks another language is told so, and dropped', async () => {
    for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\0\0\0\0\0\0\0\0\0', '\xff'.repeat(1000)]) {
      const client = t.box.connect();
      client.write(Buffer.from(garbage, 'latin1'));
      const { id, code, text } = await lastWords(client);
      expect([id, code]).toEqual([0, 'EMSGSIZE']);
      expect(text).toMatch(/^record of \d+ bytes, not 5 to 1048576$/);
    }
    expect(await t.box.sh('grep -c "client dropped: record of" /run/netgraph/daemon.log')).toBe('3\n');
  });

  it('that promises too much is dropped before it has sent it', async () => {
    const client = t.box.connect();
    const head = Buffer.alloc(9);
    head.writeUInt32LE(MAX_RECORD + 1);
    head[4] = Kind.CALL;
    client.write(head);
    expect((await lastWords(client)).code).toBe('EMSGSIZE');
  });

  it('that sends the longest record of all is answered', async () => {
    const client = t.box.connect();
    const json = JSON.stringify({ method: 'hello', params: { version: 1, jail: '' } });
    const padded = json.replace('""', `"${'x'.repeat(MAX_RECORD - json.length - 5)}"`);
    expect(await client.request(Kind.CALL, padded)).toMatchObject({ errno: errno('EHOSTDOWN') });
    client.destroy();
  });

  it('that sends half a record and hangs keeps nobody waiting, and is not waited for', async () => {
    const clients = Array.from({ length: 5 }, () => t.box.connect());
    for (const client of clients)
      client.write(encodeRecord(Kind.CALL, 1, 'x'.repeat(MiB / 2)).subarray(0, 300_000));
    expect(await t.box.sh('ngctl list | head -1')).toBe('There are 1 total nodes:\n');
    for (const client of clients) client.destroy();
  });

  it('that sends records in the smallest of pieces is understood', async () => {
    const client = t.box.connect();
    const bytes = encodeRecord(Kind.CALL, 7, JSON.stringify({ method: 'jail.list' }));
    for (const byte of bytes) {
      client.write(Uint8Array.of(byte));
      await sleep(1);
    }
    const { id, body } = await client.record();
    expect([id, Buffer.from(body).toString()]).toEqual([7, '\0\0\0\0[]']);
    client.destroy();
  });

  it('that is not understood hears why, and may go on', async () => {
    const client = t.box.connect();
    const said = async (kind: number, ...parts: (Uint8Array | string)[]) => {
      const { errno, text } = await client.request(kind, ...parts);
      return `${errnoName(errno) ?? errno}: ${text}`;
    };
    expect(await said(99)).toBe('EINVAL: request of unknown kind 99');
    expect(await said(Kind.RESULT, 'x')).toBe('EINVAL: request of unknown kind 16');
    expect(await said(Kind.CALL, '{')).toMatch(/^EINVAL: a call that is not JSON: /);
    expect(await said(Kind.CALL, '\0\xff\xfe')).toMatch(/^EINVAL: a call that is not JSON: /);
    expect(await said(Kind.CALL, '['.repeat(MiB / 2))).toMatch(/^EINVAL: a call that is not JSON: /);
    for (const json of ['null', '7', '"x"', '[]', '{}', '{"method":7}'])
      expect(await said(Kind.CALL, json)).toBe('EINVAL: a call without the name of a method');
    for (const method of ['nope', 'toString', '__proto__', 'constructor'])
      expect(await said(Kind.CALL, JSON.stringify({ method }))).toBe(`ENOSYS: unknown call "${method}"`);
    expect(await said(Kind.CALL, '{"method":"status","params":7}')).toContain('must be an object');
    expect(await said(Kind.MESSAGE, '.')).toContain('EINVAL: a record without the name');
    expect(await said(Kind.MESSAGE, '.:\0', new Uint8Array(56))).toMatch(/^ENOTCONN: .*open one first$/);
    expect(await said(Kind.FRAME, 'h\0x')).toContain('ENOTCONN');
    expect(await said(Kind.CALL, '{"method":"hello","params":{"version":2}}')).toBe(
      'EPROTO: protocol version 2, the daemon speaks 1',
    );
    expect(await said(Kind.CALL, '{"method":"open"}')).toMatch(/^0: \{"id":\d+\}$/);
    expect(await said(Kind.CALL, '{"method":"open"}')).toContain('EISCONN');
    client.destroy();
  });

  it('whose messages or frames are no such things hears why', async () => {
    const client = t.box.connect();
    await client.call('open', {});
    const send = async (bytes: Uint8Array, path = '.') => {
      const { errno, text } = await client.request(Kind.MESSAGE, `${path}\0`, bytes);
      return `${errnoName(errno) ?? errno}: ${text}`;
    };
    const good = () => new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd).encode();
    const with_ = (at: number, value: number) => {
      const bytes = good();
      bytes[at] = value;
      return bytes;
    };
    expect(await send(good())).toBe('0: {}');
    expect(await send(good().subarray(0, 55))).toBe(
      'EINVAL: control message of 55 bytes, shorter than its header',
    );
    expect(await send(new Uint8Array(0))).toContain('of 0 bytes');
    expect(await send(with_(0, 7))).toBe('EINVAL: control message of version 7, not 8');
    expect(await send(with_(4, 1))).toBe('EINVAL: control message claims 1 bytes of arguments');
    expect(await send(with_(7, 255))).toBe('EINVAL: control message claims 4278190080 bytes of arguments');
    expect(await send(with_(8, 99))).toMatch(/^EINVAL: a node of type socket does not know message /);
    for (const path of ['nope:', '[dead]:', ':', '.nohook', 'a.b.c', 'x'.repeat(5000), '\u0001:'])
      expect([path, await send(good(), path)]).toEqual([path, expect.stringMatching(/^(ENOENT|EINVAL)/)]);
    const large = new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd, new Uint8Array(200_000)).encode();
    expect(await send(large)).toMatch(/^EMSGSIZE: .*net\.graph\.maxdgram/);
    const frame = async (...parts: (Uint8Array | string)[]) =>
      errnoName((await client.request(Kind.FRAME, ...parts)).errno);
    expect(await frame('nohook\0', 'data')).toBe('EHOSTUNREACH');
    expect(await frame('h'.repeat(40), '\0data')).toBe('EINVAL');
    expect(await frame('nohook\0', new Uint8Array(200_000))).toBe('EMSGSIZE');
    client.destroy();
  });

  it('that asks a hundred thousand times and never listens costs little, and others are served', async () => {
    const client = t.box.connect();
    await client.call('open', {});
    const before = await memory();
    client.reading(false);
    const listNodes = new Message(GENERIC_COOKIE, genericMessages.listnodes.cmd).encode();
    const calls = Buffer.concat([
      encodeRecord(Kind.CALL, 1, JSON.stringify({ method: 'jail.list' })),
      encodeRecord(Kind.MESSAGE, 2, '.\0', listNodes),
    ]);
    for (let i = 0; i < 50; i++) client.write(Buffer.concat(Array.from({ length: 1000 }, () => calls)));
    await sleep(300);
    const start = performance.now();
    expect(await t.box.sh('ngctl list | head -1')).toBe('There are 2 total nodes:\n');
    expect(performance.now() - start).toBeLessThan(2000);
    expect((await memory()) - before).toBeLessThan(20 * MiB);
    // It may change its mind.
    client.reading(true);
    let results = 0;
    await client.record(({ kind }) => kind === Kind.RESULT && ++results === 100_000);
    // Or end as it was.
    client.reading(false);
    for (let i = 0; i < 5; i++) client.write(Buffer.concat(Array.from({ length: 1000 }, () => calls)));
    await sleep(100);
    client.destroy();
    await until(async () => (await t.box.sh('ngctl list | head -1')) === 'There are 1 total nodes:\n');
  });

  it('that does not read what others send it is sent no more than it has room for', async () => {
    const deaf = t.box.connect();
    await deaf.call('open', { name: 'deaf' });
    deaf.reading(false);
    const client = await t.box.client();
    const before = await memory();
    await client.mkpeer('.', 'hub', 'h', 'h');
    const data = new Uint8Array(100_000);
    const text = new Message(1, 1, data);
    text.flags = 1; // a reply nobody asked for
    let refused = 0;
    for (let i = 0; i < 200; i++)
      await client.send('deaf:', text).catch(({ code }) => code === 'ENOBUFS' && refused++);
    expect(refused).toBeGreaterThan(100);
    await client.connectNodes('.:h', 'deaf:', 'out', 'in');
    for (let i = 0; i < 200; i++)
      await client.sendData('h', data).catch(({ code }) => code === 'ENOBUFS' && refused++);
    expect(refused).toBeGreaterThan(250);
    expect((await memory()) - before).toBeLessThan(48 * MiB);
    deaf.destroy();
    await client.close();
  });

  it('may be one of three thousand, silent or half-way through a record', async () => {
    const before = await memory();
    const [silent, halfway] = ['', '640000000101'].map((first) =>
      t.box.spawn(process.execPath, '-e', CROWD, '1500', first),
    );
    for (const crowd of [silent, halfway])
      expect(await new Promise((resolve) => crowd.stdout.once('data', (text) => resolve(`${text}`)))).toBe(
        'all\n',
      );
    expect(await t.box.sh('ngctl list | head -1')).toBe('There are 1 total nodes:\n');
    expect((await memory()) - before).toBeLessThan(100 * MiB);
    const { pid } = await t.box.status();
    const files = async () => Number(await t.box.sh(`ls /proc/${pid}/fd | wc -l`));
    expect(await files()).toBeGreaterThan(3000);
    for (const crowd of [silent, halfway]) crowd.stdin.end();
    await until(async () => (await files()) < 100);
  });

  it('that is refused and says nothing keeps the daemon from nothing', async () => {
    const alien = t.box.connect(['unshare', '--net']);
    const chatty = t.box.connect(['unshare', '--net']);
    chatty.write(encodeRecord(Kind.CALL, 3, 'x'));
    const { id, body } = await chatty.record();
    expect([id, errnoName(body[0])]).toEqual([3, 'EPERM']);
    await until(() => chatty.closed);
    expect(alien.closed).toBe(false);
    const other = 'NETGRAPH_RUN_DIR=/run/third NETGRAPH_STATE_DIR=/run/third/state';
    await t.box.sh(`${other} ngctl list`);
    const third = t.box.connect(['unshare', '--net'], '/run/third/control.sock');
    await sleep(100);
    expect(await t.box.sh(`${other} netgraph stop; find /run -name third`)).toBe('');
    await until(() => third.closed);
    alien.destroy();
  });
});

describeReal('a client in a jail that is removed', () => {
  const t = sharedMachine();

  it('is told so in whatever it asks for, and has no part in one that gets the name', async () => {
    await t.box.sh('jail -c name=a vnet persist children.max=5');
    const inside = t.box.connect();
    await inside.call('hello', { version: 1, jail: 'a' });
    const opened = await t.box.client({ jail: 'a', name: 'me' });
    expect(await t.box.sh('jail -r a; jail -c name=a vnet persist; ngctl -j a list -n')).not.toContain('me ');
    for (const method of ['jail.list', 'open', 'status', 'sysctl.list', 'type.list'])
      expect(await inside.call(method)).toEqual({ errno: errno('ENXIO'), text: 'jail a was removed' });
    await expect(opened.listNodes()).rejects.toThrow('the socket node was shut down');
    expect(opened.isOpen).toBe(false);
    await opened.close();
    inside.destroy();
  });
});
