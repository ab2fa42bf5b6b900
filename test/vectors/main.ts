import { basename } from 'node:path';
import { runFile } from './run_file.js';

const EX_USAGE = 64;
const EX_DATAERR = 65;
const count = { passed: 0, failed: 0, skipped: 0 };
const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: scripts/vectors FILE...');
  process.exit(EX_USAGE);
}
for (const file of files) {
  const inFile = { passed: 0, failed: 0, skipped: 0 };
  const skipped = new Map<string, number>();
  for (const { name, status, detail } of await resultsOf(file)) {
    inFile[status]++;
    if (status === 'failed') console.log(`FAILED ${basename(file)}: ${name}\n  ${detail}\n`);
    if (status === 'skipped') skipped.set(detail, (skipped.get(detail) ?? 0) + 1);
  }
  for (const [why, cases] of skipped) console.log(`skipped in ${basename(file)}: ${cases}, ${why}`);
  const { passed, failed } = inFile;
  console.log(`${basename(file)}: ${passed} passed, ${failed} failed, ${inFile.skipped} skipped`);
  for (const status of ['passed', 'failed', 'skipped'] as const) count[status] += inFile[status];
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 ? 1 : 0;

async function resultsOf(file: string) {
  try {
    return await runFile(file);
  } catch (error) {
    console.error(`vectors: ${file}: ${(error as Error).message}`);
    process.exit(EX_DATAERR);
  }
}
