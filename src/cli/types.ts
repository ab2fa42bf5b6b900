/** `netgraph types`: what node types there are and what they understand, from their declarations. */
import type { MessageSpecs, NodeType } from '../netgraph/index.js';
import { genericMessages } from '../netgraph/index.js';
import { nodeTypes } from '../nodes/index.js';
import { EX, fail, print, UsageError } from './command.js';

/** Prints one line per type, or all messages of one type. Resolves to the exit code. */
export function types(words: readonly string[]): number {
  if (words.length > 1) throw new UsageError(`too many words: ${words.slice(1).join(' ')}`);
  const [name] = words;
  if (name === undefined) {
    for (const type of nodeTypes.values()) print(`${type.type.padEnd(12)} ${summary(type)}\n`);
    return EX.OK;
  }
  const type =
    nodeTypes.get(name) ?? fail(EX.DATAERR, `no node type "${name}": \`netgraph types\` lists them`);
  print(`${describeType(type)}\n`);
  return EX.OK;
}

const summary = ({ cookie, hooks }: NodeType): string =>
  `cookie ${cookie}, hooks ${hooks?.join(' ') ?? 'of any name'}`;

function describeType(type: NodeType): string {
  const messages = ['Messages:', ...describeMessages(type.messages)];
  const generic = ['Messages of every node:', ...describeMessages(genericMessages)];
  return [`${type.type}: ${summary(type)}`, ...messages, ...generic].join('\n');
}

function describeMessages(messages: MessageSpecs): string[] {
  return Object.entries(messages).map(([name, { args, reply, summary: what = '', binaryOnly }]) => {
    const form = `${name}${args === undefined ? '' : ` ${args.describe()}`}`;
    const answer = reply === undefined ? '' : ` -> ${reply.describe()}`;
    return `  ${form}${answer}\n      ${what}${binaryOnly ? ' (binary only)' : ''}`;
  });
}
