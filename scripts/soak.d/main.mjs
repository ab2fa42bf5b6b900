/** Rounds of everything at once; see scripts/soak. */
import { closeSync, openSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  children,
  daemonLog,
  daemonPid,
  daemonPids,
  descriptors,
  LOG,
  memoryAtRest,
  must,
  NetgraphClient,
  now,
  residentOf,
  run,
  SOCKET,
  sleep,
  start,
  tool,
  waitOf,
} from './box.mjs';
import { CHAOS, Chaos } from './chaos.mjs';
import { afterKill, LogReader, machine, processFaults, socketFaults, worldFaults } from './checks.mjs';
import { Hangers, tryTool } from './hangers.mjs';
import { Interrupted, Ledger } from './ledger.mjs';
import { Pair, WAYS } from './pair.mjs';
import { Playground } from './playground.mjs';
import { Chance } from './random.mjs';
import { missed, spread, tally, within } from './report.mjs';
import { Rests } from './trend.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '1000000000' },
    'no-kill': { type: 'boolean', default: false },
    'no-restart': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const MOST_PAIRS = 3;
/** A round that takes longer hangs, in ms. */
const ROUND = 180_000;
/** What happens in a round, and how often. */
const STEPS = {
  play: 70,
  add: 3,
  end: 3,
  way: 4,
  loseInterface: 2,
  offloads: 3,
  mtu: 2,
  client: 4,
  thin: 2,
  wait: 3,
};
/** How a daemon is started after a kill. */
const STARTS = ['jls', 'ngctl', 'daemon', 'many'];
/** How a pair ends. */
const ENDS = ['jail -r', 'jail -r', 'netns', 'wormhole', 'quiet'];
/** Until a daemon that was started forwards, in ms, while it need not wait for others: more is a fault. The goal is 1000. */
const MOST_GAP = 10_000;
/** More resident memory than this is never needed, in MiB. */
const MOST_MEMORY = 500;
const minutes = Number(options.minutes);
const chance = (...words) => new Chance(options.seed, ...words);
/** What was begun last. */
const history = [];
function note(what) {
  history.push(`${((Date.now() - begin) / 1000).toFixed(3)} ${what}`);
  if (history.length > 60) history.shift();
  if (options.verbose) console.log(history.at(-1));
}
const begin = Date.now();

class Soak {
  chance = chance('rounds');
  ledger = new Ledger(note);
  playground = new Playground(this.ledger, chance('playground'));
  chaos = new Chaos([1, 2, 3].map((n) => chance('chaos', n)));
  hangers = new Hangers(this.ledger, chance('clients'), note);
  log = new LogReader();
  /** The first stays all the time. */
  pairs = [];
  lastPair = 0;
  round = 0;
  pid = undefined;
  killedAt = undefined;
  /** When something was last done to the first pair. */
  touched = 0n;
  summary = {
    rounds: 0,
    kills: 0,
    restarts: 0,
    datagrams: 0,
    octets: 0,
    streamOctets: 0,
    maxMemory: 0,
    maxDescriptors: 0,
  };
  steps = tally(Object.keys(STEPS));
  starts = tally(STARTS);
  ends = tally(ENDS);
  rests = new Rests(minutes, options['no-kill'] && options['no-restart']);
  killGaps = [];
  restartGaps = [];

  async begin() {
    this.before = await machine();
    await must(tool('jls'));
    this.pid = daemonPid();
    await this.ledger.createJail(CHAOS, { 'children.max': '10' });
    await this.addPair(1000, 3e6);
  }

  async addPair(rate = 200, octets = 1e6) {
    const name = `p${this.lastPair++}`;
    const pair = new Pair(this.ledger, chance('pair', name), name, {
      way: this.chance.pick(WAYS),
      rate,
      octets,
    });
    this.pairs.push(pair);
    await pair.build();
  }

  async play() {
    this.round++;
    const doing = [];
    const { calm, found } = this.rests.next();
    const kill = this.chance.maybe(0.5) && !calm && !options['no-kill'];
    const restart = this.chance.maybe(0.3) && !calm && !options['no-restart'];
    const count = 15 + this.chance.below(30);
    const moment = this.chance.below(count * 2);
    const delay = this.chance.maybe(0.5) ? 0 : this.chance.next() * 8;
    this.chaos.mayLose = kill;
    this.chaos.start();
    if (kill) this.armKill(moment, delay);
    if (restart) doing.push(this.restart(this.chance.below(800)));
    try {
      for (let i = 0; i < count; i++) await this.step();
      // It did not come to that moment.
      if (kill && this.killedAt === undefined) this.kill();
    } catch (error) {
      if (!(error instanceof Interrupted) || this.killedAt === undefined) throw error;
    }
    this.ledger.begun = () => {};
    if (kill) await this.recover();
    await Promise.all(doing);
    note('wait for chaos');
    await this.chaos.stop();
    note('wait for what it started');
    await this.chaos.settled();
    note('try a tool');
    if (!kill) await tryTool(this.chance);
    const words = [`${count} operations`, ...(kill ? ['kill'] : []), ...(restart ? ['restart'] : [])];
    return { words, faults: [...found, ...(await this.check())] };
  }

