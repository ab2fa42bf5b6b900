import { type VnetSystem, vnetDefine } from '../vnet/index.js';

const maxNodes = vnetDefine('maxnodes', () => 1 << 20);
const maxHooks = vnetDefine('maxhooks', () => 1 << 21);
const hooks = vnetDefine('hooks', () => 0);
const maxData = vnetDefine('maxdata', () => 4096);
const queuedFrames = vnetDefine('queued frames', () => 0);
const maxDataOctets = vnetDefine('maxdatabytes', () => 64 * 1024 * 1024);
const queuedOctets = vnetDefine('queued octets', () => 0);
const maxDatagram = vnetDefine('maxdgram', () => 128 * 1024);
const receiveSpace = vnetDefine('recvspace', () => 4 * 1024 * 1024);

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
};

/** Publishes the limits, where FreeBSD has them under its names. */
export function registerLimits({ sysctls }: VnetSystem): void {
  sysctls.uint('net.graph.maxnodes', maxNodes, 'Maximum number of nodes');
  sysctls.uint('net.graph.maxhooks', maxHooks, 'Maximum number of hooks of all nodes');
  sysctls.uint('net.graph.maxdatabytes', maxDataOctets, 'Maximum size of frames that wait in queues');
  sysctls.int('net.graph.maxdata', maxData, 'Maximum number of frames that wait in queues', { min: 0 });
  sysctls.uint('net.graph.maxdgram', maxDatagram, 'Maximum size of a message or frame from a socket');
  sysctls.uint('net.graph.recvspace', receiveSpace, 'Maximum space for what a socket has not read yet');
}
