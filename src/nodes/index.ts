import type { NodeType } from '../netgraph/index.js';
import { echo } from './echo.js';
import { eiface } from './eiface.js';
import { hole } from './hole.js';
import { hub } from './hub.js';
import { socket } from './socket.js';
import { tee } from './tee.js';
import { wormhole } from './wormhole.js';

/** Every node type that comes with the program, by name. */
export const nodeTypes: ReadonlyMap<string, NodeType> = new Map(
  [echo, eiface, hole, hub, socket, tee, wormhole].map((type) => [type.type, type]),
);
