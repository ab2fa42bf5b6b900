import type { Clock } from '../netgraph/index.js';

/** The system's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now() * 1000,
  after(microseconds, run) {
    const timer = setTimeout(run, microseconds / 1000).unref();
    return () => clearTimeout(timer);
  },
};
