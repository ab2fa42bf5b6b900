/** A directory of commands by FreeBSD's names, for the front of a shell's PATH. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instancePaths } from '../../protocol/index.js';
import { EX, fail } from '../command.js';

/** Each runs the file of its name beside this one, if that exists. */
const TOOLS = [
  'netgraph',
  'ngctl',
  'nghook',
  'ngportal',
  'ngpcap',
  'jeiface',
  'jail',
  'jexec',
  'jls',
  'ifconfig',
  'kldload',
  'kldstat',
  'kldunload',
  'sysctl',
];
const PREFIX = 'netgraph-shell.';
const PROBE = '.probe';

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Makes the directory, where programs may be run: /run and /tmp are often mounted noexec.
 * @param here where the programs are
 */
export function makeTools(here = fileURLToPath(new URL('..', import.meta.url))): string {
  const { runDir, stateDir } = instancePaths();
  const reasons: string[] = [];
  for (const parent of [runDir, stateDir, tmpdir()]) {
    try {
      mkdirSync(parent, { recursive: true, mode: 0o755 });
      removeLeftovers(parent);
      const directory = mkdtempSync(join(parent, `${PREFIX}${process.pid}.`));
      fill(directory, here);
      if (spawnSync(join(directory, PROBE)).status === 0) return directory;
      reasons.push(`${parent}: programs cannot be run there`);
      removeTools(directory);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  return fail(EX.CANTCREAT, `no place for the commands: ${reasons.join('; ')}`);
}

function fill(directory: string, here: string): void {
  // Users other than root are to find what is in it, for `su` and `jexec -u`.
  chmodSync(directory, 0o755);
  write(directory, PROBE, 'exit 0');
  for (const tool of TOOLS) {
    const program = join(here, `${tool}.js`);
    // Node by its path: a clean environment may not find it.
    if (existsSync(program)) write(directory, tool, `exec ${quote(process.execPath)} ${quote(program)} "$@"`);
  }
}

function write(directory: string, name: string, line: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
}

/** What shells left behind that were killed. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('.')[0]) : 0;
    if (pid > 0 && !existsSync(`/proc/${pid}`)) removeTools(join(parent, name));
  }
}

export function removeTools(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
