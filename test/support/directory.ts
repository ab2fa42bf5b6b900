/** Everything that tests write is below a directory of this run, which goes with it, also when tests fail. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What namespaces of tests that need no machine of their own are held in. */
const HOLDERS = ['/run/netns', '/run/netgraph/uts', '/run/netgraph'];

export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'netgraph-tests-'));
  chmodSync(directory, 0o1777); // as /tmp: some tests have programs of other users
  process.env.TMPDIR = directory;
  const absent = HOLDERS.filter((path) => !existsSync(path));
  return () => {
    rmSync(directory, { recursive: true, force: true });
    for (const path of absent) removeHolder(path);
  };
}

/** Unless others hold something there by now. */
function removeHolder(path: string): void {
  spawnSync('umount', [path]);
  try {
    rmdirSync(path);
  } catch {
    // It is not empty, or was never made.
  }
}
