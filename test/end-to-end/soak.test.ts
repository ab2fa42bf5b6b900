import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeReal, finished } from '../support/sandbox.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MINUTES = 1;
const SEED = 1;

describeReal('scripts/soak', () => {
  it(`finds nothing wrong for ${MINUTES} minute`, { timeout: 200_000 }, async () => {
    // What is built by now is what the other tests use, too: it is not made anew beside them.
    const env = { ...process.env, SOAK_DIST: `${ROOT}dist` };
    const words = ['--minutes', String(MINUTES), '--seed', String(SEED)];
    const soak = spawn(`${ROOT}scripts/soak`, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const { stdout, stderr, status } = await finished(soak, 190_000);
    if (status !== 0 || stderr !== '') throw new Error(`exit ${status}\n${stdout}${stderr}`);
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!);
    const { rounds, kills, restarts, datagrams, streamOctets, operations } = summary;
    for (const [count, least] of [
      [rounds, 3],
      [kills + restarts, 2],
      [datagrams, 5000],
      [streamOctets, 10_000_000],
      [operations.mkpeer, 20],
    ])
      expect(count).toBeGreaterThanOrEqual(least);
  });
});
