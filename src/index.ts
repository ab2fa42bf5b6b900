/** For programs that embed a world: jails, graph and interfaces in one's own process, without the daemon. */

export { NetgraphSocket, type Received, type ReceivedFrame } from './client/index.js';
export { Jail, Jails } from './jail/index.js';
export {
  type Behaviour,
  type Creation,
  type Delivery,
  defineNode,
  Frame,
  Hook,
  Message,
  NgError,
  type Node,
  type NodeType,
  t,
} from './netgraph/index.js';
export { LocalSocket, World, type WorldOptions } from './world/index.js';
