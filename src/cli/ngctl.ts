#!/usr/bin/env node
import { isatty } from 'node:tty';
import { NetgraphClient, NgError, strerror } from '../client/index.js';
import { complain, EX, fail, getopt, print, reasonOf, runTool, UsageError } from './command.js';
import { commands } from './ngctl/commands.js';
import { fileLines, lines, openFile } from './ngctl/lines.js';
import { Shell, Status } from './ngctl/shell.js';

const USAGE = 'usage: ngctl [-j jail] [-d] [-f filename] [-n nodename] [command [argument ...]]';

interface Settings {
  debug: number;
  jail: string | undefined;
  name: string;
  /** Commands to carry out. */
  file: AsyncIterable<string> | undefined;
}

const exitCodes = {
  [Status.OK]: EX.OK,
  [Status.QUIT]: EX.OK,
  [Status.USAGE]: EX.USAGE,
  [Status.ERROR]: EX.OSERR,
};

/** ngctl(8) */
async function ngctl(argv: string[]): Promise<number> {
  const { options, operands } = getopt(argv, 'df:j:n:');
  const settings = settingsFrom(options);
  const atTerminal = isatty(0) && isatty(1);
  if (operands.length === 0 && settings.file === undefined && !atTerminal)
    throw new UsageError('no command specified');
  const socket = await open(settings);
  try {
    const shell = new Shell(socket, commands, {
      out: print,
      err: complain,
      explain: isatty(2),
      debug: settings.debug,
    });
    if (operands.length > 0) return exitCodes[await shell.run(operands)];
    if (settings.file !== undefined) return exitCodes[await shell.runLines(settings.file)];
    const { interactive } = await import('./ngctl/interactive.js');
    await interactive(shell, process.stdin, process.stdout);
    return EX.OK;
  } finally {
    await socket.close();
  }
}

function settingsFrom(options: ReturnType<typeof getopt>['options']): Settings {
  const settings: Settings = { debug: 0, jail: undefined, name: `ngctl${process.pid}`, file: undefined };
  for (const { option, value = '' } of options) {
    if (option === 'd') settings.debug++;
    else if (option === 'f') settings.file = value === '-' ? lines(process.stdin) : commandsIn(value);
    else if (option === 'j') settings.jail = value;
    else if (option === 'n') settings.name = value;
  }
  if (settings.jail === '') throw new UsageError('invalid jail name');
  return settings;
}

/** The lines of a file, which must be there at once. */
function commandsIn(path: string): AsyncIterable<string> {
  const unreadable = (error: unknown) => fail(EX.NOINPUT, `${path}: ${reasonOf(error)}`);
  async function* read(fd: number) {
    try {
      yield* fileLines(fd);
    } catch (error) {
      unreadable(error);
    }
  }
  try {
    return read(openFile(path));
  } catch (error) {
    return unreadable(error);
  }
}

async function open({ jail, name, debug }: Settings): Promise<NetgraphClient> {
  try {
    // An empty name means none, as for NgMkSockNode.
    return await NetgraphClient.connect({ jail, name: name || undefined });
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    const why = debug > 0 || isatty(2) ? `\nngctl: (${error.message})` : '';
    fail(EX.OSERR, `can't create node: ${strerror(error.errno)}${why}`);
  }
}

await runTool('ngctl', USAGE, ngctl);
