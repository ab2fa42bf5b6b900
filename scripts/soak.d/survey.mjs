/** All that the daemon says of its world, through the client that everybody uses. */
import { NetgraphClient, SOCKET } from './box.mjs';

/**
 * Lists every node of every vnet with its hooks.
 * @returns `status`, `jails`, and `vnets` by jail name: `{ jid, nodes }`, nodes by ID with `hooks` by name
 */
export async function survey() {
  const host = await NetgraphClient.connect({ socketPath: SOCKET });
  const vnets = new Map();
  try {
    const jails = await host.call('jail.list', {});
    vnets.set('', { jid: 0, nodes: await nodesOf(host) });
    for (const { name, jid, vnet } of jails) {
      if (vnet !== 'new') continue;
      const client = await NetgraphClient.connect({ socketPath: SOCKET, jail: String(jid) });
      try {
        vnets.set(name, { jid, nodes: await nodesOf(client), sysctls: await sysctlsOf(client) });
      } finally {
        await client.close();
      }
    }
    return { jails, vnets, status: await host.call('status', {}) };
  } finally {
    await host.close();
  }
}

async function sysctlsOf(client) {
  const all = await client.call('sysctl.list', {});
  return Object.fromEntries(all.map(({ name, value }) => [name, value]));
}

/** Without the socket that asks. */
async function nodesOf(client) {
  const nodes = new Map();
  const self = await client.nodeId();
  const infos = (await client.listNodes()).filter(({ id }) => id !== self);
  const lists = await Promise.all(infos.map(({ id }) => hooksOf(client, id)));
  const offloads = await Promise.all(infos.map((info) => offloadOf(client, info)));
  for (const [i, info] of infos.entries()) {
    if (lists[i] === undefined) continue;
    if (nodes.has(info.id)) throw new Error(`ID ${info.id} is listed twice`);
    nodes.set(info.id, { ...info, hooks: lists[i], offload: offloads[i] });
  }
  return nodes;
}

async function offloadOf(client, { id, type }) {
  if (type !== 'eiface') return undefined;
  const text = await client.msg(`[${id.toString(16)}]:`, 'getoffload').catch(() => undefined);
  return text === undefined ? undefined : Number(text);
}

async function hooksOf(client, id) {
  let list;
  try {
    list = await client.listHooks(`[${id.toString(16)}]:`);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined; // it went meanwhile
    throw error;
  }
  const hooks = new Map();
  for (const { ourhook, peerhook, nodeinfo } of list.linkinfo) {
    // As in FreeBSD, a node may be connected to itself by one name twice.
    const loop = nodeinfo.id === id && ourhook === peerhook;
    if (hooks.has(ourhook) && !loop) throw new Error(`node [${id.toString(16)}] lists hook ${ourhook} twice`);
    hooks.set(ourhook, { hook: peerhook, ...nodeinfo });
  }
  return hooks;
}

/** What is wrong with a graph in itself. */
export function faults({ vnets, status }) {
  const found = [];
  const byJid = new Map([...vnets.values()].map((vnet) => [vnet.jid, vnet]));
  for (const [jail, { jid, nodes }] of vnets) {
    const names = [...nodes.values()].map(({ name }) => name).filter(Boolean);
    if (new Set(names).size !== names.length) found.push(`jail "${jail}": a name twice: ${names.sort()}`);
    for (const node of nodes.values()) {
      const say = (what) =>
        found.push(`jail "${jail}": ${node.type} ${node.name} [${node.id.toString(16)}]: ${what}`);
      for (const [hook, peer] of node.hooks) {
        const far = /^jid=(\d+)$/.exec(hook);
        if (node.type === 'wormhole' && hook !== 'evthorizon' && far === null) say(`has a hook ${hook}`);
        const across = node.type === 'wormhole' && far !== null;
        const other = (across ? byJid.get(Number(far[1])) : vnets.get(jail))?.nodes.get(peer.id);
        if (other === undefined) {
          // Sockets of the survey itself are not listed.
          if (peer.type !== 'socket')
            say(`hook ${hook} leads to ${peer.type} [${peer.id.toString(16)}], which is not there`);
          continue;
        }
        const back = other.hooks.get(peer.hook);
        if (back === undefined) say(`hook ${hook}: its peer has no hook ${peer.hook}`);
        else if (back.id !== node.id || back.hook !== hook)
          say(`hook ${hook}: its peer's peer is [${back.id}]:${back.hook}`);
        if (across && peer.hook !== `jid=${jid}`)
          say(`hook ${hook}: its far side has ${peer.hook}, not jid=${jid}`);
        if (other.type !== peer.type || other.name !== peer.name)
          say(`hook ${hook}: its peer is shown differently`);
      }
      if (
        node.type === 'wormhole' &&
        [...node.hooks.keys()].filter((hook) => hook !== 'evthorizon').length > 1
      )
        say('is open twice');
    }
    const eifaces = [...nodes.values()].filter(({ type }) => type === 'eiface').length;
    const devices = status.interfaces.filter((device) => device.jid === jid).length;
    if (eifaces !== devices) found.push(`jail "${jail}": ${eifaces} eiface nodes but ${devices} interfaces`);
  }
  return found;
}
