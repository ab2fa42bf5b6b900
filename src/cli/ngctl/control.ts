import { NgError } from '../../client/index.js';
import { isSystemError, UsageError } from '../command.js';
import { fileLines, openFile } from './lines.js';
import { type Command, CommandFailed, nameOf, type Shell, Status } from './shell.js';

/** Columns of a description. */
const WIDTH = 63;

export const setDebug: Command = {
  usage: 'debug [level]',
  summary: 'Show or set how much to tell of what goes on',
  description: 'Shows the level; sets it to a number, or with + and - one up or down.',
  run(shell, args) {
    if (args.length > 1) throw new UsageError();
    const [word] = args;
    if (word === undefined) return shell.print(`Current debug level is ${shell.debugLevel}\n`);
    if (word === '+') shell.debugLevel++;
    else if (word === '-') shell.debugLevel = Math.max(0, shell.debugLevel - 1);
    else shell.debugLevel = level(word);
  },
};

/** atoi(3), of which a negative value is refused. */
function level(word: string): number {
  const value = Number.parseInt(word, 10) || 0;
  if (value < 0) throw new UsageError();
  return value;
}

export const help: Command = {
  usage: 'help [command]',
  aliases: ['?'],
  summary: 'Show all commands, or more about one',
  run(shell, args) {
    if (args.length === 0) return listCommands(shell);
    const command = shell.find(args[0]);
    if (command !== undefined) describe(shell, command);
  },
};

function listCommands(shell: Shell): void {
  shell.print('Available commands:\n');
  for (const command of shell.commands) shell.print(`  ${nameOf(command).padEnd(10)} ${command.summary}\n`);
}

function describe(shell: Shell, { usage, aliases, summary, description }: Command): void {
  shell.print(`usage:    ${usage}\n`);
  if (aliases !== undefined) shell.print(`Aliases:  ${aliases.join(', ')}\n`);
  shell.print(`Summary:  ${summary}\n`);
  if (description === undefined) return;
  shell.print('Description:\n');
  for (const line of wrap(description)) shell.print(`  ${line}\n`);
}

function wrap(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (line.length <= WIDTH) lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines;
}

export const read: Command = {
  usage: 'read <filename>',
  aliases: ['source', '.'],
  summary: 'Carry out the commands in a file',
  async run(shell, args) {
    if (args.length !== 1) throw new UsageError();
    const [path] = args;
    try {
      return await shell.runLines(fileLines(openFile(path)));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new CommandFailed(path, NgError.fromSystem(error));
    }
  },
};

export const quit: Command = {
  usage: 'quit',
  aliases: ['exit'],
  summary: 'End ngctl',
  run: () => Status.QUIT,
};
