/** libnetgraph in TypeScript: programs that talk to the netgraph daemon. netgraph(3) */
export { NgError, strerror } from '../netgraph/errors.js';
export { genericMessages } from '../netgraph/generic.js';
export { GENERIC_COOKIE, Message, NGF_RESP, NGM_HASREPLY, NGM_READONLY } from '../netgraph/message.js';
export { decode, encode, t } from '../netgraph/types/index.js';
export type * from '../protocol/calls.js';
export { type ConnectOptions, NetgraphClient } from './client.js';
export { ClientError, type ClientErrorCode } from './errors.js';
export { hexdump } from './hexdump.js';
export {
  type HookList,
  type LinkInfo,
  NetgraphSocket,
  type NodeInfo,
  type Received,
  type ReceivedFrame,
  type TypeInfo,
  type Waiting,
} from './socket.js';
export { DebugLog, type Trace } from './trace.js';
export type { Transport } from './transport.js';
