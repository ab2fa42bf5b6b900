import { writeSync } from 'node:fs';
import { instancePaths } from '../protocol/index.js';
import { Daemon } from './daemon.js';

/** Writes a line to standard error. A disk that is full is no reason to fail, nor to complain about it in the log. */
function log(line: string): void {
  try {
    writeSync(2, `${new Date().toISOString()} ${line}\n`);
  } catch {
    // There is nobody left to tell.
  }
}

/** Runs the daemon of this instance until it is told to stop. Returns the exit code. */
export async function runDaemon(): Promise<number> {
  const paths = instancePaths();
  const daemon = await Daemon.start(paths, log);
  if (daemon === undefined) {
    log(`a daemon is running already, see ${paths.lock}`);
    return 1;
  }
  // Out of the way of whoever wants to unmount where we were started. All paths are absolute by now.
  process.chdir('/');
  log(`serving ${paths.socket}, process ${process.pid}`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      log(`${signal}: stopping`);
      void daemon.stop();
    });
  // A defect must not take down what works: it is written down, and life goes on.
  process.on('uncaughtException', (error) => log(`uncaught: ${error.stack}`));
  process.on('unhandledRejection', (error) => log(`unhandled: ${(error as Error)?.stack ?? error}`));
  await daemon.stopped();
  log('stopped');
  return 0;
}
