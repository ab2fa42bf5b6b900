import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inputFrom, writeTo } from '../../src/cli/nghook/descriptors.js';
import { HOOK, type RelayOptions, relay } from '../../src/cli/nghook/relay.js';
import { runProgram } from '../../src/cli/nghook/run.js';
import { GraphSocket } from '../client/graph-socket.js';
import { simulatedWorld } from '../support/world.js';

async function* pieces(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

/** A socket whose hook leads to an echo, or to another socket. */
async function open(type: 'echo' | 'socket') {
  const world = simulatedWorld();
  const socket = new GraphSocket(world.graph, world.vnet0);
  const peer = new GraphSocket(world.graph, world.vnet0, 'peer');
  if (type === 'echo') await socket.mkpeer('.', 'echo', HOOK, 'debug');
  else await socket.connectNodes('.', 'peer:', HOOK, 'debug');
  let output = '';
  const start = (options: Partial<RelayOptions>) =>
    relay({
      socket,
      input: undefined,
      output: async (bytes) => {
        output += Buffer.from(bytes).toString();
      },
      ...options,
    });
  return { socket, peer, start, output: () => output };
}

it('sends its input, shows what comes back, and fails at the end of the input', async () => {
  const { start, output } = await open('echo');
  const ended = start({ input: pieces('one', 'two') });
  await expect(ended).rejects.toMatchObject({ exitCode: 71, message: 'EOF(stdin)' });
  expect(output()).toBe('onetwo');
});

it('shows frames for people', async () => {
  const { start, output } = await open('echo');
  await expect(start({ input: pieces('one', 'two'), ascii: true })).rejects.toThrow();
  expect(output()).toBe(
    '0000:  6f 6e 65                                         one             \n\n' +
      '0000:  74 77 6f                                         two             \n\n',
  );
});

it('sends back what it receives', async () => {
  const { start, output, peer, socket } = await open('socket');
  const ended = expect(start({ loop: true })).rejects.toThrow('read EOF from hook?!');
  await peer.sendData('debug', Buffer.from('ping'));
  await turn();
  expect(Buffer.from(peer.takeFrame()!.data).toString()).toBe('ping');
  expect(output()).toBe('ping');
  await socket.shutdown('.');
  await ended;
});

it('fails when its hook is gone', async () => {
  const { start, socket } = await open('echo');
  await socket.rmhook('.', HOOK);
  await expect(start({ input: pieces('x') })).rejects.toMatchObject({
    message: 'write(hook): No route to host',
  });
});

it('runs a program', async () => {
  const { peer, socket } = await open('socket');
  const file = join(mkdtempSync(join(tmpdir(), 'nghook-')), 'out');
  const running = runProgram(socket, ['/bin/sh', '-c', `echo hello; head -c 4 > ${file}; exit 3`], false);
  const greeting = await peer.frames().next();
  expect(Buffer.from(greeting.value.data).toString()).toBe('hello\n');
  await peer.sendData('debug', Buffer.from('pong'));
  expect(await running).toBe(3);
  expect(readFileSync(file, 'utf8')).toBe('pong');
});

it('runs a program without input', async () => {
  const { peer, socket } = await open('socket');
  expect(await runProgram(socket, ['/bin/cat'], true)).toBe(0);
  expect(await runProgram(socket, ['/bin/sh', '-c', 'echo a; sleep 0.1; echo b; kill -9 $$'], true)).toBe(
    137,
  );
  expect([peer.takeFrame()?.data.length, peer.takeFrame()?.data.length]).toEqual([2, 2]);
  const missing = runProgram(socket, ['/nonexistent'], true);
  await expect(missing).rejects.toMatchObject({
    exitCode: 71,
    message: '/nonexistent: No such file or directory',
  });
});

it('reads and writes descriptors', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'nghook-')), 'data');
  const fd = openSync(path, 'w+');
  await writeTo(fd, Buffer.alloc(100_000, 'x'));
  const source = openSync(path, 'r');
  const sizes = [];
  for await (const piece of inputFrom(source)) sizes.push(piece.length);
  expect(sizes).toEqual([65536, 34464]);
  closeSync(fd);
  closeSync(source);
  await expect(writeTo(fd, Buffer.from('x'))).rejects.toMatchObject({ exitCode: 71 });
});
