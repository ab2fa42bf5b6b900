export { checkEntries } from './entries.js';
export { type Repairs, repair } from './repair.js';
export { programEdges, restoreProgramEdges } from './restore.js';
export { LocalSocket } from './socket.js';
export type { EdgeState } from './state.js';
export { World, type WorldOptions } from './world.js';
