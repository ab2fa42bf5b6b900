import { resolve } from 'node:path';
import { groupId } from '../linux/index.js';
import { NgError, textOf } from '../netgraph/errors.js';
import { type InstancePaths, instancePaths } from '../protocol/index.js';
import { Predecessor } from './handover.js';
import { Logger, standardError } from './log.js';
import { ServiceManager } from './notify.js';
import { dropPrivileges } from './privileges.js';

/** Runs the daemon of this instance until it is told to stop. Returns the exit code. */
export async function runDaemon(): Promise<number> {
  const paths = instancePaths();
  const group = groupOf(process.env.NETGRAPH_GROUP);
  const isSuccessor = Predecessor.isThere();
  // A successor has no more than its predecessor, and what it gets from that must not be lost.
  if (!isSuccessor) dropPrivileges(group !== undefined);
  // Only now: what is loaded before is loaded twice.
  const { Daemon } = await import('./daemon.js');
  const logger = new Logger(standardError(paths.log));
  const { log } = logger;
  let told: NodeJS.Signals | undefined;
  const hear = (obey: () => void): void => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        told = signal;
        obey();
      });
  };
  // The predecessor may pass one on as soon as it is let go.
  if (isSuccessor) hear(() => {});
  const daemon = await Daemon.start(paths, log, group).catch((error: Error) => {
    log(`cannot start: ${error instanceof NgError ? error.message : error.stack}`, 'error');
    // Some of it may be there already, and would go on.
    process.exit(1);
  });
  if (daemon === undefined) {
    log(`a daemon is running already, see ${paths.lock}`, 'error');
    return 1;
  }
  // Out of the way of whoever wants to unmount where we were started. All paths are absolute by now, for a successor, too.
  Object.assign(process.env, absoluteVariables(paths));
  process.chdir('/');
  const manager = new ServiceManager(log);
  daemon.manager = manager;
  const obey = (): void => {
    if (told === undefined) return;
    // A service that stops, with the machine say, is to go on later. `netgraph stop` means the end of everything.
    if (manager.isThere) leave(told);
    log(`${told}: stopping`);
    daemon.stop().catch(() => {}); // the log tells
  };
  hear(obey);
  obey();
  function leave(signal: string): never {
    log(`${signal}: all stays for the next daemon`, 'info');
    manager.stopping();
    logger.flush();
    process.exit(0);
  }
  // A defect must not take down what works: it is written down, and life goes on.
  process.on('uncaughtException', (error) => log(`uncaught: ${textOf(error, true)}`, 'error'));
  process.on('unhandledRejection', (error) => log(`unhandled: ${textOf(error, true)}`, 'error'));
  log('serving', 'info', { socket: paths.socket, pid: process.pid });
  // The service manager may not know yet of a successor that this is the one to listen to.
  if (!isSuccessor) manager.ready(`serving ${paths.socket}`);
  manager.watch();
  await daemon.stopped();
  log('stopped', 'info');
  logger.flush();
  return 0;
}

function absoluteVariables({ runDir, stateDir }: InstancePaths): NodeJS.ProcessEnv {
  const directories = (process.env.NETGRAPH_MODULE_PATH ?? '').split(':').filter(Boolean);
  return {
    NETGRAPH_RUN_DIR: runDir,
    NETGRAPH_STATE_DIR: stateDir,
    NETGRAPH_MODULE_PATH: directories.map((directory) => resolve(directory)).join(':'),
  };
}

/** The group that may use the socket besides root. */
function groupOf(name: string | undefined): number | undefined {
  if (!name) return undefined;
  const id = groupId(name);
  if (id === undefined) throw new NgError('EINVAL', `NETGRAPH_GROUP: there is no group "${name}"`);
  return id;
}
