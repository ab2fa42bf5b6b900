/**
 * What control costs: NODEINFO by name with 10,000 named nodes, and making and removing nodes; through the daemon's
 * socket, and in this process.
 * Usage: node control.mjs REQUESTS     prints operations per second, and nanoseconds in process
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { GENERIC_COOKIE, genericMessages, Message, makeGraph } from './graph.mjs';
import { dist, scratch, sleep } from './lab.mjs';

const NODES = 10_000;
const WINDOW = 500;
const REQUESTS = Number(process.argv[2] ?? 100_000);
const { NetgraphClient } = await import(`${dist}/client/index.js`);

/** Does something `count` times, `window` at a time; returns how many a second. */
async function rate(count, window, one) {
  let next = 0;
  const worker = async () => {
    while (next < count) await one(next++);
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: window }, worker));
  return (count * 1000) / (performance.now() - from);
}

/** Nanoseconds of each of `count` runs. */
function nanoseconds(count, one) {
  const from = performance.now();
  for (let i = 0; i < count; i++) one(i);
  return ((performance.now() - from) * 1e6) / count;
}

async function throughSocket() {
  const directory = mkdtempSync(join(scratch, 'control'));
  const env = { ...process.env, NETGRAPH_RUN_DIR: directory, NETGRAPH_STATE_DIR: directory };
  const daemon = spawn(process.execPath, [join(dist, 'cli/netgraph.js'), 'daemon'], { env, stdio: 'ignore' });
  const socketPath = join(directory, 'control.sock');
  let client;
  for (let left = 100; client === undefined; left--) {
    await sleep(0.05);
    client = await NetgraphClient.connect({ socketPath }).catch((error) => {
      if (left === 0) throw error;
    });
  }
  await rate(NODES, WINDOW, async (i) => {
    await client.mkpeer('.', 'hub', `h${i}`, 'up');
    await client.name(`.:h${i}`, `n${i}`);
  });
  const ask = (i) => client.nodeInfo(`n${(i * 7919) % NODES}:`);
  const results = {
    pipelined: await rate(REQUESTS, WINDOW, ask),
    sequential: await rate(REQUESTS / 5, 1, ask),
    mkpeer: await rate(REQUESTS / 20, 1, async () => {
      await client.mkpeer('n0:', 'hub', 'extra', 'up');
      await client.shutdown('n0:extra');
    }),
  };
  await client.call('stop', {}).catch(() => {});
  await client.close();
  await once(daemon, 'exit');
  return results;
}

function inProcess() {
  const { graph, control } = makeGraph({
    message: (_from, message) => {
      size += message.encode().length;
      return 0;
    },
    end() {},
  });
  let size = 0;
  const { node } = control;
  for (let i = 0; i < NODES; i++) graph.nameNode(graph.makePeer(node, `h${i}`, 'up', 'hub'), `n${i}`);
  const names = Array.from({ length: NODES }, (_, i) => `n${(i * 7919) % NODES}:`);
  const request = new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd).encode();
  const failed = (error) => {
    if (error !== undefined) throw error;
  };
  const ask = (i) => control.send(names[i % NODES], Message.decode(request), failed);
  const remake = () => graph.removeNode(graph.makePeer(node, 'extra', 'up', 'hub'));
  ask(0);
  if (size === 0) throw new Error('no reply');
  nanoseconds(REQUESTS / 5, ask);
  nanoseconds(REQUESTS / 20, remake);
  return { nodeinfo: nanoseconds(REQUESTS, ask), mkpeer: nanoseconds(REQUESTS / 5, remake) };
}

console.log(JSON.stringify({ ...(await throughSocket()), inProcess: inProcess() }));
