import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { type NetgraphSocket, NgError } from '../../client/index.js';
import { EX, fail, reasonOf } from '../command.js';
import { HOOK } from './relay.js';

/**
 * Runs a program whose standard output goes out of our hook, one frame for each piece read, and whose standard
 * input is what comes in, unless `noInput`. Resolves to what nghook should exit with.
 */
export async function runProgram(
  socket: NetgraphSocket,
  [program, ...args]: string[],
  noInput: boolean,
): Promise<number> {
  const child = spawn(program, args, { stdio: [noInput ? 'ignore' : 'pipe', 'pipe', 'inherit'] });
  try {
    await once(child, 'spawn');
  } catch (error) {
    fail(EX.OSERR, `${program}: ${reasonOf(error)}`);
  }
  // Which may fail, but whose end is not ours.
  const feeding = feed(socket, child).then(() => new Promise<never>(() => {}));
  return Promise.race([untilExit(socket, child), feeding]);
}

async function untilExit(socket: NetgraphSocket, child: ChildProcess): Promise<number> {
  const exited = once(child, 'exit');
  for await (const piece of child.stdout!) {
    try {
      await socket.sendData(HOOK, piece);
    } catch (error) {
      // There is no way to tell the program that its frame was lost.
      if (!(error instanceof NgError)) throw error;
    }
  }
  const [code, signal]: [number | null, NodeJS.Signals | null] = (await exited) as never;
  return signal === null ? (code ?? EX.OK) : 128 + constants.signals[signal];
}

/** Gives the program what arrives, as fast as it reads. */
async function feed(socket: NetgraphSocket, { stdin }: ChildProcess): Promise<void> {
  if (stdin === null) return;
  // A program that does not read its input may end whenever it likes.
  stdin.on('error', () => {});
  for await (const { data } of socket.frames()) {
    if (stdin.destroyed) return;
    if (!stdin.write(data)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
  }
  stdin.end();
}
