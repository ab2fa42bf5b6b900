import { hexdump } from '../../client/hexdump.js';
import { NgError, type Received } from '../../client/index.js';
import { UsageError } from '../command.js';
import type { Command, Shell } from './shell.js';

/** Command and text of an ASCII message, as NgSendAsciiMsg takes them apart. */
export function splitMessage(line: string): [command: string, text: string] {
  const [, command, text] = /^[ \t\n\v\f\r]*([^ \t\n\v\f\r]*)[ \t\n\v\f\r]*(.*)$/s.exec(line)!;
  return [command, text];
}

export const msg: Command = {
  usage: 'msg path command [args ... ]',
  aliases: ['cmd'],
  summary: 'Send a control message to the node at path',
  description:
    'Has the node turn the command and its arguments into a binary message, sends that to it, and shows the reply ' +
    'that is there then, if one is.',
  async run(shell, args) {
    if (args.length < 2) throw new UsageError();
    const { socket } = shell;
    const [path, ...words] = args;
    const token = await socket.sendAscii(path, ...splitMessage(words.join(' ')));
    // FreeBSD reads whatever came first. The reply to this very message is what people mean.
    const reply = socket.takeMessage(({ message }) => message.isReply && message.token === token);
    const received = reply ?? socket.takeMessage();
    if (received !== undefined) await showMessage(shell, received);
  },
};

/** Shows a message that arrived: in ASCII form if the node that sent it knows one. */
export async function showMessage(shell: Shell, received: Received): Promise<void> {
  const { from, message } = received;
  const kind = message.isReply ? 'response' : 'command';
  const number = message.cmd | 0;
  try {
    const { name, text } = await shell.socket.toAscii(received);
    shell.print(`Rec'd ${kind} "${name}" (${number}) from "${from}":\n`);
    shell.print(text === '' ? 'No arguments\n' : `Args:\t${text}\n`);
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    shell.print(`Rec'd ${kind} ${number} from "${from}":\n`);
    if (message.data.length === 0) shell.print('No arguments\n');
    for (const line of hexdump(message.data)) shell.print(`${line}\n`);
  }
}
