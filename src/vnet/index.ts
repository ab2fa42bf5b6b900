export { EventHandlers, type EventTag, Priority } from './events.js';
export { type Sysctl, SysctlError, type SysctlFormat, Sysctls, type SysctlValue } from './sysctl.js';
export { Order, Subsystem } from './sysinit.js';
export { type Registration, VnetSystem } from './system.js';
export { VnetVariable, vnetDefine } from './variable.js';
export { type InVnet, Vnet, type VnetState, vnetAssert, vnetDebug, vnetOf } from './vnet.js';
