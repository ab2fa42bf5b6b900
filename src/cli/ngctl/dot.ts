import { closeSync, openSync, writeFileSync } from 'node:fs';
import { type LinkInfo, NgError, type NodeInfo } from '../../client/index.js';
import { getopt, UsageError } from '../command.js';
import { type Command, CommandFailed, during, type Shell } from './shell.js';

export const dot: Command = {
  usage: 'dot [-c] [outputfile]',
  aliases: ['graphviz', 'confdot'],
  summary: 'Draw the graph, in the language of GraphViz',
  description:
    'Writes to the file, or else to standard output. With -c hooks are labels of the edges, which makes the ' +
    'drawing smaller; without, they are nodes of their own.',
  async run(shell, args) {
    const { options, operands } = getopt(args, 'c');
    if (operands.length > 1) throw new UsageError();
    const [path] = operands;
    const write = path === undefined ? undefined : fileWriter(path);
    try {
      const text = await drawing(shell, options.length > 0);
      if (write === undefined) shell.print(text);
      else write(text);
    } finally {
      write?.();
    }
  },
};

/** Opens a file; the result writes to it, and closes it when there is nothing to write. */
function fileWriter(path: string): (text?: string) => void {
  try {
    const fd = openSync(path, 'w');
    return (text) => {
      try {
        if (text === undefined) closeSync(fd);
        else writeFileSync(fd, text);
      } catch (error) {
        throw new CommandFailed(`Could not write to ${path}`, NgError.fromSystem(error));
      }
    };
  } catch (error) {
    throw new CommandFailed(`Could not open ${path} for writing`, NgError.fromSystem(error));
  }
}

async function drawing({ socket }: Shell, compact: boolean): Promise<string> {
  const nodes = await during('send listnodes msg', socket.listNodes());
  const lines = compact
    ? ['digraph netgraph {', '\tedge [ dir = "none", fontsize = 10 ];']
    : ['graph netgraph {', '\tedge [ weight = 1.0 ];'];
  lines.push('\tnode [ shape = record, fontsize = 12 ] {', ...nodes.map(record), '\t};');
  const alone = nodes.filter(({ hooks }) => hooks === 0);
  lines.push('\tsubgraph cluster_disconnected {', '\t\tbgcolor = pink;');
  lines.push(...alone.map((node) => `\t\t"${id(node)}";`), '\t};');
  for (const node of nodes) {
    const { linkinfo } = await during('send listhooks msg', socket.listHooks(`[${id(node)}]:`));
    if (linkinfo.length === 0) continue;
    if (!compact) lines.push(...hooks(node, linkinfo));
    // Each edge is seen from both of its ends: draw it from the later one.
    const once = linkinfo.filter((link) => link.nodeinfo.id <= node.id);
    lines.push(...once.map((link) => (compact ? labelledEdge(node, link) : edge(node, link))));
  }
  return `${lines.join('\n')}\n}\n`;
}

const id = (node: NodeInfo): string => node.id.toString(16);
const quoted = (text: string): string => text.replace(/["\\]/g, '\\$&');
const hookId = (node: NodeInfo, hook: string): string => `"${id(node)}.${quoted(hook)}"`;

function record(node: NodeInfo): string {
  // What means something in a label of this shape has to be escaped.
  const name = (node.name || '<unnamed>').replace(/["\\{}|<>]/g, '\\$&');
  return `\t\t"${id(node)}" [ label = "{${name}:|{${node.type}|[${id(node)}]:}}" ];`;
}

function hooks(node: NodeInfo, links: LinkInfo[]): string[] {
  const names = links.map(({ ourhook }) => ourhook);
  return [
    '\tnode [ shape = octagon, fontsize = 10 ] {',
    ...names.map((hook) => `\t\t${hookId(node, hook)} [ label = "${quoted(hook)}" ];`),
    '\t};',
    '\t{',
    '\t\tedge [ weight = 2.0, style = bold ];',
    ...names.map((hook) => `\t\t"${id(node)}" -- ${hookId(node, hook)};`),
    '\t};',
  ];
}

const edge = (node: NodeInfo, { ourhook, peerhook, nodeinfo: peer }: LinkInfo): string =>
  `\t${hookId(node, ourhook)} -- ${hookId(peer, peerhook)};`;

function labelledEdge(node: NodeInfo, { ourhook, peerhook, nodeinfo: peer }: LinkInfo): string {
  const labels = `headlabel = "${quoted(ourhook)}", taillabel = "${quoted(peerhook)}"`;
  return `\t"${id(peer)}" -> "${id(node)}" [ ${labels} ] ;`;
}
