import { Order, type Registration, Subsystem, type VnetSystem, vnetDefine } from '../vnet/index.js';

const maxNodes = vnetDefine('maxnodes', () => 1 << 20);
const maxHooks = vnetDefine('maxhooks', () => 1 << 21);
const hooks = vnetDefine('hooks', () => 0);
const maxData = vnetDefine('maxdata', () => 4096);
const queuedFrames = vnetDefine('queued frames', () => 0);
const maxDataOctets = vnetDefine('maxdatabytes', () => 64 * 1024 * 1024);
const queuedOctets = vnetDefine('queued octets', () => 0);
const maxDatagram = vnetDefine('maxdgram', () => 128 * 1024);
const receiveSpace = vnetDefine('recvspace', () => 4 * 1024 * 1024);
const maxReceiveSpace = vnetDefine('maxrecvspace', () => 64 * 1024 * 1024);
const maxClients = vnetDefine('maxclients', () => 1024);
const maxInterfaces = vnetDefine('maxinterfaces', () => 1 << 16);

/** Bounds that hold for each vnet by itself, and what counts towards them. */
export const limits = {
  maxNodes,
  maxHooks,
  hooks,
  maxData,
  queuedFrames,
  maxDataOctets,
  queuedOctets,
  maxDatagram,
  receiveSpace,
  maxReceiveSpace,
  maxClients,
  maxInterfaces,
};

/** Publishes the limits, where FreeBSD has them under its names. */
export function registerLimits(vnets: VnetSystem): Registration {
  const { sysctls } = vnets;
  sysctls.uint('net.graph.maxnodes', maxNodes, 'Maximum number of nodes');
  sysctls.uint('net.graph.maxhooks', maxHooks, 'Maximum number of hooks of all nodes');
  sysctls.uint('net.graph.maxdatabytes', maxDataOctets, 'Maximum size of frames that wait in queues');
  sysctls.int('net.graph.maxdata', maxData, 'Maximum number of frames that wait in queues', { min: 0 });
  sysctls.uint('net.graph.maxdgram', maxDatagram, 'Maximum size of a message or frame from a socket');
  sysctls.uint('net.graph.recvspace', receiveSpace, 'Maximum space for what a socket has not read yet');
  sysctls.uint(
    'net.graph.maxrecvspace',
    maxReceiveSpace,
    'Maximum space for what sockets together have not read',
  );
  sysctls.uint('net.graph.maxclients', maxClients, 'Maximum number of connections from a jail to the daemon');
  sysctls.uint('net.graph.maxinterfaces', maxInterfaces, 'Maximum number of eiface nodes');
  return vnets.sysinit('netgraph limits', Subsystem.TUNABLES, Order.FIRST, (vnet) => {
    if (vnet.isDefault) return;
    // A jail must not take the memory or the descriptors of all; the host may let it have more.
    maxNodes.set(vnet, 1 << 16);
    maxHooks.set(vnet, 1 << 17);
    maxInterfaces.set(vnet, 1024);
  });
}
