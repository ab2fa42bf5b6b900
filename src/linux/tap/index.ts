/** Ethernet interfaces for the graph: TAPs in network namespaces. */
export { TapDevice } from './device.js';
export { type Orphan, TapHost, type TapHostOptions } from './host.js';
