import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    // Real interfaces and a handful of daemons share two cores.
    maxWorkers: 2,
  },
});
