import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { InstancePaths } from '../protocol/index.js';

/**
 * Makes the state directory unless it is there. What is made is noted in the lock file first, a line for each: a daemon
 * that is killed before it has a journal, or when it has one no more, leaves nothing that the next does not know as ours.
 * @param runDir the outermost directory that was made for the lock file, if one was
 * @returns the outermost directories that were not there before
 */
export function makeStateDirectory(paths: InstancePaths, runDir: string | undefined): readonly string[] {
  const noted = readFileSync(paths.lock, 'utf8');
  const missing = outermostMissing(paths.stateDir);
  const made = new Set(noted.split('\n').filter(Boolean));
  for (const path of [runDir, missing]) {
    if (path === undefined || made.has(path)) continue;
    made.add(path);
    appendFileSync(paths.lock, `\n${path}`);
  }
  if (missing !== undefined) mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 });
  return [...made];
}

function outermostMissing(path: string): string | undefined {
  let missing: string | undefined;
  for (let here = path; !existsSync(here); here = dirname(here)) missing = here;
  return missing;
}
