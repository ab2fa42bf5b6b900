/**
 * A world of real jails and interfaces that changes at random, with frames in it all the time; run in a sandbox.
 * Arguments: seed, how many operations. What is wrong comes out as a line each, and counts at the end.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ClientError } from '../../src/client/index.js';
import type { Jail } from '../../src/jail/index.js';
import { Frame, limits, NgError, type Node } from '../../src/netgraph/index.js';
import { type LocalSocket, World } from '../../src/world/index.js';
import { faults } from '../support/faults.js';

const [seed, operations] = process.argv.slice(2).map(Number);
const BATCH = 50;
const MOST_NODES = 250;
const MOST_INTERFACES = 120;
const MOST_JAILS = 6;
const MOST_PINGS = 3;

/** Types whose hooks have certain names; those of others may be anything. */
const hookNames: Record<string, string[]> = {
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};
const makable = [
  'hub',
  'hub',
  'echo',
  'hole',
  'tee',
  'eiface',
  'eiface',
  'eiface',
  'eiface',
  'wormhole',
  'wormhole',
];

const pathOf = (node: Node): string => `[${node.id.toString(16)}]:`;
const ip = async (...words: string[]) => (await promisify(execFile)('ip', words)).stdout;

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class RandomWorld {
  readonly log: string[] = [];
  readonly world = new World({ log: (line) => this.log.push(line), debug: true });
  readonly count = { done: 0, refused: 0, sent: 0, deleted: 0 };
  private readonly host = this.world.socket();
  private readonly sockets = new Map<Jail, LocalSocket>();
  private readonly pending = new Set<Promise<unknown>>();
  private readonly pings = new Set<ChildProcess>();
  private jailNames = 0;

  constructor(private readonly random: () => number) {}

  nodes(): Node[] {
    return [...this.world.vnets].flatMap((vnet) => this.world.graph.nodes(vnet));
  }

  /** One operation, of which the outcome is not waited for. */
  step(): void {
    const [jail, socket] = this.pick([[undefined, this.host] as const, ...this.sockets]);
    const node = this.pick(this.world.graph.nodes(jail?.vnet ?? this.world.vnet0));
    if (node === undefined) return;
    const chance = this.random();
    const crowded = this.nodes().length > MOST_NODES;
    if (chance < 0.4 && !crowded) this.mkpeer(socket, node);
    else if (chance < 0.55) this.connect(socket, node);
    else if (chance < 0.6) this.start(this.rmhook(socket, node));
    else if (chance < (crowded ? 0.75 : 0.64)) this.shutdown(socket, node);
    else if (chance < 0.68) this.start(socket.name(pathOf(node), `n${this.below(100)}`));
    else if (chance < 0.8) this.open(socket, jail);
    else if (chance < 0.9) this.frames(node);
    else if (chance < 0.95) this.ping();
    else if (chance < 0.98) this.jails();
    else this.deleteBehindItsBack();
  }

  /** Waits until all that was begun is over. */
  async settle(): Promise<void> {
    do {
      while (this.pending.size > 0) await Promise.all(this.pending);
      await this.world.settled();
      await sleep(1);
    } while (this.breakLoops() || this.pending.size > 0);
  }

  /** Where frames go round for ever, there is always something that waits. Says whether there was. */
  breakLoops(): boolean {
    const busy = this.nodes().filter(({ queue }) => queue.length > 0);
    for (const node of busy) if (node.type.type !== 'socket') this.world.graph.removeNode(node);
    return busy.length > 0;
  }

  /** What is wrong, as far as the graph and the system can tell. */
  async check(): Promise<string[]> {
    const found = faults(this.world);
    for (const vnet of this.world.vnets)
      if (limits.maxData.count(vnet) !== 0)
        found.push(`${vnet}: ${limits.maxData.count(vnet)} queued frames`);
    const jails = this.world.jails.list(undefined);
    for (const jail of [undefined, ...jails.filter(({ ownsVnet }) => ownsVnet)]) {
      const vnet = jail?.vnet ?? this.world.vnet0;
      const words = jail === undefined ? [] : ['-n', jail.namespace!.name];
      const links: { ifname: string }[] = JSON.parse((await ip(...words, '-j', 'link')) || '[]');
      const there = links.map(({ ifname }) => ifname).filter((name) => name !== 'lo');
      const devices = this.world.interfaces.list().filter((device) => device.vnet === vnet);
      const nodes = this.world.graph.nodes(vnet).filter(({ type }) => type.type === 'eiface');
      if (String(devices.map(({ name }) => name).sort()) !== String(there.sort()))
        found.push(`${jail?.name ?? 'host'}: devices ${devices.map(({ name }) => name)} but links ${there}`);
      if (nodes.length !== there.length) found.push(`${nodes.length} eifaces but ${there.length} interfaces`);
    }
    const names = (await ip('netns', 'list')).split('\n').map((line) => line.split(' ')[0]);
    if (String(names.filter(Boolean).sort()) !== String(jails.map(({ name }) => name).sort()))
      found.push(`jails ${jails.map(({ name }) => name)} but namespaces ${names}`);
    return found;
  }

  /** Takes all of it down, while it is busy; what is left is wrong. */
  async end(): Promise<string[]> {
    await this.world.close();
    for (const ping of this.pings) ping.kill('SIGKILL');
    const found = [...this.world.vnets].filter((vnet) => !vnet.isDefault).map((vnet) => `${vnet} is left`);
    for (const { name, type } of this.nodes()) found.push(`node ${name} of type ${type.type} is left`);
    for (const { name } of this.world.interfaces.list()) found.push(`interface ${name} is left`);
    const system = [
      await ip('-o', 'link'),
      await ip('netns', 'list'),
      existsSync('/run/netns') ? '/run/netns' : '',
    ];
    for (const text of system) if (text.replace(/^1: lo: .*\n/, '') !== '') found.push(`left: ${text}`);
    const expected = /goes without a name|somebody deleted|No buffer space|No such device|was deleted while/;
    return [...found, ...this.log.filter((line) => !expected.test(line))];
  }

  private mkpeer(socket: LocalSocket, node: Node): void {
    const type = this.pick(makable);
    if (type === 'eiface' && this.world.interfaces.list().length >= MOST_INTERFACES) return;
    this.start(socket.mkpeer(pathOf(node), type, this.hookOf(node), this.hookName(type)));
  }

  private connect(socket: LocalSocket, node: Node): void {
    const other = this.pick(this.world.graph.nodes(node.vnet));
    this.start(socket.connectNodes(pathOf(node), pathOf(other), this.hookOf(node), this.hookOf(other)));
  }

  private rmhook(socket: LocalSocket, node: Node): Promise<void> {
    return socket.rmhook(pathOf(node), node.hooks.length > 0 ? this.pick(node.hooks).name : 'none');
  }

  private shutdown(socket: LocalSocket, node: Node): void {
    if (node.type.type !== 'socket') this.start(socket.shutdown(pathOf(node)));
  }

  private open(socket: LocalSocket, jail: Jail | undefined): void {
    const vnet = jail?.vnet ?? this.world.vnet0;
    const wormholes = this.world.graph.nodes(vnet).filter(({ type }) => type.type === 'wormhole');
    const [one, other] = [this.pick(wormholes), this.pick(wormholes)];
    const target = this.pick([...this.sockets.keys()]);
    if (one === undefined || target === undefined) return;
    this.start(socket.msg(pathOf(one), 'open', `"${target.name}"`));
    if (this.random() < 0.3)
      this.start(socket.connectNodes(pathOf(one), pathOf(other), 'evthorizon', 'evthorizon'));
  }

  private frames(node: Node): void {
    this.count.sent++;
    const bytes = new Uint8Array(60 + this.below(200)).fill(0xff);
    if (node.hooks.length > 0) this.pick(node.hooks).send(new Frame(bytes));
  }

  /** The network stack sends frames through an interface, one after the other. */
  private ping(): void {
    const connected = this.nodes().filter(({ type, hooks }) => type.type === 'eiface' && hooks.length > 0);
    const node = this.pick(connected);
    const device = this.world.interfaces
      .list()
      .find(({ vnet, name }) => vnet === node?.vnet && name === node.name);
    if (device === undefined || this.pings.size >= MOST_PINGS) return;
    const jail = this.world.jails.ownerOf(device.vnet);
    const net = `10.${this.below(200)}.${this.below(200)}`;
    const script = `ip link set ${device.name} up && ip addr add ${net}.1/24 dev ${device.name} && exec ping -f -q -b -w 2 ${net}.255`;
    const inside = jail === undefined ? [] : ['ip', 'netns', 'exec', jail.name];
    const [command, ...words] = [...inside, 'sh', '-c', script];
    const child = spawn(command, words, { stdio: 'ignore' });
    this.pings.add(child);
    child.on('exit', () => this.pings.delete(child));
  }

  private jails(): void {
    if (this.sockets.size < MOST_JAILS && this.random() < 0.6) {
      const name = `j${this.jailNames++}`;
      this.start(
        this.world.jails.create({ name, vnet: 'new', persist: 'true' }).then((jail) => {
          this.sockets.set(jail, this.world.socket({ jail }));
        }),
      );
    } else if (this.sockets.size > 0) {
      const jail = this.pick([...this.sockets.keys()]);
      this.forget(jail);
      this.start(this.world.jails.remove(jail));
    }
  }

  /** What `ip` can do to us. */
  private deleteBehindItsBack(): void {
    const device = this.pick(this.world.interfaces.list());
    if (device === undefined) return;
    this.count.deleted++;
    const jail = this.world.jails.ownerOf(device.vnet);
    if (jail !== undefined && this.random() < 0.1) {
      this.forget(jail);
      this.start(ip('netns', 'del', jail.name).then(() => this.gone(() => jail.dying)));
    } else {
      const words = jail === undefined ? [] : ['-n', jail.name];
      const gone = () => !this.world.interfaces.list().includes(device);
      this.start(ip(...words, 'link', 'del', device.name).then(() => this.gone(gone)));
    }
  }

  /** Waits until we noticed something. */
  private async gone(noticed: () => boolean): Promise<void> {
    for (let i = 0; !noticed(); i++) {
      if (i === 1000) throw new Error('what others deleted was not noticed within 5 s');
      await sleep(5);
    }
  }

  private forget(jail: Jail): void {
    void this.sockets.get(jail)?.close();
    this.sockets.delete(jail);
  }

  /** Whatever it is, it may be refused, by us or by the system, but nothing else. */
  private start(work: Promise<unknown>): void {
    const outcome = work.then(
      () => this.count.done++,
      (error: Error & { stderr?: string }) => {
        if (!(error instanceof NgError || error instanceof ClientError || error.stderr !== undefined))
          throw error;
        this.count.refused++;
      },
    );
    const over = outcome.finally(() => this.pending.delete(over));
    this.pending.add(over);
  }

  private hookOf(node: Node): string {
    return this.random() < 0.03 ? 'nonsense' : this.hookName(node.type.type);
  }

  private hookName(type: string): string {
    return this.pick(hookNames[type] ?? [`h${this.below(30)}`]);
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

const random = new RandomWorld(randomFrom(seed));
let wrong: string[] = [];
let [most, received] = [0, 0];
for (let i = 0; i < operations && wrong.length === 0; i += BATCH) {
  for (let j = 0; j < BATCH; j++) {
    random.step();
    if (j % 5 !== 0) continue;
    await sleep(0);
    random.breakLoops();
  }
  await random.settle();
  const devices = random.world.interfaces.list();
  most = Math.max(most, devices.length);
  received = Math.max(
    received,
    devices.reduce((sum, { counters }) => sum + counters.rxFrames, 0),
  );
  wrong = (await random.check()).map((what) => `after ${i + BATCH} operations: ${what}`);
}
for (let j = 0; j < BATCH; j++) random.step();
wrong.push(...(await random.end()));
for (const what of wrong) console.log(what);
console.log(JSON.stringify({ ...random.count, most, received }));
