/** Random operations on nodes without traffic, whose outcome the model knows. */
import { takesHook } from './model.mjs';

const MOST_NODES = 60;
const MOST_JAILS = 3;
/** How often what is tried. */
const WEIGHTS = {
  make: 12,
  mkpeer: 12,
  connect: 12,
  rmhook: 7,
  shutdown: 5,
  name: 5,
  open: 9,
  collapse: 3,
  persist: 2,
  offload: 2,
  sysctl: 2,
  createJail: 2,
  removeJail: 0.7,
  deleteLink: 1.5,
  deleteNamespace: 0.3,
};
const TYPES = { eiface: 4, wormhole: 5, hub: 4, tee: 3, hole: 1, echo: 1 };
const HOOKS = {
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};

export class Playground {
  lastName = 0;

  constructor(ledger, chance) {
    this.ledger = ledger;
    this.chance = chance;
  }

  /** Jails that are its own. */
  jails() {
    return [...this.ledger.model.jails.keys()].filter((name) => name.startsWith('g'));
  }

  /** Nodes that are its own: in its jails, and on the host those without a name or with one that it gave. */
  nodes() {
    return [...this.ledger.model.nodes.values()].filter(
      ({ key, jail, type }) =>
        type !== 'socket' && (jail.startsWith('g') || (jail === '' && this.isOurs(key))),
    );
  }

  isOurs(key) {
    const { name, type } = this.ledger.model.node(key);
    return type === 'eiface' || (name ?? '') === '' ? this.reachesNoPair(key) : name.startsWith('n');
  }

  /** Whether what hangs together with a node has nothing of a pair of jails with traffic. */
  reachesNoPair(key) {
    const { model } = this.ledger;
    const seen = new Set([key]);
    for (const next of seen) {
      const { jail, name, type, hooks, warp } = model.node(next);
      if (jail.startsWith('p') || (type !== 'eiface' && name?.startsWith('p'))) return false;
      for (const peer of hooks.values()) if (model.node(peer.key).type !== 'socket') seen.add(peer.key);
      if (warp !== undefined) seen.add(warp);
    }
    return true;
  }

  /** One operation. */
  async step() {
    await this[this.chance.weighted(WEIGHTS)]();
  }

  async make() {
    if (this.nodes().length >= MOST_NODES) return;
    const jail = this.chance.pick(['', ...this.jails()]);
    const type = this.chance.weighted(TYPES);
    const key = await this.ledger.make(
      jail,
      type,
      this.hook(type),
      type === 'eiface' ? undefined : this.newName(),
    );
    if (this.chance.maybe(0.6)) await this.hang(key);
    await this.ledger.release(jail);
  }

  /** Gives a node something to stay for. */
  async hang(key) {
    const node = this.ledger.model.node(key);
    const others = this.nodes().filter((other) => other.jail === node.jail && other.key !== key);
    const other = this.chance.pick(others);
    if (other !== undefined)
      await this.ledger.connect(key, this.hook(node.type), other.key, this.hook(other.type));
  }

  async mkpeer() {
    const node = this.chance.pick(this.nodes());
    if (node === undefined || this.nodes().length >= MOST_NODES) return;
    const type = this.chance.weighted(TYPES);
    const made = await this.ledger.mkpeer(node.key, this.hook(node.type), type, this.hook(type));
    if (made !== undefined && type !== 'eiface') await this.ledger.name(made, this.newName());
  }

  async connect() {
    const node = this.chance.pick(this.nodes());
    if (node !== undefined) await this.hang(node.key);
  }

  async rmhook() {
    const node = this.chance.pick(this.nodes().filter(({ hooks }) => hooks.size > 0));
    if (node === undefined) return;
    const hooks = [...node.hooks.keys(), ...(node.warp === undefined ? [] : ['warp'])];
    await this.ledger.rmhook(node.key, this.chance.pick(hooks));
  }

  async shutdown() {
    const node = this.chance.pick(this.nodes());
    if (node !== undefined) await this.ledger.shutdown(node.key);
  }

  async name() {
    const node = this.chance.pick(this.nodes().filter(({ type }) => type !== 'eiface'));
    const taken = this.chance.pick(this.nodes())?.name;
    if (node !== undefined)
      await this.ledger.name(node.key, this.chance.maybe(0.1) && taken ? taken : this.newName());
  }

  async open() {
    const closed = this.nodes().filter(
      ({ type, warp }) => type === 'wormhole' && (warp === undefined || this.chance.maybe(0.1)),
    );
    const [node, target] = [this.chance.pick(closed), this.chance.pick(this.jails())];
    if (node === undefined || target === undefined || node.jail !== '') return;
    const far = await this.ledger.open(node.key, target);
    if (far !== undefined && this.chance.maybe(0.7)) await this.hang(far);
  }

  async collapse() {
    const open = this.nodes().filter(
      ({ type, warp, hooks }) => type === 'wormhole' && warp !== undefined && hooks.size === 0,
    );
    const [one, other] = [this.chance.pick(open), this.chance.pick(open)];
    if (one !== undefined && one !== other && one.jail === other.jail)
      await this.ledger.connect(one.key, 'evthorizon', other.key, 'evthorizon');
  }

  async persist() {
    const hub = this.chance.pick(this.nodes().filter(({ type }) => type === 'hub'));
    if (hub !== undefined) await this.ledger.tell(hub.key, 'setpersistent', '', 'persistent', true);
  }

  async offload() {
    const node = this.chance.pick(this.nodes().filter(({ type }) => type === 'eiface'));
    const on = this.chance.below(2);
    if (node !== undefined) await this.ledger.tell(node.key, 'setoffload', String(on), 'offload', on);
  }

  async sysctl() {
    const jail = this.chance.pick(this.jails());
    if (jail !== undefined)
      await this.ledger.sysctl(jail, 'net.graph.maxdata', 1000 + this.chance.below(1000));
  }

  async createJail() {
    if (this.jails().length < MOST_JAILS) await this.ledger.createJail(`g${++this.lastName}`);
  }

  async removeJail() {
    const jail = this.chance.pick(this.jails());
    if (jail !== undefined) await this.ledger.removeJail(jail);
  }

  async deleteLink() {
    // One whose name somebody had goes without.
    const node = this.chance.pick(this.nodes().filter(({ type, name }) => type === 'eiface' && name));
    if (node !== undefined) await (await this.ledger.deleteLink(node.key))();
  }

  async deleteNamespace() {
    const jail = this.chance.pick(this.jails());
    if (jail !== undefined) await (await this.ledger.deleteNamespace(jail))();
  }

  /** While there is no daemon. */
  async disturb() {
    const node = this.chance.pick(this.nodes().filter(({ type, name }) => type === 'eiface' && name));
    const jail = this.chance.pick(this.jails());
    if (node !== undefined && this.chance.maybe(0.3)) await this.ledger.deleteOnly(node.key);
    else if (jail !== undefined && this.chance.maybe(0.1)) await this.ledger.deleteNamespace(jail);
  }

  hook(type) {
    const hook = this.chance.pick(HOOKS[type] ?? [`h${this.chance.below(30)}`]);
    return takesHook(type, hook) ? hook : 'h';
  }

  newName() {
    return `n${++this.lastName}`;
  }
}
