import { asciiToBinary, binaryToAscii } from './ascii.js';
import type { Handlers } from './define.js';
import type { Hook } from './hook.js';
import { GENERIC_COOKIE, NAME_SIZE, NGM_HASREPLY, NGM_READONLY } from './message.js';
import type { Node } from './node.js';
import { t } from './types/index.js';

const query = (cmd: number): number => cmd | NGM_READONLY | NGM_HASREPLY;

const NodeInfo = t.struct({ name: t.nodeName, type: t.typeName, id: t.hint32, hooks: t.uint32 });
const LinkInfo = t.struct({ ourhook: t.hookName, peerhook: t.hookName, nodeinfo: NodeInfo });
const HookList = t.struct({ nodeinfo: NodeInfo, linkinfo: t.array(LinkInfo, 'nodeinfo.hooks') });
const NodeList = t.struct({ numnames: t.uint32, nodeinfo: t.array(NodeInfo, 'numnames') });
const TypeInfo = t.struct({ typename: t.typeName, numnodes: t.uint32 });
const TypeList = t.struct({ numtypes: t.uint32, typeinfo: t.array(TypeInfo, 'numtypes') });

/** struct ng_mesg as an argument. */
const NgMesg = t.struct({
  version: t.uint8,
  spare: t.uint8,
  spare2: t.uint16,
  arglen: t.uint32,
  cmd: t.uint32,
  flags: t.hint32,
  token: t.uint32,
  typecookie: t.uint32,
  cmdstr: t.cmdString,
  data: t.bytes('arglen'),
});

/** The messages that every node understands, netgraph(4). */
export const genericMessages = {
  shutdown: { cmd: 1, summary: 'disconnect from all neighbours and go' },
  mkpeer: {
    cmd: 2,
    args: t.struct({ type: t.typeName, ourhook: t.hookName, peerhook: t.hookName }),
    summary: 'make a node and connect to it',
  },
  connect: {
    cmd: 3,
    args: t.struct({ path: t.path, ourhook: t.hookName, peerhook: t.hookName }),
    summary: 'connect to another node',
  },
  name: { cmd: 4, args: t.struct({ name: t.nodeName }), summary: 'give the node a name' },
  rmhook: { cmd: 5, args: t.struct({ hook: t.hookName }), summary: 'break the connection of a hook' },
  nodeinfo: { cmd: query(6), reply: NodeInfo, summary: 'name, type, ID and number of hooks' },
  listhooks: { cmd: query(7), reply: HookList, summary: 'nodeinfo, and every hook with its peer' },
  listnames: { cmd: query(8), reply: NodeList, summary: 'every node that has a name' },
  listnodes: { cmd: query(9), reply: NodeList, summary: 'every node' },
  listtypes: { cmd: query(10), reply: TypeList, summary: 'every loaded type' },
  textconfig: { cmd: 14, reply: t.string, summary: 'text to the own parser of a type that has one' },
  textstatus: { cmd: query(11), reply: t.string, summary: 'status as text, from types that have one' },
  ascii2binary: { cmd: query(13), args: NgMesg, reply: NgMesg, summary: 'convert a message from ASCII' },
  binary2ascii: { cmd: query(12), args: NgMesg, reply: NgMesg, summary: 'convert a message to ASCII' },
} as const;

/** The numbers of the generic commands. */
export const Generic = {
  cookie: GENERIC_COOKIE,
  BINARY2ASCII: genericMessages.binary2ascii.cmd,
  ASCII2BINARY: genericMessages.ascii2binary.cmd,
  TEXT_CONFIG: genericMessages.textconfig.cmd,
  TEXT_STATUS: genericMessages.textstatus.cmd,
} as const;

/** NG_PATHSIZ, with the terminating NUL. */
const PATH_SIZE = 512;

/** As in FreeBSD, the last byte of a name's buffer is its NUL, whatever a message has there. */
const cut = (name: string, size = NAME_SIZE): string => name.slice(0, size - 1);

const nodeInfo = (node: Node) => ({
  name: node.name,
  type: node.type.type,
  id: node.id,
  hooks: node.hooks.length,
});

const linkInfo = (hook: Hook) => ({
  ourhook: hook.name,
  peerhook: hook.peer.name,
  nodeinfo: nodeInfo(hook.peer.node),
});

const nodeList = (nodes: Node[]) => ({ numnames: nodes.length, nodeinfo: nodes.map(nodeInfo) });

/** What any node does with a generic message. */
export const genericHandlers: Handlers<Omit<typeof genericMessages, 'textconfig' | 'textstatus'>> = {
  shutdown(_, { node }) {
    node.graph.removeNode(node);
  },
  mkpeer({ type, ourhook, peerhook }, { node }) {
    node.graph.makePeer(node, cut(ourhook), cut(peerhook), cut(type));
  },
  connect({ path, ourhook, peerhook }, { node }) {
    const { node: peer } = node.graph.resolve(node, cut(path, PATH_SIZE));
    node.graph.connect(node, cut(ourhook), peer, cut(peerhook));
  },
  name({ name }, { node }) {
    node.graph.nameNode(node, cut(name));
  },
  rmhook({ hook: name }, { node }) {
    const hook = node.findHook(cut(name));
    if (hook !== undefined) node.graph.destroyHook(hook);
  },
  nodeinfo: (_, { node }) => nodeInfo(node),
  listhooks(_, { node }) {
    const linkinfo = node.hooks.filter((hook) => hook.isValid).map(linkInfo);
    return { nodeinfo: { ...nodeInfo(node), hooks: linkinfo.length }, linkinfo: linkinfo.reverse() };
  },
  listnames(_, { node }) {
    const named = node.graph.nodes(node.vnet).filter((other) => other.name !== '');
    return nodeList(named.sort((a, b) => (a.name < b.name ? -1 : 1)));
  },
  listnodes: (_, { node }) => nodeList(node.graph.nodes(node.vnet)),
  listtypes(_, { node }) {
    const typeinfo = node.graph.types().map(({ type, nodes }) => ({ typename: type.type, numnodes: nodes }));
    return { numtypes: typeinfo.length, typeinfo: typeinfo.reverse() };
  },
  ascii2binary: (_, { node, message }) => asciiToBinary(node.type, message.data),
  binary2ascii: (_, { node, message }) => binaryToAscii(node.type, message.data),
};
