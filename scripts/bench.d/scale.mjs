/**
 * How things go with many of them: interfaces, jails, nodes.
 * Usage: node scale.mjs SECONDS     prints { what: { column: number } }
 */
import { freemem } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { GENERIC_COOKIE, genericMessages, Message, makeGraph } from './graph.mjs';
import { dist, run, scratch, sleep, start } from './lab.mjs';
import { median } from './table.mjs';

const { World } = await import(`${dist}/index.js`);
const { Journal } = await import(`${dist}/state/journal.js`);
const seconds = Number(process.argv[2] ?? 2);
const results = {};
const shutdown = () => new Message(GENERIC_COOKIE, genericMessages.shutdown.cmd);

/** A world that is written down, as the daemon's is. */
async function keptWorld() {
  const world = new World();
  const found = Journal.open(join(scratch, 'scale.journal'));
  await world.keep(found);
  const close = async () => {
    await world.close();
    found.journal.remove();
  };
  return { world, close };
}

/** Makes eifaces, `ngeth0` and so on, in a new jail. */
async function jailWith(world, name, count) {
  const jail = await world.jails.create({ name, vnet: 'new', persist: 'true' });
  const inside = world.socket({ jail });
  for (let i = 0; i < count; i++) {
    await inside.mkpeer('.', 'eiface', `e${i}`, 'ether');
    await inside.rmhook('.', `e${i}`);
  }
  return { jail, inside };
}

/** Pairs of eifaces, one in each of two jails, with addresses 10.N.N.1 and 10.N.N.2. */
async function makePairs(world, count) {
  const sides = [await jailWith(world, 'busya', count), await jailWith(world, 'busyb', count)];
  for (const netns of ['busya', 'busyb'])
    for (const which of ['all', 'default'])
      await run(['sysctl', '-qw', `net.ipv6.conf.${which}.disable_ipv6=1`], { netns });
  const host = world.socket();
  for (let i = 0; i < count; i++) {
    for (const { jail } of sides) {
      await host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
      await host.name('.:w', `${jail.name}${i}`);
      await host.rmhook('.', 'w');
      await host.msg(`${jail.name}${i}:`, 'open', `"${jail.name}"`);
      await host.connectNodes(`${jail.name}${i}:jid=${jail.id}`, `ngeth${i}:`, 'evthorizon', 'ether');
    }
    await host.connectNodes(`busya${i}:`, `busyb${i}:`, 'evthorizon', 'evthorizon');
  }
  for (const [side, name] of ['busya', 'busyb'].entries()) {
    const lines = Array.from({ length: count }, (_, i) => {
      const address = `10.${100 + (i >> 8)}.${i & 255}.${side + 1}/24`;
      return `address add ${address} dev ngeth${i}\nlink set ngeth${i} up\n`;
    });
    await run(['ip', '-n', name, '-batch', '-'], { input: lines.join('') });
  }
}

/** Five streams of five programs, each over the pair that `pairOf` says; Gbit/s of all. */
async function fiveStreams(pairOf) {
  const streams = await Promise.all(
    Array.from({ length: 5 }, async (_, i) => {
      const port = String(5301 + i);
      const words = ['iperf3', '-c', `10.100.${pairOf(i)}.2`, '-p', port, '-t', String(seconds), '-J'];
      const { end } = JSON.parse(await run(words, { netns: 'busya', timeout: (seconds + 10) * 1000 }));
      return end.sum_received.bits_per_second / 1e9;
    }),
  );
  return streams.reduce((sum, stream) => sum + stream);
}

async function busyAmongIdle() {
  const world = new World();
  await makePairs(world, 250);
  const servers = [];
  for (let i = 0; i < 5; i++)
    servers.push(await start(['iperf3', '-s', '-p', String(5301 + i)], { netns: 'busyb' }));
  await sleep(0.5);
  await fiveStreams((i) => i * 50);
  const [few, many] = [[], []];
  for (let round = 0; round < 3; round++) {
    many.push(await fiveStreams((i) => i * 50));
    few.push(await fiveStreams(() => 0));
  }
  for (const server of servers) process.kill(server, 'SIGKILL');
  await world.close();
  results['2 TAPs'] = { 'Gbit/s': median(few) };
  results['500 TAPs'] = { 'Gbit/s': median(many) };
}

/** How long something takes, and for how long at a time it keeps everything else waiting; milliseconds. */
async function timed(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(0.02);
  delay.reset();
  const from = performance.now();
  await work();
  const ms = performance.now() - from;
  await sleep(0.02);
  delay.disable();
  return { ms, 'longest block ms': delay.max / 1e6 };
}

async function removal() {
  const { world, close } = await keptWorld();
  const { inside } = await jailWith(world, 'many', 500);
  results['remove 500'] = await timed(async () => {
    await Promise.all(Array.from({ length: 500 }, (_, i) => inside.send(`ngeth${i}:`, shutdown())));
    await world.settled();
  });
  const { jail } = await jailWith(world, 'hundred', 100);
  results['remove jail'] = await timed(() => world.jails.remove(jail));
  await close();
}

/** A jail with an eiface each, all joined by one hub. */
async function manyJails(count) {
  const { world, close } = await keptWorld();
  const host = world.socket({ name: 'host' });
  await host.mkpeer('.', 'hub', 'hub', 'up');
  await host.name('.:hub', 'hub');
  const { rss } = process.memoryUsage();
  const free = freemem();
  const made = await timed(async () => {
    for (let i = 0; i < count; i++) {
      const { jail, inside } = await jailWith(world, `jail${i}`, 1);
      await inside.close();
      await host.mkpeer('hub:', 'wormhole', `link${i}`, 'evthorizon');
      await host.msg(`hub:link${i}`, 'open', `"jail${i}"`);
      await host.connectNodes(`hub:link${i}.jid=${jail.id}`, 'ngeth0:', 'evthorizon', 'ether');
      world.commit();
    }
  });
  results[`${count} jails`] = {
    'ms to make one': made.ms / count,
    'longest block ms': made['longest block ms'],
    'KB of ours for one': (process.memoryUsage().rss - rss) / count / 1000,
    'KB of the whole system for one': (free - freemem()) / count / 1000,
    'ms to remove one': (await timed(close)).ms / count,
  };
}

/** A chain of nodes with two hooks each, and names. */
function manyNodes(count) {
  const { graph, control } = makeGraph();
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const from = performance.now();
  let [node, hook] = [control.node, 'chain'];
  for (let i = 0; i < count; i++) {
    node = graph.makePeer(node, hook, 'left', 'mix0');
    hook = 'right';
  }
  const made = performance.now() - from;
  globalThis.gc();
  const bytes = (process.memoryUsage().heapUsed - before) / count;
  const again = performance.now();
  graph.close();
  control.close();
  for (const left of graph.nodes(control.vnet)) graph.removeNode(left);
  const removed = performance.now() - again;
  results[`${count} nodes`] = {
    'µs to make one': (made * 1000) / count,
    'bytes of one': bytes,
    'µs to remove one': (removed * 1000) / count,
  };
}

manyNodes(100_000);
await busyAmongIdle();
await removal();
await manyJails(1000);
console.log(JSON.stringify(results));
