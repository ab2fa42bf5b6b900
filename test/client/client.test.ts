import { describe, expect, it } from 'vitest';
import { ClientError, encode, genericMessages, Message, NetgraphClient } from '../../src/client/index.js';
import { encodeRecord, encodeResult, Kind, splitName } from '../../src/protocol/index.js';
import { FakeDaemon } from './fake-daemon.js';

const NUL = new Uint8Array(1);
const NODEINFO = genericMessages.nodeinfo;
const info = { name: 'n', type: 'hub', id: 9, hooks: 2 };

/** A daemon that answers each message with a nodeinfo, and says so before the result. */
const answering = () =>
  new FakeDaemon(({ kind, id, body }, daemon) => {
    if (kind !== Kind.MESSAGE) return daemon.result(id);
    const message = Message.decode(splitName(body)[1]);
    const reply = message.reply(encode(NODEINFO.reply, info));
    daemon.send(Kind.RECEIVED_MESSAGE, 0, '[9]:', NUL, reply.encode());
    daemon.result(id);
  });

const connect = (daemon: FakeDaemon, options = {}) =>
  NetgraphClient.connect({ transport: daemon.transport, ...options });

describe('connect', () => {
  it('says hello, and makes no node before it is needed', async () => {
    const daemon = answering();
    const client = await connect(daemon);
    expect(daemon.requests).toEqual(['1 {"method":"hello","params":{"version":1}}']);
    expect(client.daemon).toEqual({ pid: 7, version: '1.2.3' });
    await client.nodeInfo();
    expect(daemon.requests.slice(1)).toEqual(['1 {"method":"open","params":{}}', '2 .']);
    await client.nodeInfo('x:');
    expect(daemon.requests.slice(3)).toEqual(['2 x:']);
    expect(await client.nodeId()).toBe(5);
    await client.close();
  });

  it('names the node and enters a jail', async () => {
    const daemon = answering();
    await connect(daemon, { name: 'me', jail: 'demo' });
    expect(daemon.requests).toEqual([
      '1 {"method":"hello","params":{"version":1,"jail":"demo"}}',
      '1 {"method":"open","params":{"name":"me"}}',
    ]);
  });

  it.each([
    [64, 'jail "demo" not found', 'ENOHOST', 68],
    [1, 'not yours', 'EPERM', 77],
    [92, 'protocol version 1, the daemon speaks 2', 'EPROTO', 76],
  ])('turns errno %i of hello into an error', async (errno, sentence, code, exitCode) => {
    const daemon = new FakeDaemon();
    const connecting = connect(daemon, { jail: 'demo' });
    // Instead of the answer that it would give.
    daemon.result = (id) => daemon.refuse(id, errno, sentence);
    await expect(connecting).rejects.toMatchObject({ code, exitCode, message: sentence });
  });

  it('does not find a daemon', async () => {
    const options = { socketPath: '/nonexistent/control.sock' };
    await expect(NetgraphClient.connect(options)).rejects.toMatchObject({ code: 'ENODAEMON', exitCode: 71 });
  });
});

describe('requests', () => {
  it('have a reply of their type', async () => {
    const client = await connect(answering());
    expect(await client.nodeInfo('x:')).toEqual(info);
  });

  it('have replies that came before the result in the queue', async () => {
    const client = await connect(answering());
    const token = await client.send('x:', new Message(1137070366, NODEINFO.cmd));
    expect(client.takeMessage()).toMatchObject({ from: '[9]:', message: { token, isReply: true } });
    expect(client.takeMessage()).toBeUndefined();
  });

  it('have tokens that are positive and increase', async () => {
    const client = await connect(answering());
    const tokens = [client.nextToken(), client.nextToken(), client.nextToken()];
    expect(tokens).toEqual([1, 2, 3]);
    expect(await client.send('x:', new Message(1, 2))).toBe(4);
  });

  it('reject with what the daemon refuses', async () => {
    const daemon = new FakeDaemon(({ id }) => daemon.refuse(id, 2, 'no node for path "x:"'));
    const client = await connect(daemon);
    const refusal = { name: 'NgError', code: 'ENOENT', errno: 2, message: 'no node for path "x:"' };
    await expect(client.nodeInfo('x:')).rejects.toMatchObject(refusal);
    await expect(client.call('status', {})).rejects.toMatchObject(refusal);
    await expect(client.sendData('h', new Uint8Array(1))).rejects.toMatchObject(refusal);
  });

  it('time out, and can be given up', async () => {
    const daemon = new FakeDaemon(({ id }) => daemon.result(id));
    const client = await connect(daemon);
    const ask = () => new Message(1137070366, NODEINFO.cmd);
    const late = client.request('x:', ask(), { timeout: 10 });
    await expect(late).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: 'no reply from "x:" within 0.01 s',
    });
    const soon = AbortSignal.timeout(10);
    await expect(client.request('x:', ask(), { signal: soon })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const given = client.request('x:', ask(), { signal: AbortSignal.abort(new Error('enough')) });
    await expect(given).rejects.toThrow('enough');
  });

  it('of more than a record can hold are refused here', async () => {
    const client = await connect(answering());
    const huge = new Uint8Array(1 << 20);
    await expect(client.sendData('h', huge)).rejects.toMatchObject({ code: 'EMSGSIZE' });
    // In UTF-8 it has twice as many bytes as letters.
    await expect(client.nodeInfo('ü'.repeat(900_000))).rejects.toMatchObject({ code: 'EMSGSIZE' });
    await expect(client.sendData('h', 'hello' as unknown as Uint8Array)).rejects.toThrow(TypeError);
    await expect(client.send('a\0b', new Message(1, 1))).rejects.toMatchObject({ code: 'EINVAL' });
  });
});

