/** Operations whose outcome is known, one after the other: what was acknowledged is in the model, too. */
import { must, NetgraphClient, SOCKET, sleep } from './box.mjs';
import { Model, Refusal } from './model.mjs';

/** The daemon went away during an operation. */
export class Interrupted extends Error {}

const isLost = (error) =>
  ['ECONNRESET', 'ECLOSED', 'ENODAEMON', 'ECONNREFUSED', 'EPIPE'].includes(error.code);
const hex = (id) => `[${id.toString(16)}]`;

export class Ledger {
  model = new Model();
  /** What the model is to be if the operation under way is done. */
  after = undefined;
  /** Runs when an operation has begun. */
  begun = () => {};
  /** Our socket nodes, by jail. */
  clients = new Map();
  /** The highest ID of a node that there was, by vnet: others are higher. */
  highest = new Map();
  counts = {};
  refusals = {};

  /** @param note hears of each operation as it begins */
  constructor(note) {
    this.note = note;
  }

  /**
   * One operation.
   * @param effect on the model; throws Refusal when the daemon must refuse, too
   * @param act does it
   * @returns whether it was done; not when it was refused
   */
  async attempt(kind, what, effect, act) {
    this.note(`${kind} ${what}`);
    const after = this.model.clone();
    let refusal;
    try {
      effect(after);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refusal = error;
    }
    this.after = refusal === undefined ? after : this.model.clone();
    const acting = act();
    this.begun(kind);
    try {
      await acting;
    } catch (error) {
      if (isLost(error)) throw new Interrupted(`${kind} ${what}`);
      this.after = undefined;
      if (error.errno === undefined && error.code === undefined) throw error;
      this.refusals[error.code] = (this.refusals[error.code] ?? 0) + 1;
      this.refused = error;
      return false;
    }
    if (refusal !== undefined) throw new Error(`${kind} ${what} was done, but: ${refusal.message}`);
    this.model = after;
    this.after = undefined;
    this.count(kind);
    return true;
  }

  /** One that must not be refused. */
  async must(...words) {
    if (!(await this.attempt(...words)))
      throw new Error(`${words[0]} ${words[1]}: refused: ${this.refused.message}`);
  }

  /** Something that changes nothing. */
  async ask(question) {
    try {
      return await question();
    } catch (error) {
      throw isLost(error) ? new Interrupted('a question') : error;
    }
  }

  count(kind) {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  /** Our client in a jail, with its socket node in the model. */
  async client(jail) {
    const known = this.clients.get(jail);
    if (known?.client.isOpen && this.model.nodes.has(known.key)) return known;
    const { jid } = this.model.jails.get(jail);
    const options = jail === '' ? {} : { jail: String(jid) };
    const client = await this.ask(() => NetgraphClient.connect({ socketPath: SOCKET, ...options }));
    await this.ask(() => client.nodeId());
    const entry = { client, key: this.model.add(jail, 'socket', '') };
    this.clients.set(jail, entry);
    return entry;
  }

  async closeClient(jail) {
    const known = this.clients.get(jail);
    if (known === undefined) return;
    this.clients.delete(jail);
    await known.client.close();
    this.model.shutdown(known.key);
  }

  /** The daemon is gone: so are our sockets. */
  async disconnected() {
    for (const { client } of this.clients.values()) await client.close().catch(() => {});
    this.clients.clear();
    this.model.closeSockets();
    this.after?.closeSockets();
  }

  /** The path of a node, from a client in its jail. */
  path(key) {
    const { id, name } = this.model.node(key);
    return id === undefined ? `${name}:` : `${hex(id)}:`;
  }

  // Operations

  async createJail(name, parameters = {}) {
    const host = await this.client('');
    let jail;
    await this.must(
      'jail -c',
      name,
      (model) => model.addJail(name),
      async () => {
        jail = await host.client.call('jail.create', {
          parameters: { name, vnet: 'new', persist: 'true', ...parameters },
        });
      },
    );
    this.model.jails.get(name).jid = jail.jid;
  }

  async removeJail(name) {
    const host = await this.client('');
    await this.must(
      'jail -r',
      name,
      (model) => model.removeJail(name),
      () => host.client.call('jail.remove', { jail: name }),
    );
    await this.forgetJail(name);
  }

  /** It is gone, and its programs' sockets with it. */
  async forgetJail(name) {
    const known = this.clients.get(name);
    this.clients.delete(name);
    await known?.client.close();
  }

  /** Makes a node on a hook of ours, gives it a name if it has none, and lets go of it. Returns its key. */
  async make(jail, type, peerHook, name) {
    const { client, key: own } = await this.client(jail);
    let key;
    await this.must(
      'mkpeer',
      `${jail} . ${type} m ${peerHook}`,
      (model) => {
        key = model.mkpeer(own, 'm', type, peerHook);
      },
      () => client.mkpeer('.', type, 'm', peerHook),
    );
    await this.learn(key, client, '.:m');
    if (name !== undefined) await this.name(key, name);
    return key;
  }

  /** Lets go of what `make` made. */
  async release(jail) {
    const { client, key } = await this.client(jail);
    await this.must(
      'rmhook',
      `${jail} . m`,
      (model) => model.rmhook(key, 'm'),
      () => client.rmhook('.', 'm'),
    );
  }

  async mkpeer(key, hook, type, peerHook) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    let made;
    const done = await this.attempt(
      'mkpeer',
      `${jail} ${key} ${hook} ${type} ${peerHook}`,
      (model) => {
        made = model.mkpeer(key, hook, type, peerHook);
      },
      () => client.mkpeer(path, type, hook, peerHook),
    );
    if (!done) return undefined;
    await this.learn(made, client, `${path}${hook}`);
    return made;
  }

