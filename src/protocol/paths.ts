import { join, resolve } from 'node:path';

/** Where one instance of the daemon keeps its things. A second instance sets both variables. */
export function instancePaths(env: NodeJS.ProcessEnv = process.env) {
  const runDir = resolve(env.NETGRAPH_RUN_DIR || '/run/netgraph');
  const stateDir = resolve(env.NETGRAPH_STATE_DIR || '/var/lib/netgraph');
  return {
    runDir,
    stateDir,
    /** The control socket. */
    socket: join(runDir, 'control.sock'),
    /** Held by the running daemon. */
    lock: join(runDir, 'daemon.lock'),
    /** UTS namespaces of jails are bound here. */
    utsDir: join(runDir, 'uts'),
    log: join(runDir, 'daemon.log'),
    /** What survives the death of the daemon. */
    journal: join(stateDir, 'world.journal'),
  };
}

export type InstancePaths = ReturnType<typeof instancePaths>;
