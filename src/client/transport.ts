import { connect } from 'node:net';

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

/** Connects to a UNIX socket. Rejects with the error of connect(2). */
export function connectUnix(path: string): Promise<Transport> {
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
