/**
 * What the graph should be: a small netgraph that knows nothing of frames. Each operation that the daemon acknowledged is
 * done here, too, and then both must be the same.
 *
 * Programs' socket nodes are part of it, as what hangs on them goes with them, but are not compared.
 */
const FREE_HOOKS = { hub: true, hole: true, echo: true, socket: true };
const HOOKS = {
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};

export const takesHook = (type, hook) => FREE_HOOKS[type] === true || HOOKS[type]?.includes(hook) === true;

/** Something that the daemon must refuse. */
export class Refusal extends Error {}

function require(condition, what) {
  if (!condition) throw new Refusal(what);
}

export class Model {
  /** By name: `{ jid, sysctls }`; the host is ''. */
  jails = new Map([['', { jid: 0, sysctls: {} }]]);
  /** By key: see `add`. */
  nodes = new Map();
  lastKey = 0;

  clone() {
    return Object.assign(new Model(), structuredClone({ ...this }));
  }

  /** @param name undefined: what it is shows later */
  add(jail, type, name) {
    require(this.jails.has(jail), `no jail ${jail}`);
    const key = `${type}${++this.lastKey}`;
    const node = { key, jail, type, name, id: undefined, hooks: new Map(), warp: undefined, settings: {} };
    this.nodes.set(key, node);
    return key;
  }

  node(key) {
    const node = this.nodes.get(key);
    require(node !== undefined, `no node ${key}`);
    return node;
  }

  find(jail, name) {
    return [...this.nodes.values()].find((node) => node.jail === jail && node.name === name);
  }

  mkpeer(key, hook, type, peerHook) {
    const node = this.node(key);
    this.checkHook(node, hook);
    require(takesHook(type, peerHook), `${type} has no ${peerHook}`);
    const peer = this.add(node.jail, type, type === 'eiface' ? undefined : '');
    this.join(node, hook, this.node(peer), peerHook);
    return peer;
  }

  connect(key, hook, peerKey, peerHook) {
    const [node, peer] = [this.node(key), this.node(peerKey)];
    require(node.jail === peer.jail, 'in different vnets');
    this.checkHook(node, hook);
    this.checkHook(peer, peerHook);
    require(node !== peer || hook !== peerHook, 'one hook twice');
    if (node.type === 'wormhole' && peer.type === 'wormhole') this.collapse(node, peer);
    else this.join(node, hook, peer, peerHook);
  }

  rmhook(key, hook) {
    const node = this.node(key);
    if (hook === 'warp') this.breakWarp(node);
    else if (node.hooks.has(hook)) this.breakEdge(node, hook);
  }

  name(key, name) {
    const node = this.node(key);
    const owner = this.find(node.jail, name);
    require(owner === undefined || owner === node, `${name} is taken`);
    node.name = name;
  }

  /** Opens a wormhole; returns the key of its far side. */
  open(key, jail) {
    const node = this.node(key);
    require(node.type === 'wormhole', 'not a wormhole');
    require(node.warp === undefined, 'it is open');
    require(jail !== node.jail, 'it is there already');
    const far = this.add(jail, 'wormhole', '');
    node.warp = far;
    this.node(far).warp = key;
    return far;
  }

  shutdown(key) {
    const node = this.nodes.get(key);
    if (node === undefined) return;
    this.nodes.delete(key);
    if (node.type === 'tee' && node.hooks.has('left') && node.hooks.has('right')) {
      const [left, right] = [node.hooks.get('left'), node.hooks.get('right')];
      node.hooks.delete('left');
      node.hooks.delete('right');
      this.join(this.node(left.key), left.hook, this.node(right.key), right.hook);
    }
    for (const hook of [...node.hooks.keys()]) this.breakEdge(node, hook);
    this.breakWarp(node);
  }

  addJail(name, jid) {
    require(!this.jails.has(name), `jail ${name} exists`);
    this.jails.set(name, { jid, sysctls: {} });
  }

  removeJail(name) {
    for (const { key } of [...this.nodes.values()].filter(({ jail }) => jail === name)) this.shutdown(key);
    this.jails.delete(name);
  }

  /** The daemon is gone, and with it all programs' sockets. */
  closeSockets() {
    for (const { key, type } of [...this.nodes.values()]) if (type === 'socket') this.shutdown(key);
  }

  checkHook(node, hook) {
    require(takesHook(node.type, hook), `${node.key} takes no hook ${hook}`);
    require(!node.hooks.has(hook), `${node.key} has ${hook}`);
  }

  join(node, hook, peer, peerHook) {
    node.hooks.set(hook, { key: peer.key, hook: peerHook });
    peer.hooks.set(peerHook, { key: node.key, hook });
  }

  breakEdge(node, hook) {
    const peer = node.hooks.get(hook);
    if (peer === undefined) return; // it went with the one before, at the other end of a loop
    node.hooks.delete(hook);
    this.removeUnused(node);
    const other = this.nodes.get(peer.key);
    if (other === undefined || other === node) {
      node.hooks.delete(peer.hook);
      this.removeUnused(node);
      return;
    }
    other.hooks.delete(peer.hook);
    this.removeUnused(other);
  }

  breakWarp(node) {
    const far = this.nodes.get(node.warp);
    node.warp = undefined;
    if (far === undefined) return;
    far.warp = undefined;
    this.shutdown(node.key);
    this.shutdown(far.key);
  }

