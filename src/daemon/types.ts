import { NgError } from '../netgraph/index.js';
import type { Vnet } from '../vnet/index.js';
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

/** The vnets whose nodes a client may see. */
export const visibleVnets = ({ world, jail, vnet }: Connection): Set<Vnet> =>
  new Set([vnet, ...world.jails.list(jail).map((inner) => inner.vnet)]);

/** The types that are loaded, and how many nodes of each a client may see. */
export function typeList(client: Connection): { name: string; nodes: number }[] {
  const { graph } = client.world;
  const counts = new Map(
    graph.types().map(({ type, nodes }) => [type, client.jail === undefined ? nodes : 0]),
  );
  if (client.jail !== undefined)
    for (const vnet of visibleVnets(client))
      for (const { type } of graph.nodes(vnet)) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].map(([{ type }, nodes]) => ({ name: type, nodes }));
}
