import { type ChildProcessWithoutNullStreams, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NetgraphClient } from '../../src/client/index.js';
import { Rtnetlink } from '../../src/linux/index.js';
import { Journal } from '../../src/state/index.js';
import { checkEntries } from '../../src/world/entries.js';
import { type Entry, WorldState } from '../../src/world/state.js';
import { Machine, SOCKET } from './machine.js';

/** Joins each connection to a socket with one to another: so we are a process in there. */
const AGENT = `
const net = require('net');
net.createServer({ allowHalfOpen: true }, (here) => {
  const there = net.connect({ path: process.argv[1], allowHalfOpen: true });
  here.pipe(there).pipe(here);
  for (const [one, other] of [[here, there], [there, here]])
    one.on('error', () => {}).on('close', () => other.destroy());
}).listen('/run/agent.sock', () => console.log('up'));`;

/** With all that a start can do: a group is admitted, too. */
const DAEMON = [
  'env',
  'NETGRAPH_GROUP=1',
  process.execPath,
  fileURLToPath(new URL('../../dist/cli/netgraph.js', import.meta.url)),
  'daemon',
];
const LOGGED = 'exec "$@" 2>>/run/netgraph/daemon.log';

/** What does not: an interface is kept only when it is in writing, and goes with a daemon that is killed in between. */
const RIGHT = /the daemon that was to hand over is gone|interface \S+.* was gone: it is made anew/;
/** What tells of a mistake of ours in the log. */
const WRONG = /not taken up|damaged|uncaught|unhandled|Error|state:|failed|shutdown:|somebody/;

/** Compiles what kills a daemon at a given system call. */
export function compileKiller(): { program: string; remove(): void } {
  const directory = fs.mkdtempSync(join(tmpdir(), 'netgraph-killpoint-'));
  const program = join(directory, 'killpoint');
  const source = fileURLToPath(new URL('killpoint.cc', import.meta.url));
  execFileSync('g++', ['-O1', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, source]);
  return { program, remove: () => fs.rmSync(directory, { recursive: true }) };
}

/** A machine whose daemons are killed one after the other, and what is to be seen of them from outside. */
export class KillingField {
  readonly root: string;

  private constructor(
    readonly box: Machine,
    private readonly killer: string,
    private readonly agent: ChildProcessWithoutNullStreams,
  ) {
    this.root = `/proc/${box.pid}/root`;
  }

  static async start(killer: string): Promise<KillingField> {
    const box = await Machine.start();
    const agent = box.spawn(process.execPath, '-e', AGENT, SOCKET);
    await once(agent.stdout, 'data');
    return new KillingField(box, killer, agent);
  }

  async close(): Promise<void> {
    this.agent.kill();
    await this.box.close();
  }

  /** Connects to the daemon, which runs. */
  client(jail?: string): Promise<NetgraphClient> {
    return NetgraphClient.connect({ jail, transport: connect(`${this.root}/run/agent.sock`) });
  }

  /** Starts a daemon unless one serves. One that is about to end is waited for. */
  async daemon(): Promise<void> {
    for (let left = 50; !(await this.serves()); left--) {
      if (left === 0) throw new Error(`the daemon does not start: ${this.log()}`);
      const child = this.box.spawn('sh', '-c', LOGGED, 'sh', ...DAEMON);
      child.stdout.resume();
      const ended = once(child, 'close');
      while (child.exitCode === null && !(await this.serves())) await Promise.race([ended, sleep(5)]);
      if (child.exitCode !== null) await sleep(50);
    }
  }

  async kill(): Promise<void> {
    const client = await this.client();
    const { pid } = client.daemon;
    void this.box.run(`kill -9 ${pid}`);
    await client.close();
    while (fs.existsSync(`${this.root}/proc/${pid}`)) await sleep(2);
  }

  /**
   * Does something while a daemon is watched.
   * @param point which of its changes to the world it does not live to make, or 0
   * @returns these changes; and whether it was killed
   */
  async watch(
    point: number,
    what: (client: NetgraphClient) => Promise<unknown>,
    stops = false,
  ): Promise<{ changes: string[]; killed: boolean }> {
    const client = await this.client();
    const { pid } = client.daemon;
    const killer = this.box.spawn(this.killer, String(pid), String(point));
    const said = text(killer);
    await once(killer.stdout, 'data');
    const done = await what(client)
      .then(() => client.close())
      .then(
        () => true,
        (error) => {
          if (error.code !== 'ECONNRESET' && error.code !== 'ENODAEMON') throw error;
          return false;
        },
      );
    if (done && !stops) killer.stdin.end();
    const changes = await said;
    return { changes, killed: point > 0 && changes.length === point };
  }

