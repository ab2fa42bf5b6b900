/**
 * How long frames wait while the daemon is restarted, and while it is killed and started again, as JSON: gaps between
 * the answers to a ping every millisecond and between the arrivals of a TCP stream, in milliseconds. Last in a world that is
 * larger: JAILS jails more with an interface each, and NODES nodes.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { dist, run, sleep, start } from './lab.mjs';
import { makePath } from './paths.mjs';

const seconds = Number(process.argv[2] ?? 2);
const JAILS = 100;
const NODES = 10_000;
/** For a larger world there is more time. */
const LONGER = 15;
const RECEIVER = `
import socket, sys, time
server = socket.create_server(("", 7000)); print("ready", flush=True)
peer, _ = server.accept(); peer.settimeout(30); last = time.monotonic(); gap = octets = 0
while chunk := peer.recv(1 << 20):
    now = time.monotonic(); gap = max(gap, now - last); last = now; octets += len(chunk)
print(gap * 1000, octets, flush=True)`;
const SENDER = `
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 7000)); end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end: peer.sendall(bytes(1 << 16))`;

const { a, b, address, env } = await makePath('ours', 0);
const netgraph = (...words) => [process.execPath, join(dist, 'cli/netgraph.js'), ...words];
const daemonPid = async () => JSON.parse(await run(netgraph('status', '--json'), { env })).pid;

/** Loss and gaps of a ping while something happens in its midst. */
async function pinged(happening, wait = seconds + 5) {
  const words = ['ping', '-n', '-D', '-i', '0.001', '-w', String(wait), address];
  const output = run(words, { netns: a, timeout: 60_000 }).catch((error) => error.message);
  await sleep(1);
  await happening();
  const text = await output;
  const times = [...text.matchAll(/^\[([\d.]+)\].*icmp_seq=(\d+).* time=([\d.]+) ms/gm)];
  const arrivals = times.map(([, time]) => Number(time) * 1000);
  const gaps = arrivals.slice(1).map((time, i) => time - arrivals[i]);
  const sent = Number(/(\d+) packets transmitted/.exec(text)[1]);
  if (sent - Number(times.at(-1)[2]) > 500) throw new Error(`frames do not pass again: ${text.slice(-200)}`);
  return { gap: Math.max(...gaps), lost: sent - new Set(times.map(([, , sequence]) => sequence)).size };
}

/** The longest time without data of a TCP stream while something happens in its midst. */
async function streamed(happening) {
  let output = '';
  const receiver = spawn('nsenter', [`--net=/run/netns/${b}`, 'python3', '-c', RECEIVER]);
  receiver.stdout.on('data', (chunk) => {
    output += chunk;
  });
  while (!output.includes('ready')) await sleep(0.02);
  const ended = new Promise((resolve) => receiver.on('close', resolve));
  const sender = run(['python3', '-c', SENDER, address, String(seconds + 2)], { netns: a });
  await sleep(1);
  await happening();
  await sender;
  await ended;
  const [gap, octets] = output.split('\n')[1].split(' ').map(Number);
  return { gap, octets };
}

async function restart() {
  await run(netgraph('restart'), { env });
}

/** Kills it, and starts another at once. */
async function kill() {
  process.kill(await daemonPid(), 'SIGKILL');
  await start(netgraph('daemon'), { env });
}

/** In each jail an interface that leads to a hub with all the other nodes around it. */
async function populate() {
  const { NetgraphClient } = await import(`${dist}/client/index.js`);
  const socketPath = join(env.NETGRAPH_RUN_DIR, 'control.sock');
  const host = await NetgraphClient.connect({ socketPath });
  for (let i = 0; i < JAILS; i++) {
    const name = `many${i}`;
    await host.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true' } });
    const inside = await NetgraphClient.connect({ socketPath, jail: name });
    await inside.mkpeer('.', 'eiface', 'e', 'ether');
    await inside.rmhook('.', 'e');
    await inside.mkpeer('ngeth0:', 'hub', 'ether', 'down');
    await inside.name('ngeth0:ether', 'hub');
    for (let n = 2; n < NODES / JAILS; n++) await inside.mkpeer('hub:', 'hub', `h${n}`, 'up');
    await inside.close();
  }
  await host.close();
}

const of = ({ gap, lost }) => ({ 'gap ms': gap, ...(lost === undefined ? {} : { lost }) });
const result = {
  'restart, ping': of(await pinged(restart)),
  'restart, TCP': of(await streamed(restart)),
  'kill -9 and start, ping': of(await pinged(kill)),
  'kill -9 and start, TCP': of(await streamed(kill)),
};
await populate();
const larger = `kill -9 and start, ${JAILS} jails, ${NODES} nodes, ping`;
result[larger] = of(await pinged(kill, seconds + LONGER));
await run(netgraph('stop'), { env, timeout: 120_000 });
console.log(JSON.stringify(result));
process.exit();
