import type { JailDirectory, Netgraph } from '../../src/netgraph/index.js';
import type { Vnet } from '../../src/vnet/index.js';

export interface Graphs {
  readonly graph: Netgraph;
  readonly vnets: Iterable<Vnet>;
  readonly jails: Pick<JailDirectory, 'idOf'>;
}

/** What is wrong with the graphs of a world, in sentences. */
export function faults({ graph, vnets, jails }: Graphs): string[] {
  const found: string[] = [];
  const living = new Map<string, number>();
  if (graph.executor.depth !== 0) found.push(`${graph.executor.depth} calls never returned`);
  for (const vnet of vnets) {
    for (const node of graph.nodes(vnet)) {
      const say = (what: string) => found.push(`${vnet} ${node} (${node.type.type}): ${what}`);
      living.set(node.type.type, (living.get(node.type.type) ?? 0) + 1);
      if (!node.isValid) say('is not valid');
      if (node.vnet !== vnet) say('is in another vnet');
      if (node.readers !== 0) say(`has ${node.readers} readers`);
      if (node.name !== '' && graph.findNode(vnet, node.name) !== node) say('is not found by its name');
      for (const hook of node.hooks) {
        const { peer } = hook;
        if (!hook.isValid || !peer.isValid) say(`hook ${hook.name} is not valid`);
        if (peer.peer !== hook || !peer.node.hooks.includes(peer)) say(`hook ${hook.name} has no peer`);
        if (graph.findNode(peer.node.vnet, `[${peer.node.id.toString(16)}]`) !== peer.node)
          say(`hook ${hook.name} leads to a node that is gone`);
        if (!hook.name.startsWith('jid=')) {
          if (peer.node.vnet !== vnet) say(`hook ${hook.name} crosses vnets`);
        } else if (peer.node.vnet === vnet) say('both ends are in one vnet');
        else if (hook.name !== `jid=${jails.idOf(peer.node.vnet)}`) say(`${hook.name} is a wrong name`);
      }
    }
  }
  for (const { type, nodes } of graph.types())
    if (nodes !== (living.get(type.type) ?? 0)) found.push(`type ${type.type}: ${nodes} nodes are wrong`);
  return found;
}