describe('what arrives', () => {
  it('is read as it comes', async () => {
    const daemon = answering();
    const client = await connect(daemon);
    daemon.send(Kind.RECEIVED_FRAME, 0, 'h', NUL, 'one');
    daemon.send(Kind.RECEIVED_MESSAGE, 0, '[3]:', NUL, new Message(1, 2).encode());
    daemon.send(Kind.RECEIVED_FRAME, 0, 'h', NUL, 'two');
    daemon.send(Kind.END, 0);
    const frames = [];
    for await (const { hook, data } of client.frames()) frames.push([hook, Buffer.from(data).toString()]);
    expect(frames).toEqual([
      ['h', 'one'],
      ['h', 'two'],
    ]);
    const messages = [];
    for await (const { from } of client.messages()) messages.push(from);
    expect(messages).toEqual(['[3]:']);
    expect(client.isOpen).toBe(false);
  });

  it('is dropped and counted when nobody reads', async () => {
    const daemon = answering();
    const client = await connect(daemon);
    const large = new Uint8Array(1000 * 1000);
    for (let i = 0; i < 20; i++) daemon.send(Kind.RECEIVED_FRAME, 0, 'h', NUL, large);
    await client.nodeInfo();
    expect(client.dropped).toEqual({ messages: 0, frames: 4 });
  });

  it('may come in any pieces', async () => {
    const daemon = new FakeDaemon();
    const client = await connect(daemon);
    const status = client.call('status', {});
    const frame = encodeRecord(Kind.RECEIVED_FRAME, 0, 'h', NUL, 'abc');
    for (const byte of Buffer.concat([frame, encodeResult(2, undefined, { nodes: 3 })]))
      daemon.stream.write(Uint8Array.of(byte));
    expect(await status).toEqual({ nodes: 3 });
    expect(client.takeFrame()?.hook).toBe('h');
  });
});

describe('the end', () => {
  it('rejects all that waits when the daemon dies', async () => {
    const daemon = new FakeDaemon();
    const client = await connect(daemon);
    const waiting = [client.call('status', {}), client.nodeInfo(), client.sendData('h', NUL)];
    const reading = client.messages().next();
    setTimeout(() => daemon.die(), 10);
    const gone = { code: 'ECONNRESET', message: 'the netgraph daemon ended the connection', exitCode: 71 };
    for (const result of await Promise.allSettled([...waiting, reading]))
      expect(result).toMatchObject({ status: 'rejected', reason: gone });
    await expect(client.nodeInfo()).rejects.toBeInstanceOf(ClientError);
    await client.close();
  });

  it('rejects all that waits when the daemon talks nonsense', async () => {
    const daemon = new FakeDaemon();
    const client = await connect(daemon);
    const waiting = client.call('status', {});
    daemon.stream.write(Buffer.alloc(16, 0xff));
    await expect(waiting).rejects.toThrow('the netgraph daemon sent what cannot be understood');
  });

  it('ends what is read when the client is closed', async () => {
    const client = await connect(new FakeDaemon());
    const reading = client.messages().next();
    const waiting = client.call('status', {});
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'ECLOSED' });
    await client.close();
    await rejected;
    expect(await reading).toEqual({ done: true, value: undefined });
    await expect(client.nodeInfo()).rejects.toMatchObject({ code: 'ECLOSED' });
  });
});
