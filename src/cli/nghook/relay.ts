import { setImmediate as nextTurn } from 'node:timers/promises';
import { hexdump, type NetgraphSocket, NgError, type ReceivedFrame, strerror } from '../../client/index.js';
import { EX, fail } from '../command.js';

/** Our own hook. */
export const HOOK = 'hook';

export interface RelayOptions {
  socket: NetgraphSocket;
  /** What to send, one frame for each piece; undefined to send nothing. */
  input: AsyncIterable<Uint8Array> | undefined;
  /** Takes what was received. */
  output(bytes: Uint8Array): Promise<void>;
  /** Show frames for people, rather than give them as they are. */
  ascii?: boolean;
  /** Send back what was received. */
  loop?: boolean;
}

/** Relays frames until the input ends or something fails: this always ends in a Failure. */
export async function relay(options: RelayOptions): Promise<never> {
  const { socket, input, output, ascii, loop } = options;
  let busy: Promise<void> = Promise.resolve();

  const receive = async ({ data }: ReceivedFrame): Promise<void> => {
    await output(ascii ? Buffer.from(asText(data)) : data);
    if (loop) await send(socket, data);
  };
  const fromHook = async (): Promise<never> => {
    for await (const frame of socket.frames()) {
      busy = receive(frame);
      await busy;
    }
    fail(EX.OSERR, 'read EOF from hook?!');
  };
  const fromInput = async (): Promise<never> => {
    if (input === undefined) return new Promise(() => {});
    for await (const piece of input) await send(socket, piece);
    // Answers to the last of it are shown first.
    await nextTurn();
    await busy;
    for (let frame = socket.takeFrame(); frame !== undefined; frame = socket.takeFrame())
      await receive(frame);
    fail(EX.OSERR, 'EOF(stdin)');
  };
  return Promise.race([fromHook(), fromInput()]);
}

async function send(socket: NetgraphSocket, data: Uint8Array): Promise<void> {
  try {
    await socket.sendData(HOOK, data);
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    fail(EX.OSERR, `write(hook): ${strerror(error.errno)}`);
  }
}

/** A frame as a dump, and a blank line behind it. */
export function asText(data: Uint8Array): string {
  return `${[...hexdump(data), ''].join('\n')}\n`;
}
