export {
  type Behaviour,
  type Creation,
  type Delivery,
  defineNode,
  type Handlers,
  type MessageSpec,
  type MessageSpecs,
  type NodeType,
  type Setting,
} from './define.js';
export type {
  DeviceCounters,
  DeviceProvider,
  EthernetDevice,
  EthernetEvents,
  InterfaceAddress,
} from './device.js';
export { macText, newCounters } from './device.js';
export { countDrop, dropsIn } from './drops.js';
export { bypass, removeUnused, splice } from './edge.js';
export type { Clock, Environment, JailDirectory, JailInfo } from './environment.js';
export * from './errors.js';
export type { Done } from './executor.js';
export { FlowMessages } from './flow.js';
export { ExpiredFrame, Frame, VNET_HEADER } from './frame.js';
export { Generic, genericMessages } from './generic.js';
export { type Destination, type LoadedType, Netgraph, type Observer } from './graph.js';
export { Hook, type ReceiveFrame } from './hook.js';
export { limits } from './limits.js';
export * from './message.js';
export type { Node } from './node.js';
export { decodeId, idPath, type Path, parsePath } from './path.js';
export { graphScript, scriptSteps } from './script/index.js';
export {
  isLasting,
  type NodeState,
  nodeState,
  restoreNode,
  restoreSettings,
  type SettingText,
  settingsOf,
  settingText,
} from './state.js';
export { type Infer, t } from './types/index.js';
export { onWire } from './wire.js';
