import { heldCapabilities } from '../linux/index.js';
import { dropsIn } from '../netgraph/index.js';
import type { DaemonStatus } from '../protocol/index.js';
import type { Connection } from './connection.js';

/** What `netgraph status` shows: of all that the client may see. */
export function daemonStatus({ world, daemon, jail }: Connection): DaemonStatus {
  const jails = world.jails.list(jail);
  const vnets = new Set([jail?.vnet ?? world.vnet0, ...jails.map(({ vnet }) => vnet)]);
  const { rss, heapUsed } = process.memoryUsage();
  return {
    pid: process.pid,
    version: daemon.version,
    uptime: Math.round(process.uptime()),
    socket: daemon.paths.socket,
    stateDir: daemon.paths.stateDir,
    notices: jail === undefined ? [...daemon.notices] : [],
    capabilities: heldCapabilities(),
    jails: jails.length,
    nodes: [...vnets].reduce((sum, vnet) => sum + world.graph.count(vnet), 0),
    interfaces: world.interfaces
      .list()
      .filter(({ vnet }) => vnets.has(vnet))
      .map(({ name, vnet, up, counters }) => ({
        name,
        jid: world.jails.idOf(vnet),
        up,
        counters: { ...counters },
      })),
    types: world.graph.types().map(({ type, nodes }) => ({ name: type.type, nodes })),
    memory: { rss, heapUsed },
    counters: dropsIn(vnets),
  };
}