  async name(key, name) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    return this.attempt(
      'name',
      `${jail} ${key} ${name}`,
      (model) => model.name(key, name),
      () => client.name(path, name),
    );
  }

  async connect(key, hook, peer, peerHook) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const [path, peerPath] = [this.path(key), this.path(peer)];
    return this.attempt(
      'connect',
      `${jail} ${key} ${hook} ${peer} ${peerHook}`,
      (model) => model.connect(key, hook, peer, peerHook),
      () => client.connectNodes(path, peerPath, hook, peerHook),
    );
  }

  async rmhook(key, hook) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    const name = hook === 'warp' ? [...this.model.edges(this.model.node(key)).keys()].at(-1) : hook;
    return this.attempt(
      'rmhook',
      `${jail} ${key} ${hook}`,
      (model) => model.rmhook(key, hook),
      () => client.rmhook(path, name),
    );
  }

  async shutdown(key) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    return this.attempt(
      'shutdown',
      `${jail} ${key}`,
      (model) => model.shutdown(key),
      () => client.shutdown(path),
    );
  }

  /** Opens a wormhole into a jail; returns the key of its far side. */
  async open(key, target) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    let far;
    const done = await this.attempt(
      'open',
      `${jail} ${key} ${target}`,
      (model) => {
        far = model.open(key, target);
      },
      () => client.msg(path, 'open', `"${target}"`),
    );
    if (!done) return undefined;
    await this.learn(far, client, `${path}jid=${this.model.jails.get(target).jid}`);
    return far;
  }

  /** Tells a node something that it remembers. */
  async tell(key, message, text, setting, value) {
    const { jail } = this.model.node(key);
    const { client } = await this.client(jail);
    const path = this.path(key);
    const effect = (model) => {
      model.node(key).settings[setting] = value;
    };
    return this.attempt(message, `${jail} ${key} ${text}`, effect, () => client.msg(path, message, text));
  }

  async sysctl(jail, name, value) {
    const { client } = await this.client(jail);
    const effect = (model) => {
      model.jails.get(jail).sysctls[name] = value;
    };
    return this.attempt('sysctl', `${jail} ${name}=${value}`, effect, () =>
      client.call('sysctl.write', { name, value: String(value) }),
    );
  }

  /** `ip link del`: the daemon notices, sooner or later. */
  async deleteLink(key) {
    const { jail, name, id } = this.model.node(key);
    const after = this.model.clone();
    after.shutdown(key);
    await this.deleteOnly(key);
    // Killed before it wrote that down, the daemon makes the interface anew.
    this.after = after;
    return async () => {
      const { client } = await this.client(jail);
      const isThere = async () => (await client.listNodes()).some((node) => node.id === id);
      await this.noticed(`the end of ${jail} ${name}`, async () => !(await isThere()));
      this.model.shutdown(key);
      this.after = undefined;
    };
  }

  /** `ip link del` while there is no daemon: the next one makes the interface of that node anew. */
  async deleteOnly(key) {
    const { jail, name } = this.model.node(key);
    this.note(`ip link del ${jail} ${name}`);
    await must(['ip', ...(jail === '' ? [] : ['-n', jail]), 'link', 'del', name]);
    this.count('ip link del');
  }

  /** `ip netns del`. */
  async deleteNamespace(jail) {
    this.note(`ip netns del ${jail}`);
    await must(['ip', 'netns', 'del', jail]);
    this.model.removeJail(jail);
    this.after?.jails.has(jail) && this.after.removeJail(jail);
    this.count('ip netns del');
    return async () => {
      const { client } = await this.client('');
      await this.noticed(`the end of namespace ${jail}`, async () => {
        const jails = await client.call('jail.list', {});
        return !jails.some(({ name }) => name === jail);
      });
      await this.forgetJail(jail);
    };
  }

  async noticed(what, holds) {
    for (const end = Date.now() + 10_000; !(await this.ask(holds)); await sleep(5))
      if (Date.now() > end) throw new Error(`the daemon did not notice ${what} within 10 s`);
  }

  /** What is not known before it is made. */
  async learn(key, client, path) {
    let info;
    try {
      info = await this.ask(() => client.nodeInfo(path));
    } catch (error) {
      // Somebody else may have taken it away; the comparison will tell.
      if (error.code === 'ENOENT') return;
      throw error;
    }
    const node = this.model.node(key);
    node.id = info.id;
    node.name ??= info.name;
    const vnet = `${node.jail}/${this.model.jails.get(node.jail).jid}`;
    if (info.id <= (this.highest.get(vnet) ?? 0))
      throw new Error(`node ${key} in jail "${node.jail}" has ID ${hex(info.id)}, which another one had`);
    this.highest.set(vnet, info.id);
  }
}
