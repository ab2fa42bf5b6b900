import { setTimeout as sleep } from 'node:timers/promises';

/** How long processes get to end by themselves after SIGTERM, and how often we look, in milliseconds. */
const PATIENCE = 2000;
const INTERVAL = 20;

/** Ends all processes that `find` finds: SIGTERM, and SIGKILL for those that do not listen, jail(8) stop.timeout. */
export async function endProcesses(find: () => number[]): Promise<void> {
  let left = find();
  if (left.length === 0) return;
  signal(left, 'SIGTERM');
  // To find them takes its time, too, where there are many.
  for (const end = performance.now() + PATIENCE; left.length > 0 && performance.now() < end; ) {
    await sleep(INTERVAL);
    left = find();
  }
  for (const end = performance.now() + PATIENCE; left.length > 0 && performance.now() < end; ) {
    signal(left, 'SIGKILL');
    await sleep(INTERVAL);
    left = find();
  }
}

function signal(pids: number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended already.
    }
  }
}