  /** Looks at what the daemon has when nothing is under way and nobody hangs on to it. */
  async rest() {
    await this.hangers.clear();
    const found = await this.socketFaults();
    const { socket, other } = descriptors(this.pid);
    const { clients, model } = this.ledger;
    const sample = await memoryAtRest(this.pid);
    this.rests.add({ ...sample, descriptors: socket + other - clients.size - model.jails.size });
    note(`at rest: ${JSON.stringify(sample)}`);
    return found;
  }

  socketFaults() {
    return socketFaults(this.ledger.clients.size + this.hangers.ends.size);
  }

  /** One thing that happens in a round. */
  async step() {
    const pair = this.chance.pick(this.pairs);
    const what = this.chance.weighted(STEPS);
    this.steps[what]++;
    if (pair === this.pairs[0] && ['way', 'loseInterface', 'offloads', 'mtu'].includes(what))
      this.touched = now();
    if (what === 'play') await this.playground.step();
    else if (what === 'add' && this.pairs.length < MOST_PAIRS) await this.addPair();
    else if (what === 'end' && this.pairs.length > 1) await this.endPair();
    else if (what === 'way') await pair.changeWay();
    else if (what === 'loseInterface') await pair.loseInterface();
    else if (what === 'offloads') await pair.setOffloads();
    else if (what === 'mtu') await pair.setMtu();
    else if (what === 'client') await this.hangers.add(this.chance.pick(this.pairs));
    else if (what === 'thin') await this.hangers.thin(0.5);
    else if (what === 'wait') await sleep(this.chance.below(200));
  }

  async endPair() {
    const pair = this.chance.pick(this.pairs.slice(1));
    this.count(pair);
    const how = this.chance.pick(ENDS);
    this.ends[how]++;
    await pair.end(how);
    this.takePairFaults(pair);
    this.pairs.splice(this.pairs.indexOf(pair), 1);
  }

  count(pair) {
    for (const [what, count] of Object.entries(pair.totals())) this.summary[what] += count;
  }

  // Kills

  /** Kills the daemon `delay` ms after so many operations have begun. */
  armKill(moment, delay) {
    let left = moment;
    this.ledger.begun = () => {
      if (left-- !== 0) return;
      if (delay === 0) setImmediate(() => this.kill());
      else setTimeout(() => this.kill(), delay);
    };
  }

  kill() {
    if (this.killedAt !== undefined) return;
    // Two, when one is about to take over from the other.
    const pids = daemonPids();
    note(`kill -9 ${pids}`);
    this.killedAt = now();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    // Who wants a restart would start the next one, and restart that.
    for (const [pid, words] of children) if (words.endsWith(' restart')) process.kill(pid, 'SIGKILL');
    this.summary.kills++;
  }

  /** Starts the daemon again, in one of many ways, and finds everything as it was. */
  async recover() {
    while (daemonPids().length > 0) await sleep(1);
    await this.ledger.disconnected();
    await this.hangers.clear();
    await sleep(this.chance.below(300));
    await this.playground.disturb();
    const started = now();
    await this.startDaemon(this.chance.pick(STARTS));
    this.killedAt = undefined;
    await this.chaos.stop();
    const wrong = await afterKill(this.ledger);
    if (wrong.length > 0) throw new Error(`after a kill:\n${wrong.join('\n')}`);
    for (const pair of [...this.pairs]) {
      if (pair.whole) await pair.repair();
      else await this.dropPair(pair);
    }
    const stuck = await this.pairs[0].flows();
    if (stuck.length > 0) throw new Error(`after a kill: ${stuck.join('\n')}`);
    const gap = this.pairs[0].gapAfter(started);
    if (gap !== undefined) this.killGaps.push(gap);
    if (gap > MOST_GAP + waitOf(this.pid)) throw new Error(`frames pass ${gap} ms after the start`);
    note(`the daemon is process ${this.pid}, forwards after ${gap?.toFixed(0)} ms`);
  }

  /** A pair that was not complete. */
  async dropPair(pair) {
    this.count(pair);
    await pair.abandon();
    this.takePairFaults(pair);
    this.pairs.splice(this.pairs.indexOf(pair), 1);
  }

  async startDaemon(how) {
    note(`start by ${how}`);
    this.starts[how]++;
    const tools = {
      jls: [tool('jls')],
      ngctl: [tool('ngctl', 'list')],
      many: [tool('jls'), tool('ngctl', 'list'), tool('jls')],
    };
    if (how === 'daemon') {
      const log = openSync(LOG, 'a');
      start(tool('netgraph', 'daemon'), { stdio: ['ignore', log, log], detached: true }).unref();
      closeSync(log);
    } else await Promise.all(tools[how].map((words) => must(words)));
    for (const end = Date.now() + 20_000; ; await sleep(5)) {
      try {
        const client = await NetgraphClient.connect({ socketPath: SOCKET });
        this.pid = client.daemon.pid;
        await client.close();
        return;
      } catch (error) {
        if (Date.now() > end) throw new Error(`the daemon does not start: ${error.message}`);
      }
    }
  }

