import type { MessageSpec, NodeType } from './define.js';
import { NgError } from './errors.js';
import { genericMessages } from './generic.js';
import { CONVERT_SIZE, GENERIC_COOKIE, Message } from './message.js';
import { type ArgType, parse, unparse } from './types/index.js';

interface Command {
  readonly name: string;
  readonly cookie: number;
  readonly spec: MessageSpec;
}

/** Every message that a node of the type understands: its own first, then the generic ones. */
function* commands(type: NodeType): Iterable<Command> {
  const own: Record<string, MessageSpec> = type.messages;
  for (const name in own) yield { name, cookie: type.cookie, spec: own[name] };
  const generic: Record<string, MessageSpec> = genericMessages;
  for (const name in generic) yield { name, cookie: GENERIC_COOKIE, spec: generic[name] };
}

function find(type: NodeType, wanted: (command: Command) => boolean): Command | undefined {
  for (const command of commands(type)) if (!command.spec.binaryOnly && wanted(command)) return command;
  return undefined;
}

const argumentsOf = ({ spec }: Command, message: Message): ArgType | undefined =>
  message.isReply ? spec.reply : spec.args;

/** NGM_ASCII2BINARY: a message with its arguments as text, and the same message in binary form. */
export function asciiToBinary(type: NodeType, bytes: Uint8Array): Uint8Array {
  const ascii = Message.decode(bytes);
  if (ascii.data.length === 0) throw new NgError('EINVAL', 'the message to convert has no text');
  const command = find(type, ({ name }) => name === ascii.name);
  if (command === undefined)
    throw new NgError('ENOSYS', `a node of type ${type.type} has no command "${ascii.name}"`);
  const args = argumentsOf(command, ascii);
  const data = args === undefined ? undefined : parse(args, textOf(ascii.data), { size: CONVERT_SIZE }).bytes;
  const binary = new Message(command.cookie, command.spec.cmd, data);
  binary.flags = ascii.flags;
  binary.token = ascii.token;
  binary.name = ascii.name;
  return binary.encode();
}

/** NGM_BINARY2ASCII, the opposite. The text of a message without arguments is empty. */
export function binaryToAscii(type: NodeType, bytes: Uint8Array): Uint8Array {
  const binary = Message.decode(bytes);
  const { cookie, cmd } = binary;
  const command = find(type, (other) => other.cookie === cookie && other.spec.cmd === cmd);
  if (command === undefined)
    throw new NgError(
      'ENOSYS',
      `a node of type ${type.type} has no ASCII form for command ${cmd} of cookie ${cookie}`,
    );
  const args = argumentsOf(command, binary);
  const text = args === undefined ? '' : unparse(args, binary.data, { size: CONVERT_SIZE });
  const ascii = new Message(cookie, cmd, new TextEncoder().encode(`${text}\0`));
  ascii.flags = binary.flags;
  ascii.token = binary.token;
  ascii.name = command.name;
  return ascii.encode();
}

/** The text of a NUL-terminated string; a missing NUL costs the last byte, as in FreeBSD. */
function textOf(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? -1 : end);
}
