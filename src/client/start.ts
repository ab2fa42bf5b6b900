import { appendFileSync, closeSync, mkdirSync, openSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ClientError } from './errors.js';
import { connectUnix, nobodyListens, type Transport } from './transport.js';

/** How long a daemon may take until its socket answers, in milliseconds. */
const PATIENCE = 10_000;
/** How often one that ends at once is started again: the one before it may just be on its way out. */
const ATTEMPTS = 3;

export interface StartOptions {
  socketPath: string;
  /** Where the daemon's output goes. */
  logPath: string;
  /** What to run. Default: this package's daemon. */
  command?: readonly string[];
  /** Milliseconds to wait for it. */
  patience?: number;
}

/**
 * Starts a daemon and connects to it as soon as it answers.
 * @throws ClientError EPERM when the caller is not root on the host, ENODAEMON when it does not come up
 */
export async function startDaemon(options: StartOptions): Promise<Transport> {
  const { socketPath, logPath, patience = PATIENCE } = options;
  if (!isRootOnHost())
    throw new ClientError(
      'EPERM',
      `no netgraph daemon runs (${socketPath}), and only root on the host can start it`,
    );
  const command = options.command ?? [
    fileURLToPath(new URL('../cli/netgraph.js', import.meta.url)),
    'daemon',
  ];
  const end = Date.now() + patience;
  let running = false;
  let started = 0;
  while (Date.now() < end) {
    if (!running) {
      if (started++ === ATTEMPTS) break;
      running = true;
      const ended = () => {
        running = false;
      };
      await spawnDetached(command, logPath, ended).catch((error: Error) => {
        throw new ClientError('ENODAEMON', `cannot start the netgraph daemon: ${error.message}`);
      });
    }
    await sleep(20);
    try {
      return await connectUnix(socketPath);
    } catch (error) {
      if (!nobodyListens(error)) throw connectFailed(socketPath, error);
    }
  }
  throw new ClientError('ENODAEMON', `the netgraph daemon does not start: see ${logPath}`);
}

/** What to tell when connect(2) fails although somebody may listen. */
export function connectFailed(socketPath: string, error: unknown): ClientError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM')
    return new ClientError('EPERM', `${socketPath}: only root${andItsGroup(socketPath)} may use netgraph`);
  return new ClientError('ENODAEMON', `cannot connect to the netgraph daemon: ${message}`);
}

/** Whether the daemon lets a group in besides: NETGRAPH_GROUP. */
function andItsGroup(socketPath: string): string {
  const { mode = 0, gid } = statSync(socketPath, { throwIfNoEntry: false }) ?? {};
  return mode & 0o020 ? ` and group ${gid}` : '';
}

async function spawnDetached(command: readonly string[], logPath: string, ended: () => void): Promise<void> {
  // Most runs of a tool start nothing.
  const { spawn } = await import('node:child_process');
  const made = mkdirSync(dirname(logPath), { recursive: true, mode: 0o755 });
  // For the daemon, which takes away what was not there before.
  if (made !== undefined) appendFileSync(join(dirname(logPath), 'daemon.lock'), `\n${made}`);
  const log = openSync(logPath, 'a', 0o600);
  try {
    // It is not the service of whoever manages us.
    const env = { ...process.env, NOTIFY_SOCKET: undefined };
    const child = spawn(process.execPath, command, { detached: true, stdio: ['ignore', log, log], env });
    child.once('exit', ended);
    child.once('error', ended);
    child.unref();
  } finally {
    closeSync(log);
  }
}

/** A process in a jail has another network namespace than init(1). */
function isRootOnHost(): boolean {
  if (process.geteuid?.() !== 0) return false;
  try {
    return readlinkSync('/proc/self/ns/net') === readlinkSync('/proc/1/ns/net');
  } catch {
    return true;
  }
}
