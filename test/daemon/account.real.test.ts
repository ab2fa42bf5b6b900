import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message, type NetgraphClient } from '../../src/client/index.js';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { SOCKET, sharedMachine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** Opens connections one after the other, closes each by half after its requests, and reads the first answer only. */
const HALF_CLOSED = `
const net = require('net'), [path, count, requests] = process.argv.slice(1);
const next = (left) => {
  if (left === 0) return console.log('done');
  const socket = net.connect({ path, allowHalfOpen: true }, () => socket.write(Buffer.from(requests, 'hex')));
  socket.on('error', () => {});
  socket.once('data', () => {
    socket.pause();
    socket.end();
    next(left - 1);
  });
};
next(Number(count));
process.stdin.on('end', () => process.exit()).resume();`;

const LIST = encodeRecord(
  Kind.MESSAGE,
  1,
  '.\0',
  new Message(GENERIC_COOKIE, genericMessages.listnodes.cmd).encode(),
);

const NODES = 8000;

// Starting processes takes its time where much else runs.

describeReal('what clients of a jail do not read', () => {
  const t = sharedMachine();
  const jailed = ['jexec', 'a'];
  let inside: NetgraphClient;

  const set = async (name: string, value: number): Promise<void> => {
    const client = await t.box.client({ jail: 'a' });
    await client.call('sysctl.write', { name: `net.graph.${name}`, value: String(value) });
    await client.close();
  };

  beforeAll(async () => {
    expect(await t.box.sh('jail -c name=a vnet persist')).toBe('');
  });

  // So many nodes that their list is half a megabyte, more than the system takes for a client that does not read.
  beforeEach(async () => {
    inside = await t.box.client({}, jailed);
    await inside.mkpeer('.', 'hub', 'h', 'h');
    const made = Array.from({ length: NODES }, (_, i) => inside.mkpeer('.:h', 'hub', `x${i}`, 'x'));
    await Promise.all(made);
  });

  afterEach(async () => {
    await inside.shutdown('.:h');
    await inside.close();
  });

  it('keeps those who do read from nothing, and costs the others their connections', async () => {
    await set('maxrecvspace', 2 ** 18);
    const deaf = Array.from({ length: 3 }, () => t.box.connect(jailed));
    for (const client of deaf) {
      await client.call('open', {});
      client.reading(false);
      for (let i = 0; i < 3; i++) client.write(LIST);
    }
    for (let i = 0; i < 3; i++) expect((await inside.listNodes()).length).toBeGreaterThan(NODES);
    expect(await t.box.sh('grep -c "does not read its answers" /run/netgraph/daemon.log')).not.toMatch(/^0/);
    for (const client of deaf) client.destroy();
    await set('maxrecvspace', 2 ** 26);
  });

  it('keeps no connection from its end that is closed by half', async () => {
    const { pid } = await t.box.status();
    const connections = async () => Number(await t.box.sh(`ls -l /proc/${pid}/fd | grep -c socket`));
    const before = await connections();
    const open = encodeRecord(Kind.CALL, 1, '{"method":"open"}');
    const words = [SOCKET, '20', Buffer.concat([open, LIST]).toString('hex')];
    const halves = t.box.spawn(...jailed, process.execPath, '-e', HALF_CLOSED, ...words);
    await new Promise((resolve) => halves.stdout.once('data', resolve));
    await until(async () => (await connections()) === before);
    halves.stdin.end();
  });
});
