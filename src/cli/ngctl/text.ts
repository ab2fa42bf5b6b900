import { GENERIC_COOKIE, genericMessages, Message, NgError } from '../../client/index.js';
import { UsageError } from '../command.js';
import type { Command, Shell } from './shell.js';

/** What a node answers to a generic text message; undefined when it knows no answer. */
async function ask(shell: Shell, path: string, cmd: number, text: string): Promise<string | undefined> {
  const data = text === '' ? undefined : Buffer.from(`${text}\0`);
  try {
    const token = await shell.socket.send(path, new Message(GENERIC_COOKIE, cmd, data));
    const answer = shell.socket.takeMessage(({ message }) => message.token === token);
    if (!answer?.message.isReply) return undefined;
    return Buffer.from(answer.message.data).toString('utf8').split('\0', 1)[0];
  } catch (error) {
    if (error instanceof NgError && error.code === 'EINVAL') return undefined;
    throw error;
  }
}

export const status: Command = {
  usage: 'status <path>',
  summary: 'Show what the node at path says of its state',
  async run(shell, args) {
    if (args.length !== 1) throw new UsageError();
    const [path] = args;
    const text = await ask(shell, path, genericMessages.textstatus.cmd, '');
    shell.print(
      text === undefined ? `No status available for "${path}"\n` : `Status for "${path}":\n${text}\n`,
    );
  },
};

export const config: Command = {
  usage: 'config <path> [arguments]',
  summary: 'Show or change the configuration of the node at path',
  description: 'Gives the arguments to the node as text, and shows its answer. Few types know this message.',
  async run(shell, args) {
    if (args.length < 1) throw new UsageError();
    const [path, ...words] = args;
    const text = await ask(shell, path, genericMessages.textconfig.cmd, words.join(' '));
    shell.print(
      text === undefined ? `No config available for "${path}"\n` : `Config for "${path}":\n${text}\n`,
    );
  },
};
