import { expect, it } from 'vitest';
import { Failure } from '../../src/cli/command.js';
import { parseConf } from '../../src/cli/jail/conf.js';
import { configuredJails } from '../../src/cli/jail/config.js';
import { GENERIC_COOKIE, genericMessages, Message } from '../../src/client/index.js';
import { sort } from '../../src/linux/nlmsg.js';
import { errnoName, Frame } from '../../src/netgraph/index.js';
import { encode } from '../../src/netgraph/types/index.js';
import { encodeRecord, Kind, RecordReader } from '../../src/protocol/index.js';
import { faults } from '../support/faults.js';
import { sharedMachine } from '../support/machine.js';
import { Program } from '../support/program.js';
import { describeReal } from '../support/sandbox.js';
import { simulatedWorld } from '../support/world.js';
import { corpus, expand, type Text } from './corpus.js';

it.each(corpus('frame'))('%s', (_name, { type, hook, bytes, offload }) => {
  const world = simulatedWorld();
  const me = new Program(world);
  const node = world.graph.makeNode(world.vnet0, String(type));
  world.graph.connect(me.node, 'out', node, String(hook));
  const data = Buffer.from(String(bytes), 'hex');
  const head = offload === true ? 12 : 0;
  const error = me.node.findHook('out')!.send(new Frame(data, head, data.length - head, head > 0));
  expect(error === 0 || errnoName(error) !== undefined).toBe(true);
  world.graph.destroyHook(me.node.findHook('out')!);
  world.settle();
  expect(world.log).toEqual([]);
  expect(faults(world)).toEqual([]);
});

it.each(corpus('conf'))('%s', (_name, { text }) => {
  try {
    configuredJails(parseConf(expand(text as Text), 'jail.conf'));
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
  }
});

it.each(corpus('netlink'))('%s', (_name, { bytes }) => {
  expect(sort(Buffer.from(String(bytes), 'hex'))).toHaveProperty('messages');
});

it.each(corpus('record'))('%s', (_name, { length, pieces }) => {
  const stream = encodeRecord(Kind.CALL, 1, new Uint8Array(Number(length) - 5));
  const reader = new RecordReader();
  const start = performance.now();
  let found = 0;
  for (let at = 0; at < stream.length; at += Number(pieces))
    found += reader.push(Buffer.from(stream.subarray(at, at + Number(pieces)))).length;
  expect(found).toBe(1);
  expect(performance.now() - start).toBeLessThan(10_000);
});

describeReal('what a daemon was sent', () => {
  const t = sharedMachine();

  it.each(corpus('control'))('%s', async (_name, { path, call, flood, refused, patience }) => {
    const [client, other] = [t.box.connect(), t.box.connect()];
    await client.call('open', {});
    await other.call('open', {});
    const nodeInfo = new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd).encode();
    if (path !== undefined) {
      const { errno, text } = await client.request(Kind.MESSAGE, expand(path as Text), '\0', nodeInfo);
      expect([errnoName(errno), text.length < 5000]).toEqual([refused, true]);
    }
    if (call !== undefined) {
      const { errno, text } = await client.request(Kind.CALL, Buffer.from(expand(call as Text), 'latin1'));
      expect([errnoName(errno), text.length < 5000]).toEqual([refused, true]);
    }
    if (flood !== undefined) {
      const { type, pairs } = flood as { type: string; pairs: number };
      const make = { type, ourhook: 'e', peerhook: 'ether' };
      const mkpeer = new Message(GENERIC_COOKIE, 2, encode(genericMessages.mkpeer.args, make)).encode();
      const shutdown = new Message(GENERIC_COOKIE, genericMessages.shutdown.cmd).encode();
      const pair = [
        encodeRecord(Kind.MESSAGE, 1, '.\0', mkpeer),
        encodeRecord(Kind.MESSAGE, 1, '.:e\0', shutdown),
      ];
      client.write(Buffer.concat(Array.from({ length: pairs }, () => pair).flat()));
    }
    const start = performance.now();
    expect((await other.request(Kind.MESSAGE, '.\0', nodeInfo)).errno).toBe(0);
    expect(performance.now() - start).toBeLessThan(Number(patience ?? 3000));
    client.destroy();
    other.destroy();
  });
});