  collapse(node, peer) {
    const [a, b] = [this.nodes.get(node.warp), this.nodes.get(peer.warp)];
    require(a !== undefined && b !== undefined, 'both must be open');
    require(a.jail !== b.jail, 'both lead to the same vnet');
    [a.warp, b.warp] = [b.key, a.key];
    for (const inner of [node, peer]) {
      inner.warp = undefined;
      this.shutdown(inner.key);
    }
  }

  removeUnused({ key, type, name, hooks, warp, settings }) {
    const stays =
      type === 'eiface' ||
      type === 'socket' ||
      settings.persistent ||
      (type === 'wormhole' && (warp !== undefined || name !== ''));
    if (hooks.size === 0 && !stays) this.shutdown(key);
  }

  /** Hooks as they are to be listed: those to programs left out. */
  edges({ hooks, warp }) {
    const edges = [...hooks].filter(([, { key }]) => this.node(key).type !== 'socket');
    if (warp === undefined) return new Map(edges);
    const far = this.node(warp);
    const back = this.jails.get(this.node(far.warp).jail);
    return new Map([
      ...edges,
      [`jid=${this.jails.get(far.jail)?.jid}`, { key: warp, hook: `jid=${back?.jid}` }],
    ]);
  }

  /**
   * Compares with what is there, and learns IDs and names that were not known if it is the same.
   * @param survey see `survey.mjs`
   * @param wild names of jails that others change
   */
  differences(survey, wild) {
    const found = [];
    const names = [...survey.vnets.keys()].filter((name) => !wild(name));
    const expected = [...this.jails.keys()].filter((name) => !wild(name));
    if (String(names.sort()) !== String(expected.sort())) return [`jails ${names} instead of ${expected}`];
    for (const name of expected) {
      const [{ jid }, jail] = [survey.vnets.get(name), this.jails.get(name)];
      if (jail.jid !== undefined && jail.jid !== jid)
        found.push(`jail ${name} has jid ${jid}, not ${jail.jid}`);
      else jail.jid = jid;
    }
    const nodes = [...this.nodes.values()].filter(({ jail, type }) => type !== 'socket' && !wild(jail));
    const ids = this.identify(nodes, survey, found);
    for (const node of nodes) {
      const real = survey.vnets.get(node.jail).nodes.get(ids.get(node.key));
      if (real !== undefined) found.push(...this.nodeDifferences(node, real, ids));
    }
    for (const name of expected) {
      for (const real of survey.vnets.get(name).nodes.values()) {
        const known = nodes.some((node) => node.jail === name && ids.get(node.key) === real.id);
        if (!known && real.type !== 'socket')
          found.push(`jail "${name}": unexpected ${real.type} ${real.name} [${real.id.toString(16)}]`);
      }
    }
    if (found.length === 0) {
      for (const node of nodes) {
        node.id = ids.get(node.key);
        node.name = survey.vnets.get(node.jail).nodes.get(node.id).name;
      }
    }
    return found;
  }

  /** The ID of each node: known, or to be found by what else is known of it. */
  identify(nodes, survey, found) {
    const ids = new Map(nodes.filter(({ id }) => id !== undefined).map(({ key, id }) => [key, id]));
    const claim = (node, real) => real !== undefined && real.type === node.type && ids.set(node.key, real.id);
    const open = () => nodes.filter(({ key }) => !ids.has(key));
    for (const node of open()) {
      const all = [...survey.vnets.get(node.jail).nodes.values()];
      if (node.name)
        claim(
          node,
          all.find(({ name }) => name === node.name),
        );
      for (const [hook, edge] of node.warp === undefined ? [] : this.edges(node)) {
        if (edge.key !== node.warp || ids.has(node.key)) continue;
        const far = this.node(edge.key);
        const real = survey.vnets.get(far.jail).nodes.get(ids.get(far.key));
        claim(
          node,
          all.find(({ id }) => id === real?.hooks.get(edge.hook)?.id && hook !== ''),
        );
      }
    }
    for (const node of open()) {
      const claimed = nodes.filter(({ jail }) => jail === node.jail).map(({ key }) => ids.get(key));
      const all = [...survey.vnets.get(node.jail).nodes.values()];
      const free = all.filter(({ id, type }) => type === node.type && !claimed.includes(id));
      if (free.length === 1) claim(node, free[0]);
    }
    for (const { key, jail, id, name } of nodes) {
      const real = survey.vnets.get(jail).nodes.get(ids.get(key));
      if (real === undefined)
        found.push(`jail "${jail}": ${key} ${name ?? ''} [${id?.toString(16) ?? 'new'}] is missing`);
    }
    return ids;
  }

  nodeDifferences(node, real, ids) {
    const found = [];
    const say = (what) =>
      found.push(`jail "${node.jail}": ${node.key} ${real.name} [${real.id.toString(16)}] ${what}`);
    if (real.type !== node.type) say(`is a ${real.type}`);
    if (node.name !== undefined && real.name !== node.name) say(`is not named ${node.name}`);
    const edges = this.edges(node);
    for (const [hook, edge] of edges) {
      const peer = real.hooks.get(hook);
      const expected = `${edge.key}[${ids.get(edge.key)?.toString(16)}]:${edge.hook}`;
      if (peer === undefined) say(`lacks hook ${hook} to ${expected}`);
      else if (peer.id !== ids.get(edge.key) || peer.hook !== edge.hook)
        say(`has hook ${hook} to [${peer.id.toString(16)}]:${peer.hook} instead of ${expected}`);
    }
    for (const [hook, peer] of real.hooks)
      if (!edges.has(hook) && peer.type !== 'socket')
        say(`has a hook ${hook} to ${peer.type} [${peer.id.toString(16)}] that should not be`);
    return found;
  }
}
