/**
 * The ways from namespace A to namespace B. Each is made once, and stays idle while others are measured. What makes
 * one returns { a, b: namespaces, pid: of the forwarding process if there is one }.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { addNamespace, compile, configure, dist, otherDist, run, scratch, sleep, start } from './lab.mjs';
import { chainType, mixedModules } from './mixed.mjs';

const ip = (...words) => run(['ip', ...words]);

async function veth(a, b) {
  await ip('link', 'add', 'veth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', b);
  return { device: 'veth0' };
}

async function bridge(a, b) {
  await ip('link', 'add', 'bench', 'type', 'bridge');
  await ip('link', 'set', 'bench', 'up');
  for (const netns of [a, b]) {
    await ip('link', 'add', `${netns}-port`, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', netns);
    await ip('link', 'set', `${netns}-port`, 'master', 'bench', 'up');
  }
  return { device: 'veth0' };
}

async function inC(a, b) {
  const forward = await compile('forward');
  return {
    device: 'tap0',
    pid: await start([forward, `/run/netns/${a}`, `/run/netns/${b}`], { ready: 'ready' }),
  };
}

/** The daemon: eiface, chain of nodes, wormhole, wormhole, eiface. */
const ours =
  (nodes, build = dist) =>
  async (a, b) => {
    const env = {
      NETGRAPH_RUN_DIR: join(scratch, a),
      NETGRAPH_STATE_DIR: join(scratch, a),
      NETGRAPH_MODULE_PATH: mixedModules(),
    };
    const socketPath = join(scratch, a, 'control.sock');
    const pid = await start([process.execPath, join(build, 'cli/netgraph.js'), 'daemon'], { env });
    await patiently(() => access(socketPath));
    await joinJails(socketPath, a, b, nodes);
    return { device: 'ngeth0', pid, env, made: true };
  };

/** Makes two jails of a daemon, an eiface in each, and joins these; `nodes` more nodes lie between. */
async function joinJails(socketPath, a, b, nodes) {
  const { NetgraphClient } = await import(`${dist}/client/index.js`);
  const host = await NetgraphClient.connect({ socketPath });
  for (const name of [a, b]) {
    const { jid } = await host.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true' } });
    const inside = await NetgraphClient.connect({ socketPath, jail: name });
    await inside.mkpeer('.', 'eiface', 'e', 'ether');
    await inside.name('.:e', 'end');
    await inside.rmhook('.', 'e');
    let hook = 'ether';
    for (let n = 0; name === a && n < nodes; n++) {
      await inside.mkpeer('end:', chainType(n), hook, 'left');
      await inside.name(`end:${hook}`, `node${n}`);
      // The name moves on to the far end of the chain.
      await inside.name('end:', n === 0 ? 'eiface' : `node${n - 1}`);
      await inside.name(`node${n}:`, 'end');
      hook = 'right';
    }
    await inside.close();
    await host.mkpeer('.', 'wormhole', name, 'evthorizon');
    await host.name(name, name);
    await host.msg(name, 'open', `"${name}"`);
    await host.connectNodes(`${name}:jid=${jid}`, 'end:', 'evthorizon', hook);
    await host.rmhook('.', name);
  }
  await host.connectNodes(`${a}:`, `${b}:`, 'evthorizon', 'evthorizon');
  await host.close();
}

/** Makes two more jails in the daemon of a path of ours: a path beside it, without a server. */
export async function pathBeside({ a, b, address, env }) {
  const beside = { a: `${a}2`, b: `${b}2`, address: address.replace('10.99.', '10.98.') };
  await joinJails(join(env.NETGRAPH_RUN_DIR, 'control.sock'), beside.a, beside.b, 0);
  await configure(beside.a, 'ngeth0', beside.address.replace(/2$/, '1'));
  await configure(beside.b, 'ngeth0', beside.address);
  return beside;
}

const CROWD = 100;

/** Makes a jail in the daemon of a path of ours with a hub between its first interface, 10.97.0.1, and a hundred more. */
export async function crowdBeside({ a, env }) {
  const netns = `${a}3`;
  const socketPath = join(env.NETGRAPH_RUN_DIR, 'control.sock');
  const { NetgraphClient } = await import(`${dist}/client/index.js`);
  const host = await NetgraphClient.connect({ socketPath });
  await host.call('jail.create', { parameters: { name: netns, vnet: 'new', persist: 'true' } });
  const inside = await NetgraphClient.connect({ socketPath, jail: netns });
  await inside.mkpeer('.', 'hub', 'h', 'control');
  await inside.name('.:h', 'hub');
  for (let i = 0; i <= CROWD; i++) await inside.mkpeer('hub:', 'eiface', `port${i}`, 'ether');
  await inside.close();
  await host.close();
  await configure(netns, 'ngeth0', '10.97.0.1');
  await ip('-n', netns, 'neighbour', 'add', '10.97.0.2', 'lladdr', '02:00:00:00:00:01', 'dev', 'ngeth0');
  const up = Array.from({ length: CROWD }, (_, i) => `link set ngeth${i + 1} up\n`).join('');
  await run(['ip', '-n', netns, '-batch', '-'], { input: up });
  return { netns, address: '10.97.0.2' };
}

