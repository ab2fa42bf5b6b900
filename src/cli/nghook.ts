#!/usr/bin/env node
import { isatty } from 'node:tty';
import { DebugLog, NetgraphClient, type NetgraphSocket, NgError, strerror } from '../client/index.js';
import { complain, EX, fail, getopt, runTool, UsageError } from './command.js';
import { splitMessage } from './ngctl/msg.js';
import { inputFrom, writeTo } from './nghook/descriptors.js';
import { HOOK, relay } from './nghook/relay.js';

const USAGE = `usage: nghook [-adlnsS] path [hookname]
   or: nghook -e [-n] [-m msg]* path hookname prog [args...]`;

/** nghook(8) */
async function nghook(argv: string[]): Promise<number> {
  const { options, operands } = getopt(argv, 'aedlm:nsS');
  const has = (letter: string): boolean => options.some(({ option }) => option === letter);
  const exec = has('e');
  if (exec && (has('a') || has('l'))) {
    complain('conflicting options\n');
    throw new UsageError();
  }
  if (exec ? operands.length < 3 : operands.length < 1 || operands.length > 2) throw new UsageError();
  const [path, hook = 'debug', ...program] = operands;
  const messages = options.filter(({ option }) => option === 'm').map(({ value = '' }) => value);
  const debug = options.filter(({ option }) => option === 'd').length;

  const socket = await NetgraphClient.connect();
  try {
    socket.trace = new DebugLog(warn, debug);
    const explain = debug > 0 || isatty(2);
    await connect(socket, path, hook, explain);
    await sendMessages(socket, path, messages, explain);
    if (exec) {
      const { runProgram } = await import('./nghook/run.js');
      return await runProgram(socket, program, has('n'));
    }
    const outputFd = has('s') ? 0 : 1;
    return await relay({
      socket,
      input: has('n') ? undefined : inputFrom(has('S') ? 1 : 0),
      output: (bytes) => writeTo(outputFd, bytes),
      ascii: has('a'),
      loop: has('l'),
    });
  } finally {
    await socket.close();
  }
}

/** A second line, which says more than errno. */
const why = ({ message }: NgError, explain: boolean): string => (explain ? `\nnghook: (${message})` : '');

const warn = (line: string): unknown => complain(`nghook: ${line}\n`);

async function connect(socket: NetgraphSocket, path: string, hook: string, explain: boolean): Promise<void> {
  try {
    await socket.connectNodes('.', path, HOOK, hook);
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    fail(EX.OSERR, `can't connect to node${why(error, explain)}`);
  }
}

async function sendMessages(
  socket: NetgraphSocket,
  path: string,
  messages: string[],
  explain: boolean,
): Promise<void> {
  for (const line of messages) {
    try {
      await socket.sendAscii(path, ...splitMessage(line));
    } catch (error) {
      if (!(error instanceof NgError)) throw error;
      fail(EX.OSERR, `sending message '${line}': ${strerror(error.errno)}${why(error, explain)}`);
    }
  }
}

await runTool('nghook', USAGE, nghook);
// Reading standard input would keep the process.
process.exit();
