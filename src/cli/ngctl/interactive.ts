import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { EX, fail } from '../command.js';
import { showFrame } from './data.js';
import { showMessage } from './msg.js';
import { type Shell, Status } from './shell.js';

const PROMPT = '+ ';
const HISTORY = 100;

/**
 * Reads commands from a person, and shows what arrives at the socket node in between. Ends with `quit` or at the
 * end of the input.
 */
export async function interactive(shell: Shell, input: Readable, output: Writable): Promise<void> {
  await shell.run(['help']);
  const typed: (string | undefined)[] = [];
  let wake = (): void => {};
  const enter = (line: string | undefined): void => {
    typed.push(line);
    wake();
  };
  const lines = createInterface({
    input,
    output,
    prompt: PROMPT,
    historySize: HISTORY,
    removeHistoryDuplicates: true,
  });
  lines.on('line', enter);
  lines.on('close', () => enter(undefined));
  lines.on('SIGINT', () => {
    lines.close();
    process.kill(process.pid, 'SIGINT');
  });
  try {
    for (;;) {
      await showArrivals(shell);
      lines.prompt();
      const entered = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (typed.length === 0) await Promise.race([entered, shell.socket.arrival()]);
      if (typed.length === 0) {
        // Something arrived while a line was being typed.
        output.write('\n');
        continue;
      }
      const line = typed.shift();
      if (line === undefined) {
        output.write('\n');
        return;
      }
      if ((await shell.runLine(line)) === Status.QUIT) return;
    }
  } finally {
    lines.close();
  }
}

async function showArrivals(shell: Shell): Promise<void> {
  const { socket } = shell;
  for (let frame = socket.takeFrame(); frame !== undefined; frame = socket.takeFrame())
    showFrame(shell, frame);
  for (let next = socket.takeMessage(); next !== undefined; next = socket.takeMessage())
    await showMessage(shell, next);
  if (!socket.isOpen) fail(EX.OSERR, 'the socket node is gone');
}
