/** Runs the benchmark inside the sandbox: see ../bench for its options. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { parseArgs } from 'node:util';
import { goals } from './goals.mjs';
import { measureIn, quiet } from './lab.mjs';
import { loads } from './loads.mjs';
import { isPossible, makePath, paths } from './paths.mjs';
import { Samples, show, table } from './table.mjs';

const PARTS = ['hop', 'control', 'survive', 'scale'];
/** FreeBSD's own code in user space, on a machine like this one: ../shared/measurements.md. */
const FREEBSD = { nodeinfo: 600, hop: '45-50' };

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const seconds = Number(values.seconds ?? (values.quick ? 1 : 2));
const wanted = select(values.only?.split(','));
const samples = new Samples();
const failures = new Map();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/** What is to be measured. */
function select(names) {
  const known = { path: Object.keys(paths), load: Object.keys(loads), part: PARTS };
  const standard = (kind, name) =>
    kind === 'path' ? isPossible(name) : kind === 'load' || name !== 'scale' || values.scale;
  const all = (kind) => known[kind].filter((name) => standard(kind, name));
  if (names === undefined) return { path: all('path'), load: all('load'), part: all('part') };
  const unknown = names.find((name) => !Object.values(known).flat().includes(name));
  if (unknown !== undefined) {
    console.error(`bench: there is no "${unknown}"; there are ${Object.values(known).flat().join(' ')}`);
    process.exit(64);
  }
  const of = (kind) => known[kind].filter((name) => names.includes(name));
  const [path, load] = [of('path'), of('load')];
  if (path.length > 0 && load.length === 0) load.push(...all('load'));
  if (load.length > 0 && path.length === 0) path.push(...all('path'));
  return { path, load, part: of('part') };
}

const progress = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);

/** A measurement that fails is said at the end; the others go on. */
async function attempt(what, work) {
  progress(what);
  await quiet();
  try {
    return await work();
  } catch (error) {
    failures.set(what, String(error.message).slice(0, 300));
    return undefined;
  }
}

const ways = [];
for (const [index, name] of Object.keys(paths).entries()) {
  if (!wanted.path.includes(name)) continue;
  const way = await attempt(`making ${name}`, () => makePath(name, index));
  if (way !== undefined) ways.push(way);
}

for (let round = 1; round <= rounds; round++) {
  for (const load of wanted.load) {
    const { run, only = () => true, columns } = loads[load];
    for (const way of ways.filter(({ name }) => only(name))) {
      const found = await attempt(`round ${round}: ${load} ${way.name}`, () => run(way, seconds));
      if (found === undefined) continue;
      for (const [key] of columns) samples.add(way.name, `${load} ${key}`, found[key]);
    }
  }
  if (wanted.part.includes('hop')) {
    const found = (await attempt(`round ${round}: hop`, () => measureIn('hop.mjs', [seconds]))) ?? {};
    for (const [nodes, cost] of Object.entries(found))
      for (const [key, value] of Object.entries(cost)) samples.add(`hop ${nodes}`, key, value);
  }
  if (wanted.part.includes('control')) {
    const requests = values.quick ? 10_000 : 100_000;
    const found = await attempt(`round ${round}: control`, () => measureIn('control.mjs', [requests]));
    const { inProcess, ...socket } = found ?? {};
    for (const [key, value] of Object.entries(socket)) samples.add('control', key, value);
    for (const [key, value] of Object.entries(inProcess ?? {})) samples.add('in process', key, value);
  }
  if (wanted.part.includes('survive')) {
    const found = (await attempt(`round ${round}: survive`, () => measureIn('survive.mjs', [seconds]))) ?? {};
    for (const [what, results] of Object.entries(found))
      for (const [key, value] of Object.entries(results)) samples.add(`survive ${what}`, key, value);
  }
  if (wanted.part.includes('scale')) {
    const found = (await attempt(`round ${round}: scale`, () => measureIn('scale.mjs', [seconds]))) ?? {};
    for (const [what, results] of Object.entries(found))
      for (const [key, value] of Object.entries(results)) samples.add(`scale ${what}`, key, value);
  }
}
progress('');

console.log(
  `Linux ${release()}, Node ${process.versions.node}, ${availableParallelism()} processors; medians of ${rounds}\n`,
);
if (ways.length > 0) console.log(`${pathTable()}\n`);
if (wanted.part.includes('hop')) console.log(`${hopTable()}\n`);
if (wanted.part.includes('control')) console.log(`${controlTable()}\n`);
if (wanted.part.includes('survive')) console.log(`${partTable('survive')}\n`);
if (wanted.part.includes('scale')) console.log(`${partTable('scale')}\n`);
const judged = goals(samples);
if (judged.length > 0) console.log(table([['wanted', 'ratio', 'goal', ''], ...judged]));
for (const [what, why] of failures) console.log(`FAILED: ${what}: ${why}`);
if (values.json !== undefined) {
  const machine = {
    linux: release(),
    node: process.versions.node,
    processors: availableParallelism(),
    commit: commit(),
  };
  const data = { machine, rounds, seconds, failures: Object.fromEntries(failures), results: samples };
  writeFileSync(values.json, `${JSON.stringify(data, null, 2)}\n`);
}
process.exit(failures.size === 0 ? 0 : 1);

function pathTable() {
  const columns = wanted.load.flatMap((load) =>
    loads[load].columns.map(([key, title, digits]) => [`${load} ${key}`, title, digits]),
  );
  const rows = ways.map(({ name, title }) => [
    title,
    ...columns.map(([key, , digits]) => show(samples.median(name, key), digits)),
  ]);
  return table([['from namespace to namespace', ...columns.map(([, title]) => title)], ...rows]);
}

function hopTable() {
  const row = (nodes) => [
    `${nodes} nodes`,
    ...['best', 'median'].map((key) => show(samples.median(`hop ${nodes}`, key), 1)),
  ];
  return table([
    ['ns a hop, 12 types', 'best', 'median'],
    row(1),
    row(10),
    row(100),
    [`FreeBSD's code, recorded elsewhere`, FREEBSD.hop, ''],
  ]);
}

function controlTable() {
  const per = (what, key) => show(samples.median(what, key), 0);
  return table([
    ['control, 10,000 named nodes', 'a second', 'ns'],
    ['NODEINFO by name, client, pipelined', per('control', 'pipelined'), ''],
    ['NODEINFO by name, client, one by one', per('control', 'sequential'), ''],
    ['mkpeer and shutdown, client, one by one', per('control', 'mkpeer'), ''],
    ['NODEINFO by name, in process', '', per('in process', 'nodeinfo')],
    ['mkpeer and shutdown, in process', '', per('in process', 'mkpeer')],
    [`NODEINFO, FreeBSD's code, recorded elsewhere`, '', String(FREEBSD.nodeinfo)],
  ]);
}

function partTable(part) {
  const found = Object.entries(JSON.parse(JSON.stringify(samples))).filter(([what]) =>
    what.startsWith(`${part} `),
  );
  const rows = found.flatMap(([what, all]) =>
    Object.entries(all).map(([key, { median }]) => [
      `${what.slice(part.length + 1)}: ${key}`,
      show(median, median < 10 ? 2 : 0),
    ]),
  );
  return table([[part, ''], ...rows]);
}

function commit() {
  const { stdout } = spawnSync('git', ['-C', import.meta.dirname, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
  return stdout?.trim() || undefined;
}
