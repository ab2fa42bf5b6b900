import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { interactive } from '../../src/cli/ngctl/interactive.js';
import { Message } from '../../src/client/index.js';
import { GraphSocket } from '../client/graph-socket.js';
import { simulatedShell } from './ngctl-shell.js';

function session() {
  const input = new PassThrough();
  const output = new PassThrough();
  const { world, shell, socket } = simulatedShell({ out: (text) => output.write(text) });
  let shown = '';
  output.on('data', (text) => {
    shown += text;
  });
  const ended = interactive(shell, input, output);
  const settle = async () => {
    for (let i = 0; i < 20; i++) await turn();
    const text = shown;
    shown = '';
    return text;
  };
  return { world, socket, input, ended, settle };
}

it('shows help, prompts, and carries out what is typed', async () => {
  const { input, ended, settle } = session();
  expect(await settle()).toMatch(/^Available commands:\n.*\n\+ $/s);
  input.write('show -n .\n');
  expect(await settle()).toBe(
    '  Name: ngctl1          Type: socket          ID: 00000001   Num hooks: 0\n+ ',
  );
  input.write('nosuch\n\n');
  expect(await settle()).toBe('+ + ');
  input.write('quit\n');
  await ended;
});

it('shows what arrives at once', async () => {
  const { world, socket, input, ended, settle } = session();
  await settle();
  const other = new GraphSocket(world.graph, world.vnet0, 'other');
  await other.send('ngctl1:', new Message(9, 8));
  expect(await settle()).toBe('\nRec\'d command 8 from "[2]:":\nNo arguments\n+ ');
  await other.connectNodes('.', 'ngctl1:', 'a', 'b');
  await other.sendData('a', Buffer.from('hi'));
  expect(await settle()).toBe(
    `\nRec'd data packet on hook "b":\n0000:  68 69                                            hi              \n+ `,
  );
  expect(socket.isOpen).toBe(true);
  input.end();
  await ended;
  expect(await settle()).toBe('\n');
});

it('ends with its node', async () => {
  const { input, ended } = session();
  input.write('shutdown .\n');
  await expect(ended).rejects.toMatchObject({ exitCode: 71, message: 'the socket node is gone' });
});