  /** `netgraph restart`: clients stay, and so does everything else. */
  async restart(wait) {
    await sleep(wait);
    if (this.killedAt !== undefined) return;
    note('netgraph restart');
    const [from, { kills }] = [now(), { ...this.summary }];
    const { status, errors } = await run(tool('netgraph', 'restart'));
    if (this.summary.kills !== kills) return;
    if (status !== 0) throw new Error(`netgraph restart: exit ${status}: ${errors}`);
    await sleep(200);
    this.pid = daemonPid();
    note(`the daemon is process ${this.pid}`);
    // Unless there was something else that frames had to wait for.
    if (this.touched < from) this.restartGaps.push(this.pairs[0].longestGap(from));
    this.summary.restarts++;
  }

  // Checks

  takePairFaults(pair) {
    const faults = pair.takeFaults();
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  async check() {
    note('look at the world');
    const found = await worldFaults(this.ledger);
    for (const pair of this.pairs) {
      note(`look at ${pair.name}`);
      found.push(...(await pair.flows()), ...pair.takeFaults());
    }
    note('look at the rest');
    found.push(...this.hangers.faults.splice(0), ...this.chaos.wrong.splice(0), ...this.log.faults());
    found.push(...(await this.socketFaults()));
    found.push(...(await processFaults()));
    const memory = residentOf(this.pid);
    this.summary.maxMemory = Math.max(this.summary.maxMemory, Math.round(memory));
    const { tap, socket, other } = descriptors(this.pid);
    this.summary.maxDescriptors = Math.max(this.summary.maxDescriptors, tap + socket + other);
    if (memory > MOST_MEMORY) found.push(`the daemon uses ${memory.toFixed(0)} MiB`);
    if (this.rests.isDue) found.push(...(await this.rest()));
    this.pairs[0].forgetGaps();
    return found;
  }

  async end() {
    // With all of it there, and under load.
    await must(tool('netgraph', 'stop'), { timeout: 60_000 });
    await this.hangers.clear();
    await this.ledger.disconnected();
    const found = [...this.rests.end(), ...this.pairs.flatMap((pair) => pair.takeFaults())];
    const after = await machine();
    for (const [what, value] of Object.entries(this.before))
      if (String(value) !== String(after[what]))
        found.push(`left after the end: ${what} ${after[what]}, before ${value}`);
    return found;
  }
}

const soak = new Soak();
let faults = [];
process.on('unhandledRejection', (error) => fail([error.stack]));
try {
  await within(soak.begin(), ROUND, 'the beginning');
  const until = begin + minutes * 60_000;
  while (Date.now() < until && soak.round < Number(options.rounds)) {
    const from = Date.now();
    const { words, faults: wrong } = await within(soak.play(), ROUND, 'the round');
    faults = wrong;
    const { nodes, jails } = soak.ledger.model;
    const totals = `${soak.pairs.length} pairs, ${jails.size - 1} jails, ${nodes.size} nodes, ${residentOf(soak.pid).toFixed(0)} MiB`;
    console.log(
      `round ${soak.round}: ${words.join(', ')}; ${totals}; ${((Date.now() - from) / 1000).toFixed(1)} s`,
    );
    if (faults.length > 0) break;
    soak.summary.rounds++;
  }
  if (faults.length === 0) faults = await within(soak.end(), ROUND, 'the end');
} catch (error) {
  faults = [error.stack];
}
if (faults.length > 0) fail(faults);
console.log(JSON.stringify(summary()));
process.exit(0);

function summary() {
  const { steps, starts, ends } = soak;
  for (const pair of soak.pairs.splice(0)) soak.count(pair);
  return {
    seed: options.seed,
    seconds: Math.round((Date.now() - begin) / 1000),
    ...soak.summary,
    calm: soak.rests.stretches,
    operations: soak.ledger.counts,
    refused: soak.ledger.refusals,
    chaos: soak.chaos.counts,
    steps,
    starts,
    ends,
    clients: soak.hangers.counts,
    framesRead: soak.hangers.frames,
    missed: missed({ steps, starts, ends, clients: soak.hangers.counts, framesRead: soak.hangers.frames }),
    killGap: spread(soak.killGaps),
    restartGap: spread(soak.restartGaps),
  };
}

function fail(what) {
  console.log(`\nFAILED: seed ${options.seed}, round ${soak.round}`);
  for (const line of what) console.log(`  ${line}`);
  console.log(`\nThe last operations:\n  ${history.join('\n  ')}`);
  console.log(`\nThe end of the daemon's log:\n${daemonLog().split('\n').slice(-40).join('\n')}`);
  console.log(JSON.stringify(summary()));
  process.exit(1);
}
