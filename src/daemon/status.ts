import { heldCapabilities } from '../linux/index.js';
import { dropsIn } from '../netgraph/index.js';
import type { DaemonStatus } from '../protocol/index.js';
import type { Connection } from './connection.js';
import { typeList, visibleVnets } from './types.js';

/** What `netgraph status` shows: of all that the client may see. */
export function daemonStatus(client: Connection): DaemonStatus {
  const { world, daemon, jail } = client;
  const vnets = visibleVnets(client);
  const { rss, heapUsed } = process.memoryUsage();
  return {
    pid: process.pid,
    version: daemon.version,
    uptime: Math.round(process.uptime()),
    socket: daemon.paths.socket,
    stateDir: daemon.paths.stateDir,
    notices: jail === undefined ? [...daemon.notices, ...world.notices] : [],
    capabilities: heldCapabilities(),
    ioUring: world.interfaces.usesIoUring,
    jails: world.jails.list(jail).length,
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
    types: typeList(client),
    ...(jail === undefined && { memory: { rss, heapUsed } }),
    counters: dropsIn(vnets),
  };
}
