import { readFileSync } from 'node:fs';
import { hexdump } from '../../client/hexdump.js';
import { NgError, type ReceivedFrame } from '../../client/index.js';
import { UsageError } from '../command.js';
import { type Command, CommandFailed, during, type Shell } from './shell.js';

/** What ngctl sends of a file, or of bytes given, in one frame. */
const BUFFER_SIZE = 8192;

export const write: Command = {
  usage: 'write hook < -f file | byte ... >',
  aliases: ['w'],
  summary: 'Send a frame out of a hook of the local node',
  description:
    'The frame is what the file holds, or the bytes given one by one: -128 to 255, in decimal, octal (017) or ' +
    'hexadecimal (0x0f).',
  run({ socket }, args) {
    const [hook, ...rest] = args;
    if (rest.length === 0) throw new UsageError();
    if (rest[0] === '-f' && rest.length !== 2) throw new UsageError();
    const data =
      rest[0] === '-f' ? fileBytes(rest[1]) : Uint8Array.from(rest.slice(0, BUFFER_SIZE), byteValue);
    return during(`writing to hook "${hook}"`, socket.sendData(hook, data));
  },
};

function fileBytes(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CommandFailed(`can't read file "${path}"`, NgError.fromSystem(error));
  }
  if (bytes.length === 0) throw new CommandFailed(`file "${path}" is empty`);
  return bytes.subarray(0, BUFFER_SIZE);
}

/** The value of a word that starts with a C integer, as `%i` of scanf(3) reads it. */
function byteValue(word: string): number {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(word);
  const digits = match?.[2] ?? '';
  const size = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const value = match?.[1] === '-' ? -size : size;
  if (match === null || value < -128 || value > 255) throw new CommandFailed(`invalid byte "${word}"`);
  return value & 0xff;
}

/** Shows a frame that arrived. */
export function showFrame(shell: Shell, { hook, data }: ReceivedFrame): void {
  shell.print(`Rec'd data packet on hook "${hook}":\n`);
  for (const line of hexdump(data)) shell.print(`${line}\n`);
}
