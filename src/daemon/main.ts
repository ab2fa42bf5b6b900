import { groupId } from '../linux/index.js';
import { NgError } from '../netgraph/errors.js';
import { instancePaths } from '../protocol/index.js';
import { Predecessor } from './handover.js';
import { Logger, standardError } from './log.js';
import { ServiceManager } from './notify.js';
import { dropPrivileges } from './privileges.js';

/** Runs the daemon of this instance until it is told to stop. Returns the exit code. */
export async function runDaemon(): Promise<number> {
  const paths = instancePaths();
  const group = groupOf(process.env.NETGRAPH_GROUP);
  // A successor has no more than its predecessor, and what it gets from that must not be lost.
  if (!Predecessor.isThere()) dropPrivileges(group !== undefined);
  // Only now: what is loaded before is loaded twice.
  const { Daemon } = await import('./daemon.js');
  const logger = new Logger(standardError(paths.log));
  const { log } = logger;
  const daemon = await Daemon.start(paths, log, group);
  if (daemon === undefined) {
    log(`a daemon is running already, see ${paths.lock}`, 'error');
    return 1;
  }
  // Out of the way of whoever wants to unmount where we were started. All paths are absolute by now.
  process.chdir('/');
  const manager = new ServiceManager(log);
  daemon.manager = manager;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      log(`${signal}: stopping`);
      void daemon.stop();
    });
  // A defect must not take down what works: it is written down, and life goes on.
  process.on('uncaughtException', (error) => log(`uncaught: ${error.stack}`, 'error'));
  process.on('unhandledRejection', (error) => log(`unhandled: ${(error as Error)?.stack ?? error}`, 'error'));
  log('serving', 'info', { socket: paths.socket, pid: process.pid });
  manager.ready(`serving ${paths.socket}`);
  await daemon.stopped();
  log('stopped', 'info');
  logger.flush();
  return 0;
}

/** The group that may use the socket besides root. */
function groupOf(name: string | undefined): number | undefined {
  if (!name) return undefined;
  const id = groupId(name);
  if (id === undefined) throw new NgError('EINVAL', `NETGRAPH_GROUP: there is no group "${name}"`);
  return id;
}
