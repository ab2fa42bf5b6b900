export { LocalSocket } from './socket.js';
export { World, type WorldOptions } from './world.js';
