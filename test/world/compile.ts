import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes a program of the tests, and what it imports, one that plain Node.js runs. `remove` takes it away again.
 * @param file its source
 */
export function compile(file: string): { program: string; remove: () => void } {
  const out = mkdtempSync(join(tmpdir(), 'netgraph-test-'));
  mkdirSync(join(out, 'node_modules'));
  symlinkSync(ROOT, join(out, 'node_modules/netgraph-linux'));
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }');
  const options = [
    '--target',
    'es2023',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--noCheck',
    '--skipLibCheck',
  ];
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['--ignoreConfig', '--rootDir', ROOT, '--outDir', out, ...options, file]);
  const program = join(out, relative(ROOT, file).replace(/\.ts$/, '.js'));
  return { program, remove: () => rmSync(out, { recursive: true }) };
}
