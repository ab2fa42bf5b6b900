import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeReal, runInSandbox } from '../support/sandbox.js';
import { compile } from './compile.js';

const OPERATIONS = 2500;

describeReal('a real world of which everything changes at random', () => {
  let compiled: ReturnType<typeof compile>;

  beforeAll(() => {
    compiled = compile(join(import.meta.dirname, 'random-program.ts'));
  });
  afterAll(() => compiled.remove());

  it.each([1, 2, 3, 4])(
    'is sound at every step, and in the end nothing is left of it (seed %i)',
    async (seed) => {
      const left = 'ls /run/netgraph 2>&1; ps axo comm | grep -c ^ping';
      const { stdout, stderr } = await runInSandbox(
        `node ${compiled.program} ${seed} ${OPERATIONS}; ${left}`,
      );
      expect(stderr).toBe('');
      const [counts, ...rest] = stdout.split('\n');
      const { done, refused, sent, deleted, most, received } = JSON.parse(counts);
      expect(rest).toEqual(['0', '']);
      expect(done + refused).toBeGreaterThan(OPERATIONS / 2);
      for (const [count, least] of [
        [done, OPERATIONS / 4],
        [sent, OPERATIONS / 20],
        [deleted, 10],
        [most, 20],
        [received, 50],
      ])
        expect(count).toBeGreaterThan(least);
    },
  );
});
