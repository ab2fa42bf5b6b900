import { existsSync, ftruncateSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import type { InstancePaths } from '../protocol/index.js';

/**
 * Makes the state directory unless it is there. What is made is noted in the lock file first: a daemon that is killed
 * before it has a journal, or when it has one no more, leaves nothing that the next does not know as ours.
 * @param lock descriptor of the lock file
 * @returns the outermost directory that was not there before, if there is one
 */
export function makeStateDirectory(paths: InstancePaths, lock: number): string | undefined {
  const missing = outermostMissing(paths.stateDir);
  if (missing === undefined) {
    const noted = readFileSync(paths.lock, 'utf8');
    return noted !== '' && `${paths.stateDir}${sep}`.startsWith(`${noted}${sep}`) ? noted : undefined;
  }
  ftruncateSync(lock);
  writeSync(lock, missing, 0);
  mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 });
  return missing;
}

function outermostMissing(path: string): string | undefined {
  let missing: string | undefined;
  for (let here = path; !existsSync(here); here = dirname(here)) missing = here;
  return missing;
}
