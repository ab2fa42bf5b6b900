import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/directory.ts',
    // These end what hangs. A busy machine and the sanitizers may take their time.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // Real interfaces and a handful of daemons share two cores.
    maxWorkers: 2,
  },
});
