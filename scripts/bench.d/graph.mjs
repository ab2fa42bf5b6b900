/** A graph in this process, without interfaces. */
import { dist } from './lab.mjs';
import { mixedTypes } from './mixed.mjs';

export const { defineNode, Frame, genericMessages, GENERIC_COOKIE, Message, Netgraph } = await import(
  `${dist}/netgraph/index.js`
);
const { VnetSystem } = await import(`${dist}/vnet/index.js`);
const { nodeTypes } = await import(`${dist}/nodes/index.js`);
const { ControlSocket } = await import(`${dist}/nodes/socket.js`);

/** @param owner hears of messages: see ControlOwner */
export function makeGraph(owner = { message: () => 0, end() {} }) {
  const types = new Map([...nodeTypes, ...mixedTypes(defineNode).map((type) => [type.type, type])]);
  const vnets = new VnetSystem();
  const graph = new Netgraph(vnets, {
    clock: { now: () => performance.now() * 1000, after: () => () => {} },
    random: Math.random,
    devices: {},
    jails: { find: () => undefined, idOf: () => 0, nameOf: () => '', mayEnter: () => true },
    loadType: (name) => types.get(name),
    later: setImmediate,
    log: console.error,
  });
  return { graph, control: new ControlSocket(graph, vnets.vnet0, owner) };
}