  /** Takes everything down. */
  async stop(): Promise<void> {
    if (await this.serves()) {
      const client = await this.client();
      await client.call('stop', {});
      await client.close();
      const { pid } = client.daemon;
      while (fs.existsSync(`${this.root}/proc/${pid}`)) await sleep(2);
    } else {
      const said = await this.box.sh('netgraph stop');
      if (said !== '') throw new Error(said);
    }
  }

  /** Waits until no daemon runs. */
  async gone(): Promise<void> {
    while (this.everything().some((line) => line.includes('netgraph.js daemon'))) await sleep(5);
  }

  /** Starts a daemon that is watched from its first instruction. */
  async watchStart(point: number): Promise<{ changes: string[]; killed: boolean }> {
    const killer = this.box.spawn('sh', '-c', LOGGED, 'sh', this.killer, String(point), ...DAEMON);
    const said = text(killer);
    while (killer.exitCode === null && !(await this.serves())) await sleep(5);
    if (killer.exitCode === null) killer.stdin.end();
    const changes = await said;
    return { changes, killed: point > 0 && changes.length === point };
  }

  async serves(): Promise<boolean> {
    if (!fs.existsSync(this.root + SOCKET)) return false;
    try {
      await (await this.client()).close();
      return true;
    } catch {
      return false;
    }
  }

  log(): string {
    return fs.readFileSync(`${this.root}/run/netgraph/daemon.log`, 'utf8');
  }

