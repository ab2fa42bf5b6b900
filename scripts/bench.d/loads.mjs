/** What is sent from A to B, and what is read off. Each load returns numbers by column. */
import { join } from 'node:path';
import { compile, cpuTime, dist, run, sleep } from './lab.mjs';
import { crowdBeside, pathBeside } from './paths.mjs';

/** iperf3; throughput in Gbit/s, and the share of one processor that the forwarding process used. */
async function tcp({ a, address, pid }, seconds, ...options) {
  const words = ['iperf3', '-c', address, '-t', String(seconds), '-J', ...options];
  const [from, before] = [performance.now(), pid && cpuTime(pid)];
  const { end } = JSON.parse(await run(words, { netns: a, timeout: (seconds + 10) * 1000 }));
  const both = end.sum_received.bits_per_second + (end.sum_received_bidir_reverse?.bits_per_second ?? 0);
  const cpu =
    pid === undefined ? undefined : (100 * (cpuTime(pid) - before)) / ((performance.now() - from) / 1000);
  return { gbps: both / 1e9, cpu };
}

async function udp({ a, b, address }, seconds) {
  const program = await programs.udp;
  const received = run([program, 'receive', String(seconds)], { netns: b });
  await sleep(0.1);
  await run([program, 'send', address, '64', String(seconds + 0.5)], { netns: a });
  return { kpps: Number(await received) / 1000 };
}

async function ping({ a, address }, seconds) {
  const words = [await programs.ping, address, String(Math.min(1000, seconds * 1000))];
  const [average, , p99, lost] = (await run(words, { netns: a })).split(' ').map(Number);
  if (lost > 0) throw new Error(`${lost} echoes lost`);
  return { average, p99 };
}

/** How long the daemon takes to answer `ngctl list` while four streams run: by a connected client, and the tool. */
async function list({ a, address, env }, seconds) {
  const { NetgraphClient } = await import(`${dist}/client/index.js`);
  const client = await NetgraphClient.connect({ socketPath: join(env.NETGRAPH_RUN_DIR, 'control.sock') });
  const load = run(['iperf3', '-c', address, '-t', String(2 * seconds + 1), '-P', '4'], { netns: a });
  await sleep(0.5);
  const timed = async (ask, pause) => {
    const times = [];
    for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(pause)) {
      const from = performance.now();
      await ask();
      times.push(performance.now() - from);
    }
    return times.sort((x, y) => x - y);
  };
  const answers = await timed(() => client.listNodes(), 0.001);
  const tool = await timed(() => run([process.execPath, join(dist, 'cli/ngctl.js'), 'list'], { env }), 0);
  await Promise.all([load, client.close()]);
  const at = (times, share) => times[Math.floor((times.length - 1) * share)];
  return { p50: at(answers, 0.5), p99: at(answers, 0.99), tool: at(tool, 0.5) };
}

/** Echoes between two jails while others of the same daemon are busy, half a second longer before and after. */
async function pingBeside(path, seconds, busy) {
  path.beside ??= await pathBeside(path);
  const others = busy(seconds + 1);
  await sleep(0.5);
  const { average, p99 } = await ping(path.beside, seconds);
  return { average, p99, ...(await others) };
}

/** The others send small datagrams as fast as they go. */
const fairness = (path, seconds) => pingBeside(path, seconds, (time) => udp(path, time));

/** The other floods a hub with a hundred interfaces. */
async function fanout(path, seconds) {
  path.crowd ??= await crowdBeside(path);
  const { netns, address } = path.crowd;
  const program = await programs.udp;
  return pingBeside(path, seconds, async (time) => {
    await run([program, 'send', address, '64', String(time)], { netns });
  });
}

/** Compiled on first use. */
const programs = {
  get udp() {
    this.compiledUdp ??= compile('udp');
    return this.compiledUdp;
  },
  get ping() {
    this.compiledPing ??= compile('ping');
    return this.compiledPing;
  },
};

/** By name: what runs, and its columns: [key, heading, digits]. */
export const loads = {
  tcp1: {
    run: (path, s) => tcp(path, s),
    columns: [
      ['gbps', 'TCP 1 Gbit/s', 1],
      ['cpu', 'CPU %', 0],
    ],
  },
  tcp4: {
    run: (path, s) => tcp(path, s, '-P', '4'),
    columns: [
      ['gbps', 'TCP 4 Gbit/s', 1],
      ['cpu', 'CPU %', 0],
    ],
  },
  both: {
    run: (path, s) => tcp(path, s, '--bidir'),
    columns: [
      ['gbps', 'both ways', 1],
      ['cpu', 'CPU %', 0],
    ],
  },
  udp: { run: udp, columns: [['kpps', 'UDP 64 B kpps', 0]] },
  ping: {
    run: ping,
    columns: [
      ['average', 'ping µs', 1],
      ['p99', 'p99', 1],
    ],
  },
  fairness: {
    run: fairness,
    only: (path) => path === 'ours',
    columns: [
      ['kpps', 'flood kpps', 0],
      ['average', 'ping beside µs', 0],
      ['p99', 'p99', 0],
    ],
  },
  fanout: {
    run: fanout,
    only: (path) => path === 'ours',
    columns: [
      ['average', 'ping beside hub µs', 0],
      ['p99', 'p99', 0],
    ],
  },
  list: {
    run: list,
    only: (path) => path === 'ours',
    columns: [
      ['p50', 'list ms p50', 2],
      ['p99', 'p99', 2],
      ['tool', 'ngctl list ms', 0],
    ],
  },
};