async function vde(a, b) {
  const pid = await start(['vde_switch', '-s', join(scratch, 'vde'), '-tap', 'vdea', '-tap', 'vdeb']);
  await handOver(['vdea', a], ['vdeb', b]);
  return { device: 'tap0', pid };
}

/** Open vSwitch with its datapath in user space, in a namespace of its own. */
const openVSwitch = (options) => async (a, b) => {
  const netns = `${a}-switch`;
  const directory = join(scratch, netns);
  mkdirSync(directory);
  await addNamespace(netns);
  const env = { OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory };
  const database = join(directory, 'conf.db');
  const socket = `unix:${join(directory, 'db.sock')}`;
  const ovs = (...words) => run(['ovs-vsctl', `--db=${socket}`, ...words], { env });
  await run(['ovsdb-tool', 'create', database, '/usr/share/openvswitch/vswitch.ovsschema'], { env });
  await start(['ovsdb-server', database, `--remote=p${socket}`, '--log-file=/dev/null'], { env });
  await patiently(() => ovs('--no-wait', 'init'));
  if (options.length > 0) await ovs('--no-wait', 'set', 'Open_vSwitch', '.', ...options);
  const pid = await start(['ovs-vswitchd', socket, '--log-file=/dev/null'], { netns, env });
  const ports = ['porta', 'portb'];
  await ovs('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
  for (const port of ports)
    await ovs('add-port', 'br0', port, '--', 'set', 'interface', port, 'type=internal');
  await handOver([ports[0], a, netns], [ports[1], b, netns]);
  return { device: 'tap0', pid };
};

/** Moves TAPs that others made into namespaces, as tap0: [device, netns, netns where it is]. */
async function handOver(...list) {
  for (const [device, netns, from] of list) {
    const inside = from === undefined ? [] : ['-n', from];
    await patiently(() => ip(...inside, 'link', 'set', device, 'netns', netns, 'name', 'tap0'));
  }
}

async function patiently(attempt) {
  for (let left = 100; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(0.1);
    }
  }
}

/** By name: [title, how it is made, the program that it needs if that is not among ours: --peers installs it]. */
export const paths = {
  veth: ['veth pair', veth],
  bridge: ['veth, kernel bridge', bridge],
  c: ['C, the same TAPs', inC],
  ours: ['ours', ours(0)],
  ours1: ['ours, 1 more node', ours(1)],
  ours10: ['ours, 10 more nodes', ours(10)],
  ours100: ['ours, 100 more nodes', ours(100)],
  ...(otherDist && { oursother: ['ours, the other build', ours(0, otherDist)] }),
  vde: ['vde_switch', vde, 'vde_switch'],
  ovs: ['Open vSwitch, netdev', openVSwitch([]), 'ovs-vswitchd'],
  ovstso: [
    'Open vSwitch, netdev, TSO',
    openVSwitch(['other_config:userspace-tso-enable=true']),
    'ovs-vswitchd',
  ],
};

/** Whether the program is there that a path needs. */
export function isPossible(path) {
  const [, , program] = paths[path];
  const places = process.env.PATH.split(delimiter);
  return program === undefined || places.some((place) => existsSync(join(place, program)));
}

/** Makes a path between two namespaces of its own, with addresses, an iperf3 server in B, and warmed up. */
export async function makePath(name, index) {
  const [title, make] = paths[name];
  const [a, b] = [`${name}a`, `${name}b`];
  if (!name.startsWith('ours')) for (const netns of [a, b]) await addNamespace(netns);
  const path = { name, title, a, b, address: `10.99.${index}.2`, ...(await make(a, b)) };
  await configure(a, path.device, `10.99.${index}.1`);
  await configure(b, path.device, path.address);
  await start(['iperf3', '-s'], { netns: b });
  await patiently(() =>
    run(['iperf3', '-c', path.address, '-t', '1', '-P', '4', '--connect-timeout', '500'], { netns: a }),
  );
  return path;
}
