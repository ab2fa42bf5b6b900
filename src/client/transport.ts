import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A byte stream to a daemon. A `net.Socket` is one; tests bring their own. */
export interface Transport {
  write(bytes: Uint8Array): unknown;
  /** Bytes written that have not left yet. */
  readonly writableLength: number;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Ends it after what was written. */
  end(): unknown;
  destroy(): unknown;
}

/** How long to try while so many others connect that there is no room to wait, in milliseconds; and how often. */
const PATIENCE = 5000;
const INTERVAL = 10;

/** Connects to a UNIX socket. Rejects with the error of connect(2). */
export async function connectUnix(path: string): Promise<Transport> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await connectOnce(path);
    } catch (error) {
      // Where others would block, Node's connect(2) fails.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > end) throw error;
      await sleep(INTERVAL);
    }
  }
}

function connectOnce(path: string): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** Whether an error of connect(2) says that nobody listens: no socket there, or one that was left behind. */
export function nobodyListens(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}
