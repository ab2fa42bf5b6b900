/** What nobody keeps a record of: several programs at once in a jail of their own, which do what they like. */
import { NetgraphClient, SOCKET, sleep, start } from './box.mjs';

export const CHAOS = 'chaos';
const TYPES = ['hub', 'hub', 'tee', 'hole', 'echo', 'eiface', 'eiface', 'wormhole', 'wormhole', 'nonsense'];
const HOOKS = {
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};
const MOST_NODES = 80;
const MOST_JAILS = 3;
const MOST_PINGS = 2;
/** Through what frames pass. */
const PASSES = new Set(['hub', 'tee', 'wormhole', 'echo']);

/** How long one waits for an operation, in ms. */
const PATIENCE = 2000;

class Late extends Error {}

export class Chaos {
  counts = { done: 0, refused: 0, lost: 0, late: 0 };
  /** Whether the daemon is about to be killed. */
  mayLose = false;
  wrong = [];
  pings = 0;
  lastJail = 0;
  running = false;
  idle = Promise.resolve();

  constructor(chances) {
    this.chances = chances;
  }

  /** Starts; `stop` waits until all have done what they are at. */
  start() {
    this.running = true;
    this.idle = Promise.all([...this.chances.map((chance) => this.actor(chance)), this.guard()]);
  }

  async stop() {
    this.running = false;
    await this.idle;
    for (let i = 0; i < 20 && (await this.breakLoops()); i++);
  }

  /** Loops may be, but not for long: a daemon that is busy with them alone does nothing else worth a test. */
  async guard() {
    while (this.running) {
      await this.breakLoops();
      await sleep(200);
    }
  }

  async actor(chance) {
    while (this.running) {
      let client;
      let jail = CHAOS;
      try {
        const inside = await this.jails();
        jail = chance.maybe(0.5) ? CHAOS : chance.pick([CHAOS, ...inside]);
        client = await NetgraphClient.connect({ socketPath: SOCKET, jail });
        for (let i = 0; i < 20 && this.running; i++) {
          await this.inTime(this.step(client, chance));
          await sleep(chance.below(10));
        }
      } catch (error) {
        // A restart leaves those behind whose jail was removed.
        this.judge(error, jail !== CHAOS);
        await sleep(20);
      } finally {
        await client?.close().catch(() => {});
      }
    }
  }

