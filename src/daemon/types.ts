import { NgError } from '../netgraph/index.js';
import type { Connection } from './connection.js';

const typeName = (module: string): string => module.replace(/^ng_/, '').replace(/\.ko$/, '');

/** kldload(8) of a node type. The framework itself counts as loaded. */
export function loadType(client: Connection, module: string) {
  client.requireHost('load modules');
  const name = typeName(module);
  const { graph } = client.world;
  if (graph.types().some(({ type }) => type.type === name))
    throw new NgError('EEXIST', `module ng_${name} is loaded already`);
  graph.type(name);
  return { name: `ng_${name}` };
}

/** kldunload(8). EBUSY while there are nodes of the type. */
export function unloadType(client: Connection, module: string) {
  client.requireHost('unload modules');
  const name = typeName(module);
  client.world.graph.removeType(name);
  return { name: `ng_${name}` };
}

export const typeList = (client: Connection) =>
  client.world.graph.types().map(({ type, nodes }) => ({ name: type.type, nodes }));
