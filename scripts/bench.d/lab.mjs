/** Programs and namespaces for the measurements. All of it ends with the sandbox that scripts/bench makes. */
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
/** Where the built package is. */
export const dist = process.env.BENCH_DIST ?? join(here, '../../dist');
/** Where another build is that `dist` is to be compared with, if any. */
export const otherDist = process.env.BENCH_OTHER;
/** Where compiled programs and logs go: private and in memory. */
export const scratch = '/run/bench';
mkdirSync(scratch, { recursive: true });

/** The words to run something in a namespace by name; undefined: here. */
const inside = (netns, words) =>
  netns === undefined ? words : ['nsenter', `--net=/run/netns/${netns}`, ...words];

/** Runs a program to its end and returns its standard output. Rejects when it fails or takes too long. */
export function run(words, { netns, input = '', timeout = 30_000, env = {} } = {}) {
  const [command, ...args] = inside(netns, words);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout, killSignal: 'SIGKILL', env: { ...process.env, ...env } });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', reject);
    const begin = performance.now();
    child.on('close', (status, signal) => {
      const end = signal
        ? `${signal} after ${((performance.now() - begin) / 1000).toFixed(1)} s`
        : `exit ${status}`;
      if (status === 0) resolve(output);
      else reject(new Error(`${words.join(' ')}: ${end}: ${errors}${output}`.trim()));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Starts a program that stays. Resolves, with its process ID, when it wrote `ready` (or at once without). */
export function start(words, { netns, ready, env = {} } = {}) {
  const [command, ...args] = inside(netns, words);
  const log = openSync(join(scratch, 'log'), 'a');
  // Standard input stays open: vde_switch ends with it.
  const stdio = ['pipe', ready === undefined ? log : 'pipe', log];
  const child = spawn(command, args, { stdio, env: { ...process.env, ...env } });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) =>
      reject(new Error(`${words.join(' ')} ended with ${status}, see its log:\n${logged()}`)),
    );
    if (ready === undefined) resolve(child.pid);
    else
      child.stdout.on('data', (chunk) => {
        if (String(chunk).includes(ready)) resolve(child.pid);
      });
  });
}

const logged = () => readFileSync(join(scratch, 'log'), 'utf8').slice(-2000);

/** Compiles a C program of this directory; returns its path. */
export async function compile(name) {
  const program = join(scratch, name);
  await run(['cc', '-O2', '-Wall', '-o', program, join(here, `${name}.c`)]);
  return program;
}

/** The path of a file of this directory. */
export const own = (name) => join(here, name);

/** Runs a script of this directory in a Node of its own, and returns the JSON that it prints. */
export const measureIn = async (script, words = [], timeout = 600_000) =>
  JSON.parse(await run([process.execPath, '--expose-gc', own(script), ...words.map(String)], { timeout }));

export const addNamespace = (name) => run(['ip', 'netns', 'add', name]);

/** Gives an interface its address, and takes it up. No IPv6: nothing shall be on the wire but the load. */
export async function configure(netns, device, address) {
  await run(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1'], { netns });
  await run(['ip', '-n', netns, 'address', 'add', `${address}/24`, 'dev', device]);
  await run(['ip', '-n', netns, 'link', 'set', device, 'up']);
}

/** Processor time that a process has used so far, in seconds. */
export function cpuTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Waits until others leave the processors alone, but not longer than `patience` seconds. */
export async function quiet(patience = 2) {
  const times = () => {
    const [user, nice, system, idle, ...rest] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .split(/ +/)
      .slice(1)
      .map(Number);
    return { idle, all: [user, nice, system, idle, ...rest.slice(0, 4)].reduce((sum, time) => sum + time) };
  };
  for (const end = performance.now() + patience * 1000; performance.now() < end; ) {
    const before = times();
    await sleep(0.1);
    const after = times();
    if ((after.idle - before.idle) / (after.all - before.all) > 0.9) return;
  }
}

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
