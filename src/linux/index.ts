/** Linux: network namespaces, TAP interfaces, rtnetlink, and what of them the addon does. */
export { type Capability, heldCapabilities, keepCapabilities } from './capabilities.js';
export { type LifetimeEvents, Lifetimes } from './lifetime.js';
export { bootId } from './mac.js';
export { Monitor, type NamespaceEvents } from './monitor.js';
export type { Netns, Peer } from './native.js';
export {
  inhabited,
  type NamedNamespace,
  Namespace,
  type NamespaceSpec,
  type NamespaceState,
  NETNS_DIRECTORY,
  namedNamespaces,
  ownInode,
  processesIn,
  processOf,
  removeEmpty,
  removeHolderDirectory,
  removeHolders,
  removeNetnsDirectory,
  resumeHolderDirectory,
  UTS_DIRECTORY,
} from './netns.js';
export {
  descriptorOf,
  execIn,
  groupId,
  lockFile,
  namespaceOfPeer,
  peerCredentials,
  receiveDescriptors,
  sendDatagram,
  sendDescriptors,
  socketPair,
} from './process.js';
export { type Address, type Link, type LinkChanges, Rtnetlink } from './rtnetlink.js';
export { type Orphan, TapDevice, TapHost, type TapHostOptions } from './tap/index.js';
