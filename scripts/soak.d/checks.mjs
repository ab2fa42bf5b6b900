/** What must hold when nothing is under way. */
import { statSync } from 'node:fs';
import {
  daemonLog,
  daemonPid,
  descriptors,
  links,
  list,
  mounts,
  namespaceNames,
  sleep,
  strays,
} from './box.mjs';
import { CHAOS } from './chaos.mjs';
import { faults, survey } from './survey.mjs';

/** Lines of the daemon's log that tell of a mistake of its own. */
const DEFECTS = /uncaught|unhandled|TypeError|ReferenceError|RangeError|failed:|damaged/;
/** What may take a moment, in ms: others deleted something, clients went. */
const PATIENCE = 20_000;
/** Descriptors that are neither interfaces nor sockets: epoll, log, journal, lock and the like. */
const MOST_OTHERS = 50;

export const isWild = (jail) => jail === CHAOS || jail.startsWith(`${CHAOS}.`);

/** An answer may take its time: in a graph full of frames, say. */
function late(error) {
  if (error.code !== 'ETIMEDOUT') throw error;
  return [error.message];
}

/** Looks until nothing is wrong, or for long enough. */
async function eventually(look) {
  const begin = Date.now();
  for (let slow = false; ; await sleep(50)) {
    const found = await look().catch(late);
    if (found.length === 0 || Date.now() > begin + PATIENCE) return found;
    if (slow || Date.now() < begin + 1000) continue;
    slow = true;
    if (process.env.SOAK_DEBUG) console.error(`not yet: ${found.join('; ')}`);
  }
}

/** The graph is consistent, and what the model says; the system has what the daemon says. */
export function worldFaults(ledger) {
  return eventually(async () => {
    const seen = await survey();
    const { model } = ledger;
    const system = await systemFaults(seen);
    return [...faults(seen), ...model.differences(seen, isWild), ...settingFaults(model, seen), ...system];
  });
}

/**
 * After a kill: the operation under way is done or not.
 * @returns what is wrong; when nothing is, the model is what is there
 */
export function afterKill(ledger) {
  return eventually(async () => {
    const seen = await survey();
    const differences = (model) => [...model.differences(seen, isWild), ...settingFaults(model, seen)];
    const before = differences(ledger.model);
    if (before.length === 0) {
      ledger.after = undefined;
      return [];
    }
    const after = ledger.after && differences(ledger.after);
    if (after?.length === 0) {
      ledger.model = ledger.after;
      ledger.after = undefined;
      return [];
    }
    const done = (after ?? []).map((what) => `if it was done: ${what}`);
    return [...before.map((what) => `if the last operation was not done: ${what}`), ...done];
  });
}

/** What was told to nodes and jails. */
function settingFaults(model, seen) {
  const found = [];
  for (const [jail, { sysctls }] of model.jails) {
    for (const [name, value] of Object.entries(sysctls)) {
      const real = seen.vnets.get(jail)?.sysctls?.[name];
      if (real !== undefined && Number(real) !== value)
        found.push(`jail "${jail}": ${name} is ${real}, not ${value}`);
    }
  }
  for (const { key, jail, id, settings } of model.nodes.values()) {
    const real = seen.vnets.get(jail)?.nodes.get(id);
    if (settings.offload !== undefined && real !== undefined && real.offload !== settings.offload)
      found.push(`jail "${jail}": ${key} has offload ${real.offload}, not ${settings.offload}`);
  }
  return found;
}

async function systemFaults({ jails, status }) {
  const found = [];
  const namespaces = jails.filter(({ vnet }) => vnet === 'new').map(({ name }) => name);
  if (String(namespaces.sort()) !== String(namespaceNames()))
    found.push(`namespaces are ${namespaceNames()}, jails ${namespaces}`);
  const names = jails.map(({ name }) => name).sort();
  if (String(names) !== String(list('/run/netgraph/uts')))
    found.push(`hostnames are held for ${list('/run/netgraph/uts')}, jails are ${names}`);
  const expected = [
    ...namespaces.map((name) => `/run/netns/${name}`),
    ...names.map((name) => `/run/netgraph/uts/${name}`),
  ];
  const holders = mounts().filter((path) => /^\/run\/(netns|netgraph\/uts)\/./.test(path));
  if (String(expected.sort()) !== String(holders)) found.push(`mounts are ${holders}, not ${expected}`);
  const jids = new Map([
    ['', 0],
    ...jails.filter(({ vnet }) => vnet === 'new').map(({ name, jid }) => [name, jid]),
  ]);
  for (const [name, jid] of jids) {
    const there = await links(name);
    const known = status.interfaces.filter((device) => device.jid === jid).map((device) => device.name);
    const real = there?.map(({ ifname }) => ifname);
    if (String(real?.sort()) !== String(known.sort()))
      found.push(`jail "${name}": links ${real}, daemon has ${known}`);
  }
  const pid = daemonPid();
  if (pid !== status.pid) found.push(`the daemon says that it is process ${status.pid}, and is ${pid}`);
  const { tap, other } = descriptors(status.pid);
  if (tap !== status.interfaces.length)
    found.push(`${tap} descriptors of TAPs for ${status.interfaces.length} interfaces`);
  if (other > MOST_OTHERS) found.push(`${other} descriptors of other kinds`);
  return found;
}

/** Sockets of the daemon that nobody has the other end of. @param clients how many connections there may be */
export const socketFaults = (clients) =>
  eventually(async () => {
    const { socket } = descriptors(daemonPid());
    // The control socket, and some for rtnetlink.
    return socket > clients + 8 ? [`the daemon has ${socket} sockets, ${clients} clients are there`] : [];
  });

export const processFaults = () => eventually(async () => strays(new Set([daemonPid()])));

/** What the log says since the last look. */
export class LogReader {
  at = 0;

  faults() {
    const text = daemonLog();
    if (text.length < this.at) this.at = 0; // it was made shorter
    const lines = text.slice(this.at).split('\n');
    this.at = text.length;
    return lines.filter((line) => DEFECTS.test(line)).map((line) => `log: ${line}`);
  }
}

/** All that a start of the daemon may change of the machine. */
export async function machine() {
  return {
    namespaces: namespaceNames(),
    mounts: mounts().filter((path) => path !== '/run/netns'),
    links: (await links('')).map(({ ifname }) => ifname),
    files: [...list('/run/netgraph'), ...list('/run/state')],
    daemon: daemonPid(),
    network: statSync('/proc/self/ns/net').ino,
  };
}
