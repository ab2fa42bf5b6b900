import { type Vnet, type VnetSystem, vnetDefine } from '../vnet/index.js';
import type { Node } from './node.js';

/** Why frames are lost in a graph. What an interface drops it counts by itself: see `DeviceCounters`. */
const reasons = {
  noHook: 'Frames dropped as there was no hook to leave a node by, or nothing at its other end',
  gone: 'Frames dropped as the node or hook that they waited for went',
  queueFull: 'Frames dropped as too many waited (net.graph.maxdata, maxdatabytes)',
  malformed: 'Frames dropped as their offload header made no sense',
  refused: 'Frames dropped as a node refused them',
  noReader: 'Frames dropped as a socket node had no data socket',
  unread: 'Frames dropped as a program did not read (net.graph.recvspace, maxrecvspace)',
  handlerFailed: "Failures of node types' code, each of which costs a node and the frame at hand",
};

type DropReason = keyof typeof reasons;
type Drops = Record<DropReason, number>;

const all = Object.keys(reasons) as DropReason[];
const none = (): Drops => Object.fromEntries(all.map((reason) => [reason, 0])) as Drops;

const drops = vnetDefine('drops', none);

/** Counts a frame that is lost in a node, in the node's vnet. */
export function countDrop({ vnet }: Node, reason: DropReason): void {
  if (vnet.state !== 'gone') drops.get(vnet)[reason]++;
}

/** What was lost in some vnets, by reason. */
export function dropsIn(vnets: Iterable<Vnet>): Drops {
  const sum = none();
  for (const vnet of vnets) for (const reason of all) sum[reason] += drops.get(vnet)[reason];
  return sum;
}

/** Publishes the counters: net.graph.drops.nohook and so on. */
export function registerDrops({ sysctls }: VnetSystem): void {
  for (const reason of all) {
    const name = `net.graph.drops.${reason.toLowerCase()}`;
    sysctls.proc(name, 'uint', reasons[reason], (vnet) => drops.get(vnet)[reason]);
  }
}
