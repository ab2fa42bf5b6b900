import { type VnetSystem, vnetDefine } from '../vnet/index.js';

const maxData = vnetDefine('maxdata', () => 4096);
const queuedFrames = vnetDefine('queued frames', () => 0);
const maxDatagram = vnetDefine('maxdgram', () => 128 * 1024);
const receiveSpace = vnetDefine('recvspace', () => 4 * 1024 * 1024);

/** Bounds that hold for each vnet by itself. */
export const limits = { maxData, queuedFrames, maxDatagram, receiveSpace };

/** Publishes the limits under the names that FreeBSD gives them. */
export function registerLimits({ sysctls }: VnetSystem): void {
  sysctls.int('net.graph.maxdata', maxData, 'Maximum number of frames that wait in queues', { min: 0 });
  sysctls.uint('net.graph.maxdgram', maxDatagram, 'Maximum size of a message or frame from a socket');
  sysctls.uint('net.graph.recvspace', receiveSpace, 'Maximum space for what a socket has not read yet');
}