  /** Everything that could be left behind. */
  everything(): string[] {
    const { root } = this;
    const list = (path: string) => (fs.existsSync(root + path) ? fs.readdirSync(root + path) : []);
    const mounts = fs.readFileSync(`${root}/proc/self/mounts`.replace('/self/', '/1/'), 'utf8');
    const programs = list('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return fs.readFileSync(`${root}/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        } catch {
          return '';
        }
      })
      .filter((args) => args.includes('netgraph.js') || args.startsWith('sleep'));
    return [
      ...['/run', '/run/netns', '/run/netgraph', '/run/netgraph/uts', '/run/state'].flatMap((path) =>
        list(path).map((name) => `${path}/${name}`),
      ),
      ...mounts.split('\n').filter((line) => / \/run\/.*\//.test(line)),
      ...programs,
      ...new Rtnetlink(`/proc/${this.box.pid}/ns/net`).links().map(({ name }) => name),
    ]
      .filter((line) => !/^\/run\/netns$/.test(line))
      .sort();
  }

  /**
   * The world, as its nodes, its jails and the system have it, one thing a line. Node IDs are counted anew in each
   * jail.
   * @throws Error what does not fit together
   */
  async world(): Promise<string[]> {
    const faults: string[] = [];
    const host = await this.client();
    const jails = await host.call('jail.list', {});
    const lines = jails.map((jail) => {
      const { jid, name, parent, hostname, vnet, persist, adopted } = jail;
      return `jail ${jid} ${name} in ${parent}: ${hostname} ${vnet} ${persist} ${adopted}`;
    });
    const nodes = new Map<string, string>();
    const edges: [string, string][] = [];
    for (const { jid, name } of [{ jid: 0, name: '' }, ...jails.filter(({ vnet }) => vnet === 'new')]) {
      const client = jid === 0 ? host : await this.client(name);
      const names = new Set<string>();
      const there = (await client.listNodes()).filter(({ type }) => type !== 'socket');
      there.sort((a, b) => a.id - b.id);
      for (const [i, node] of there.entries()) {
        nodes.set(`${jid}/${node.id}`, `${jid}/#${i}`);
        lines.push(`node ${jid}/#${i} ${node.type} ${node.name}`);
        if (node.name !== '' && names.has(node.name)) faults.push(`name ${node.name} is there twice`);
        names.add(node.name);
        const { linkinfo } = await client.listHooks(`[${node.id.toString(16)}]:`);
        if (linkinfo.length !== node.hooks) faults.push(`node ${node.name} has not ${node.hooks} hooks`);
        for (const { ourhook, peerhook, nodeinfo } of linkinfo) {
          if (nodeinfo.type === 'socket') continue;
          const far = /^jid=(\d+)$/.exec(ourhook)?.[1] ?? jid;
          edges.push([`${jid}/${node.id} ${ourhook}`, `${far}/${nodeinfo.id} ${peerhook}`]);
        }
      }
      if (jid !== 0) await client.close();
    }
    await host.close();

    for (const [a, b] of edges)
      if (!edges.some(([c, d]) => a === d && b === c)) faults.push(`edge ${a} - ${b} is seen from one side`);
    const nice = (end: string) => end.replace(/^\S+/, (node) => nodes.get(node) ?? `${node}?`);
    for (const [a, b] of edges) if (nice(a) < nice(b)) lines.push(`edge ${nice(a)} - ${nice(b)}`);

    lines.push(...this.system(faults, lines));
    this.compareJournal(faults, jails.length, nodes, edges);
    const wrong = this.log()
      .split('\n')
      .filter((line) => WRONG.test(line) && !RIGHT.test(line));
    faults.push(...wrong);
    if (faults.length > 0) throw new Error(`${faults.join('\n')}\n${lines.join('\n')}`);
    return lines.sort();
  }

  /** The network namespaces, with their paths as we see them. */
  private networks(): [name: string, path: string][] {
    const directory = `${this.root}/run/netns`;
    const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
    const named = names.map((name): [string, string] => [name, `${directory}/${name}`]);
    return [['host', `/proc/${this.box.pid}/ns/net`], ...named];
  }

  /** Namespaces, hostnames, interfaces. */
  private system(faults: string[], known: string[]): string[] {
    const { root } = this;
    const list = (path: string) => (fs.existsSync(root + path) ? fs.readdirSync(root + path) : []);
    const lines = [
      ...list('/run/netns').map((name) => `netns ${name}`),
      ...list('/run/netgraph/uts').map((name) => `uts ${name}`),
      // A journal is made shorter in the background.
      ...list('/run/state').flatMap((name) => (name.endsWith('.new') ? [] : [`state ${name}`])),
    ];
    const mounts = fs.readFileSync(`${root}/proc/1/mounts`, 'utf8').split('\n');
    for (const mount of mounts) {
      const [, path] = mount.split(' ');
      if (path?.startsWith('/run/netns/') || path?.startsWith('/run/netgraph/uts/'))
        lines.push(`mount ${path}`);
    }
    let interfaces = 0;
    for (const [where, path] of this.networks()) {
      for (const { name, kind, alias, address, lowerUp } of new Rtnetlink(path).links()) {
        if (kind !== 'tun' && name !== 'lo') continue;
        if (kind === 'tun') interfaces++;
        const carrier = lowerUp ? 'up' : 'down';
        lines.push(`link ${where} ${name} ${Buffer.from(address).toString('hex')} "${alias}" ${carrier}`);
      }
    }
    const eifaces = known.filter((line) => / eiface /.test(line)).length;
    if (interfaces !== eifaces) faults.push(`${interfaces} interfaces of ${eifaces} nodes`);
    return lines;
  }

  /** The journal tells of the same world. */
  private compareJournal(
    faults: string[],
    jails: number,
    nodes: Map<string, string>,
    edges: [string, string][],
  ): void {
    const directory = fs.mkdtempSync(join(tmpdir(), 'netgraph-journal-'));
    try {
      const path = join(directory, 'world.journal');
      fs.copyFileSync(`${this.root}/run/state/world.journal`, path);
      const { journal, entries, damage } = Journal.open(path, checkEntries);
      journal.close();
      if (damage !== undefined) faults.push(`journal: ${damage.reason}`);
      const state = new WorldState();
      for (const entry of (entries as Entry[]).flat()) state.apply(entry);
      if (state.jails.size !== jails) faults.push(`journal: ${state.jails.size} jails instead of ${jails}`);
      for (const { id, stage } of state.jails.values())
        if (stage !== 'made') faults.push(`journal: jail ${id} is ${stage}`);
      const known = [...state.nodes.keys()].sort().join(' ');
      const there = [...nodes.keys()].sort().join(' ');
      if (known !== there) faults.push(`journal: nodes ${known}, but there are ${there}`);
      if (state.edges.size * 2 !== edges.length)
        faults.push(`journal: ${state.edges.size} edges, but there are ${edges.length / 2}`);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  }
}

/** The lines that a killer says, but for its first. */
async function text(child: ChildProcessWithoutNullStreams): Promise<string[]> {
  let said = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  await once(child, 'close');
  if (errors !== '') throw new Error(errors);
  return said.split('\n').filter(Boolean).slice(1);
}
