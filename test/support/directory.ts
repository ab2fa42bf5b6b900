/** Everything that tests write is below a directory of this run, which goes with it, also when tests fail. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'netgraph-tests-'));
  chmodSync(directory, 0o1777); // as /tmp: some tests have programs of other users
  process.env.TMPDIR = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
