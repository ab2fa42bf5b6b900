import {
  Frame,
  GENERIC_COOKIE,
  genericMessages,
  Message,
  NgError,
  type Node,
} from '../../src/netgraph/index.js';
import { encode } from '../../src/netgraph/types/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { Program } from './program.js';
import { randomFrom, type SimulatedJail, simulatedWorld } from './world.js';

const MOST_NODES = 400;
const MOST_JAILS = 6;

/** Types with hooks of any name, or with these. */
const hookNames: Record<string, string[]> = {
  hub: ['h1', 'h2', 'h3', 'h4', 'h5'],
  echo: ['e1', 'e2'],
  hole: ['o1', 'o2', 'o3'],
  socket: ['s1', 's2', 's3', 's4'],
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};
const makable = Object.keys(hookNames).filter((type) => type !== 'socket');

/** A world that changes at random; whatever it is asked for, it may refuse, but nothing else. */
export class RandomWorld {
  readonly world = simulatedWorld();
  readonly host = new Program(this.world);
  readonly inside = new Map<SimulatedJail, Program>();
  done = 0;
  refused = 0;
  sent = 0;
  unanswered = 0;

  private readonly random: () => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** One operation, by a program somewhere. */
  step(): void {
    const program = this.pick([this.host, ...this.inside.values()]);
    const node = this.pick(this.world.graph.nodes(program.node.vnet));
    const { graph } = this.world;
    const crowded = this.nodes().length > MOST_NODES;
    const chance = this.random();
    try {
      if (chance < 0.25 && !crowded) this.mkpeer(program, node);
      else if (chance < 0.5) this.connect(program, node);
      else if (chance < 0.62) this.rmhook(program, node);
      else if (chance < (crowded ? 0.8 : 0.68)) this.shutdown(program, node);
      else if (chance < 0.74) graph.nameNode(node, `n${this.below(200)}`);
      else if (chance < 0.86) this.open(program);
      else if (chance < 0.9) this.collide(program);
      else if (chance < 0.93) this.queueAtRandom(node);
      else if (chance < 0.95) this.frames(node);
      else this.jails();
      this.done++;
    } catch (error) {
      if (!(error instanceof NgError)) throw error;
      this.refused++;
    }
  }

  nodes(): Node[] {
    return [...this.world.vnets].flatMap((vnet) => this.world.graph.nodes(vnet));
  }

  /** Lets frames that wait go their way; what loops for ever is broken where it waits. */
  settle(): void {
    while (!this.world.settle(1)) {
      const busy = this.nodes().filter(({ queue }) => queue.length > 0);
      for (const node of busy) if (node.type.type !== 'socket') this.world.graph.removeNode(node);
    }
  }

  /** Removes jails and closes everything. */
  end(): void {
    for (const jail of [...this.inside.keys()]) this.removeJail(jail);
    this.world.graph.close();
    this.world.settle();
  }

  private mkpeer(program: Program, node: Node): void {
    const type = this.pick(makable);
    const args = { type, ourhook: this.hookOf(node), peerhook: this.pick(hookNames[type]) };
    this.send(program, node, 'mkpeer', encode(genericMessages.mkpeer.args, args));
  }

  private connect(program: Program, node: Node): void {
    const other = this.pick(this.world.graph.nodes(node.vnet));
    const path = `[${other.id.toString(16)}]:`;
    const args = { path, ourhook: this.hookOf(node), peerhook: this.hookOf(other) };
    this.send(program, node, 'connect', encode(genericMessages.connect.args, args));
  }

  private rmhook(program: Program, node: Node): void {
    const hook = node.hooks.length > 0 ? this.pick(node.hooks).name : 'none';
    this.send(program, node, 'rmhook', encode(genericMessages.rmhook.args, { hook }));
  }

  private shutdown(program: Program, node: Node): void {
    if (node.type.type !== 'socket') this.send(program, node, 'shutdown', new Uint8Array(0));
  }

  private open(program: Program): void {
    const { cookie, messages } = nodeTypes.get('wormhole')!;
    const node = this.pick(this.wormholes(program.node.vnet));
    const jail = Buffer.from(`${this.below(20)}\0`);
    if (node !== undefined) this.deliver(program, node, new Message(cookie, messages.open.cmd, jail));
  }

  private collide(program: Program): void {
    const [a, b] = [0, 1].map(() => this.pick(this.wormholes(program.node.vnet)));
    if (a === undefined || b === undefined) return;
    const args = { path: idOf(b), ourhook: 'evthorizon', peerhook: 'evthorizon' };
    this.send(program, a, 'connect', encode(genericMessages.connect.args, args));
  }

  private queueAtRandom(node: Node): void {
    for (const hook of node.hooks) hook.queued = this.random() < 0.3;
  }

  private frames(node: Node): void {
    if (node.hooks.length > 0) this.pick(node.hooks).send(new Frame(new Uint8Array(60)));
    this.pick(this.world.devices.all)?.inject(new Uint8Array(60));
    this.sent++;
    if (this.random() < 0.8) this.settle();
  }

  private jails(): void {
    const { jails } = this.world;
    if (this.inside.size < MOST_JAILS && this.random() < 0.6) {
      const parent = this.pick([this.world.vnet0, ...[...this.inside.keys()].map(({ vnet }) => vnet)]);
      const jail = jails.create(`jail${this.below(1000)}`, { parent });
      this.inside.set(jail, new Program(this.world, jail.vnet));
    } else if (this.inside.size > 0) this.removeJail(this.pick([...this.inside.keys()]));
  }

  /** With the jails in it, those first. */
  private removeJail(jail: SimulatedJail): void {
    for (const inner of [...this.inside.keys()]) if (inner.parent === jail.vnet) this.removeJail(inner);
    this.inside.delete(jail);
    this.world.jails.remove(jail);
  }

  private send(program: Program, node: Node, command: keyof typeof genericMessages, data: Uint8Array): void {
    this.deliver(program, node, new Message(GENERIC_COOKIE, genericMessages[command].cmd, data));
  }

  /** Whoever is in a loop of hubs answers later, but answers. */
  private deliver({ control }: Program, node: Node, message: Message): void {
    this.unanswered++;
    control.socket.send(idOf(node), message, (error) => {
      this.unanswered--;
      if (error !== undefined) this.refused++;
    });
  }

  private wormholes(vnet: Vnet): Node[] {
    return this.world.graph.nodes(vnet).filter(({ type }) => type.type === 'wormhole');
  }

  private hookOf(node: Node): string {
    return this.random() < 0.03 ? 'nonsense' : this.pick(hookNames[node.type.type]);
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

const idOf = (node: Node): string => `[${node.id.toString(16)}]:`;
