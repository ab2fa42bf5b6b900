/** The sandbox: its daemon, and what the system says of both. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.SOAK_DIST ?? join(here, '../../dist');

export const { NetgraphClient } = await import(pathToFileURL(join(dist, 'client/index.js')).href);
export const SOCKET = '/run/netgraph/control.sock';
export const LOG = '/run/netgraph/daemon.log';

export const own = (name) => join(here, name);
process.env.NODE_OPTIONS = `--require ${JSON.stringify(own('rest.cjs'))}`;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const now = () => process.hrtime.bigint();

/** The words to run one of the tools. */
export const tool = (name, ...words) => [process.execPath, join(dist, `cli/${name}.js`), ...words];

/** Our children, by process ID. */
export const children = new Map();

export function start(words, options = {}) {
  const child = spawn(words[0], words.slice(1), options);
  children.set(child.pid, words.join(' '));
  child.on('exit', () => children.delete(child.pid));
  child.stdin?.on('error', () => {});
  return child;
}

/** Runs a program; resolves with what it said and its status, whatever that is. */
export function run(words, { input = '', timeout = 30_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = start(words, { timeout, killSignal: 'SIGKILL' });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', reject);
    // Not `close`: a daemon that it starts may have its descriptors.
    child.on('exit', (status, signal) => setImmediate(() => resolve({ status, signal, output, errors })));
    child.stdin.end(input);
  });
}

/** Runs a program that has to succeed; resolves with its output. */
export async function must(words, options) {
  const { status, signal, output, errors } = await run(words, options);
  if (status !== 0) throw new Error(`${words.join(' ')}: ${signal ?? status}: ${errors}${output}`.trim());
  return output;
}

/** Process IDs of daemons: two while one takes over from the other. */
export const daemonPids = () =>
  processes().filter((pid) => {
    const words = read(`/proc/${pid}/cmdline`).split('\0');
    return words[1]?.endsWith('cli/netgraph.js') && words[2] === 'daemon' && isAlive(pid);
  });

export const daemonPid = () => daemonPids()[0];

const isAlive = (pid) => !['', 'Z', 'X'].includes(stateOf(pid));

const stateOf = (pid) => /^State:\s+(\w)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '';

export const processes = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** The contents of a file; '' when there is none. */
export function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export const daemonLog = () => read(LOG);

/** What a process has open, by kind. */
export function descriptors(pid) {
  const counts = { tap: 0, socket: 0, other: 0 };
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let target;
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue;
    }
    if (target === '/dev/net/tun') counts.tap++;
    else if (target.startsWith('socket:')) counts.socket++;
    else counts.other++;
  }
  return counts;
}

/** Resident memory of a process, in MiB. */
export const residentOf = (pid) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;

/** How long a process was ready to run in all, and others ran, in ms. */
export const waitOf = (pid) => Number(read(`/proc/${pid}/schedstat`).split(' ')[1] ?? 0) / 1e6;

/** Memory of the daemon after it has collected its garbage, in MiB: what JavaScript has, and what is resident. */
export async function memoryAtRest(pid) {
  const path = `/run/rest.${pid}`;
  rmSync(path, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (const end = Date.now() + 20_000; !existsSync(path); await sleep(10))
    if (Date.now() > end) throw new Error('the daemon does not say what memory it has');
  const { heapUsed, external, rss } = JSON.parse(readFileSync(path, 'utf8'));
  rmSync(path);
  return { heap: (heapUsed + external) / 2 ** 20, resident: rss / 2 ** 20 };
}

export const namespaceNames = () => list('/run/netns');
export const list = (directory) => (existsSync(directory) ? readdirSync(directory).sort() : []);

/** Mount points below /run, sorted. */
export const mounts = () =>
  read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith('/run/'))
    .sort();

/** Interfaces but lo; undefined when the namespace is not there. @param netns '' for here */
export async function links(netns) {
  const inside = netns === '' ? [] : ['-n', netns];
  const { status, output } = await run(['ip', ...inside, '-j', 'link']);
  if (status !== 0) return undefined;
  return JSON.parse(output || '[]').filter(({ ifname }) => ifname !== 'lo');
}

/** Processes whose network namespace is neither ours nor one with a name, and those that nobody buried. */
export function strays(allowed) {
  const inodes = new Set([statSync('/proc/self/ns/net').ino]);
  for (const name of namespaceNames()) {
    const stat = statSync(`/run/netns/${name}`, { throwIfNoEntry: false });
    if (stat !== undefined) inodes.add(stat.ino);
  }
  const found = [];
  for (const pid of processes()) {
    if (pid === 1 || pid === process.pid || allowed.has(pid) || children.has(pid)) continue;
    const what = `process ${pid} (${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)})`;
    const parent = Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? -1);
    if (parent === -1) continue; // it ended meanwhile
    if (stateOf(pid) === 'Z') found.push(`${what} is a zombie of ${parent}`);
    else if (!children.has(parent)) found.push(`${what} belongs to nobody`);
    else if (!inodes.has(statSync(`/proc/${pid}/ns/net`, { throwIfNoEntry: false })?.ino))
      found.push(`${what} is in a namespace that is gone`);
  }
  return found;
}