  /** Who has flooded itself with frames waits long for an answer, and no longer than this. */
  async inTime(work) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Late()), PATIENCE);
    });
    work.catch(() => {});
    await Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  async jails() {
    const client = await NetgraphClient.connect({ socketPath: SOCKET, jail: CHAOS });
    try {
      return (await client.call('jail.list', {})).map(({ name }) => name);
    } finally {
      await client.close();
    }
  }

  /** One operation; it may fail in any way that has an errno. */
  async step(client, chance) {
    const nodes = (await client.listNodes()).filter(({ type }) => type !== 'socket');
    const node = chance.pick(nodes);
    const other = chance.pick(nodes);
    const path = node === undefined ? '.' : `[${node.id.toString(16)}]:`;
    const hook = ({ type } = { type: 'socket' }) => chance.pick(HOOKS[type] ?? [`h${chance.below(20)}`]);
    const works = {
      mkpeer: () => this.mkpeer(client, chance, nodes, path, hook(node)),
      connect: () =>
        other && client.connectNodes(path, `[${other.id.toString(16)}]:`, hook(node), hook(other)),
      rmhook: () => client.rmhook(path, hook(node)),
      shutdown: () => node && client.shutdown(path),
      name: () => node && client.name(path, chance.pick(['x', 'y', `c${chance.below(1000)}`, '', 'a.b'])),
      open: () => client.msg(path, 'open', `"c${chance.below(this.lastJail + 1)}"`),
      frames: () =>
        client.sendData(
          chance.maybe(0.5) ? 'h1' : undefined,
          new Uint8Array(chance.pick([0, 13, 60, 1500, 9000])).fill(0xff),
        ),
      message: () =>
        client.msg(
          path,
          chance.pick(['getstats', 'getifname', 'setifname', 'nonsense']),
          chance.pick(['', '{', '"x"', '5']),
        ),
      jails: () => this.changeJails(chance),
      ping: () => this.ping(chance, node),
      unset: () => client.shutdown('.'),
    };
    const weights = {
      mkpeer: 20,
      connect: 20,
      rmhook: 7,
      shutdown: 5,
      name: 5,
      open: 5,
      frames: 8,
      message: 8,
      jails: 2,
      ping: 3,
      unset: 0.3,
    };
    try {
      await works[chance.weighted(weights)]();
      this.counts.done++;
    } catch (error) {
      this.judge(error);
      if (!client.isOpen) throw error;
    }
  }

  async mkpeer(client, chance, nodes, path, hook) {
    const type = chance.pick(TYPES);
    if (nodes.length < MOST_NODES)
      await client.mkpeer(path, type, hook, chance.pick(HOOKS[type] ?? ['h1', 'h2']));
  }

  async changeJails(chance) {
    const client = await NetgraphClient.connect({ socketPath: SOCKET, jail: CHAOS });
    try {
      const jails = await client.call('jail.list', {});
      if (jails.length < MOST_JAILS && chance.maybe(0.7)) {
        const vnet = chance.maybe(0.8) ? 'new' : 'inherit';
        await client.call('jail.create', {
          parameters: { name: `c${++this.lastJail}`, vnet, persist: 'true' },
        });
      } else if (jails.length > 0) {
        await client.call('jail.remove', { jail: String(chance.pick(jails).jid) });
      }
    } finally {
      await client.close();
    }
  }

  /** The system sends frames by an interface. */
  ping(chance, node) {
    if (node?.type !== 'eiface' || this.pings >= MOST_PINGS) return;
    this.pings++;
    const net = `10.${1 + chance.below(200)}.${chance.below(200)}`;
    const { name } = node;
    const script = `ip link set ${name} up && ip addr add ${net}.1/24 dev ${name} && exec ping -q -b -i 0.01 -w 1 ${net}.255`;
    const child = start(['ip', 'netns', 'exec', CHAOS, 'sh', '-c', script], { stdio: 'ignore' });
    child.on('exit', () => {
      this.pings--;
    });
  }

  judge(error, mayLose = false) {
    if (error instanceof Late) this.counts.late++;
    // We closed it ourselves.
    if (error instanceof Late || error.code === 'ECLOSED') return;
    const isLost = error.errno === undefined && ['ECONNRESET', 'ENODAEMON'].includes(error.code);
    if (isLost) this.counts.lost++;
    else if (error.errno !== undefined || error.code !== undefined) this.counts.refused++;
    // A reply may only be missing when a client shut down its own node.
    if (isLost ? !(this.mayLose || mayLose) : error.code === 'ETIMEDOUT' || error.code === undefined)
      this.wrong.push(`chaos: ${error.stack}`);
  }

  /** Where frames would go round for ever, an edge is taken away. Returns whether there may be more. */
  async breakLoops() {
    try {
      const names = [CHAOS, ...(await this.jails())];
      const root = new Map();
      const find = (key) => {
        while (root.get(key) !== undefined) key = root.get(key);
        return key;
      };
      const inJail = async (jail) => {
        const client = await NetgraphClient.connect({ socketPath: SOCKET, jail }).catch(() => undefined);
        if (client === undefined) return true;
        return await this.breakLoopsIn(client, find, root).finally(() => client.close());
      };
      return (await Promise.all(names.map(inJail))).some((removed) => removed);
    } catch (error) {
      if (error.code !== 'ETIMEDOUT') this.judge(error);
      return true;
    }
  }

  async breakLoopsIn(client, find, root) {
    const jid = client.jid;
    const passing = (await client.listNodes()).filter(({ type }) => PASSES.has(type));
    // All at once, as each answer may take long.
    const none = () => ({ linkinfo: [] });
    const lists = await Promise.all(
      passing.map(({ id }) => client.listHooks(`[${id.toString(16)}]:`).catch(none)),
    );
    const removals = [];
    for (const [i, { id, type }] of passing.entries()) {
      const path = `[${id.toString(16)}]:`;
      const { linkinfo } = lists[i];
      for (const { ourhook, peerhook, nodeinfo } of linkinfo) {
        if (!PASSES.has(nodeinfo.type)) continue;
        const far = /^jid=(\d+)$/.exec(ourhook);
        const back = /^jid=(\d+)$/.exec(peerhook);
        const here = `${jid}/${id}`;
        const there = `${far === null || back === null ? jid : far[1]}/${nodeinfo.id}`;
        // Each edge shows at both ends: it counts at the first.
        if (here > there) continue;
        const echo = type === 'echo' || nodeinfo.type === 'echo';
        const [a, b] = [find(here), find(there)];
        if (echo || a === b) removals.push(client.rmhook(path, ourhook).catch(() => {}));
        else root.set(a, b);
      }
    }
    await Promise.all(removals);
    return removals.length > 0;
  }

  /** Programs that it started are over. */
  async settled() {
    for (let i = 0; this.pings > 0 && i < 300; i++) await sleep(10);
  }
}
