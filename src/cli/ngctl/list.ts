import type { LinkInfo, NodeInfo } from '../../client/index.js';
import { getopt, printable, UsageError } from '../command.js';
import type { Command, Shell } from './shell.js';

const hex8 = (id: number): string => id.toString(16).padStart(8, '0');
const nameOf = ({ name }: NodeInfo): string => printable(name) || '<unnamed>';

function nodeRow(node: NodeInfo): string {
  const name = nameOf(node).padEnd(15);
  return `  Name: ${name} Type: ${node.type.padEnd(15)} ID: ${hex8(node.id)}   Num hooks: ${node.hooks}\n`;
}

const hookRow = (hook: string, name: string, type: string, id: string, peerhook: string): string =>
  `  ${hook.padEnd(15)} ${name.padEnd(15)} ${type.padEnd(12)} ${id.padEnd(15)} ${peerhook.padEnd(15)}\n`;

function hookTable(links: LinkInfo[]): string {
  const rows = links.map(({ ourhook, peerhook, nodeinfo: peer }) =>
    hookRow(printable(ourhook), nameOf(peer), peer.type, hex8(peer.id), printable(peerhook)),
  );
  const heading = hookRow('Local hook', 'Peer name', 'Peer type', 'Peer ID', 'Peer hook');
  return heading + hookRow('----------', '---------', '---------', '-------', '---------') + rows.join('');
}

async function showNode(shell: Shell, path: string, withHooks: boolean): Promise<void> {
  const { nodeinfo, linkinfo } = await shell.socket.listHooks(path);
  shell.print(nodeRow(nodeinfo));
  if (withHooks && linkinfo.length > 0) shell.print(hookTable(linkinfo));
}

export const list: Command = {
  usage: 'list [-ln]',
  aliases: ['ls'],
  summary: 'Show all nodes',
  description: 'Shows every node; with -n only those that have a name, with -l the hooks of each, too.',
  async run(shell, args) {
    const { options, operands } = getopt(args, 'ln');
    if (operands.length > 0) throw new UsageError();
    const named = options.some(({ option }) => option === 'n');
    const nodes = await shell.socket.listNodes({ named });
    shell.print(`There are ${nodes.length} total ${named ? 'named ' : ''}nodes:\n`);
    if (!options.some(({ option }) => option === 'l')) return shell.print(nodes.map(nodeRow).join(''));
    for (const [i, { id }] of nodes.entries()) {
      if (i > 0) shell.print('\n');
      await showNode(shell, `[${id.toString(16)}]:`, true);
    }
  },
};

export const show: Command = {
  usage: 'show [-n] <path>',
  aliases: ['inquire', 'info'],
  summary: 'Show the node at path',
  description: 'Shows a node and its hooks; with -n without the hooks.',
  run(shell, args) {
    const { options, operands } = getopt(args, 'n');
    if (operands.length !== 1) throw new UsageError();
    return showNode(shell, operands[0], options.length === 0);
  },
};

export const types: Command = {
  usage: 'types',
  summary: 'Show all node types that are loaded',
  async run(shell, args) {
    if (args.length > 0) throw new UsageError();
    const all = await shell.socket.listTypes();
    shell.print(`There are ${all.length} total types:\n`);
    if (all.length === 0) return;
    shell.print(`${'Type name'.padStart(15)}   Number of living nodes\n`);
    shell.print(`${'---------'.padStart(15)}   ----------------------\n`);
    for (const { typename, numnodes } of all)
      shell.print(`${typename.padStart(15)}   ${String(numnodes).padStart(5)}\n`);
  },
};
