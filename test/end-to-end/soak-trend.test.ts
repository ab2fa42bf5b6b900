import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const { Rests } = await import(new URL('../../scripts/soak.d/trend.mjs', import.meta.url).href);

const MINUTE = 60_000;

describe('what a soak says of growth', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A run in which nothing ends the daemon, with a look every half minute at what `at` says there is by then. */
  function faults(minutes: number, at: (minute: number, look: number) => object): string[] {
    const rests = new Rests(minutes, true);
    for (let look = 0; look < minutes * 2; look++) {
      expect(rests.next()).toEqual({ calm: true, found: [] });
      rests.add({ heap: 13, resident: 100, descriptors: 20, ...at(look / 2, look) });
      vi.advanceTimersByTime(MINUTE / 2);
    }
    return rests.end();
  }

  it('is nothing while all stays as noisy as it is', () => {
    const noise = (_minute: number, look: number) => ({
      heap: 13 + (look % 7) / 10,
      resident: look % 5 === 3 ? 131 : 73 + (look % 3) * 15,
      descriptors: 15 + (look % 6),
    });
    expect(faults(8, noise)).toEqual([]);
    // Nor what settles at first.
    expect(faults(8, (minute) => ({ heap: minute < 1 ? 5 : 13 }))).toEqual([]);
  });

  it.each([
    ['heap', 0.5],
    ['resident', 9],
    ['descriptors', 2],
  ])('names what leaks: %s', (what, perMinute) => {
    const found = faults(8, (minute) => ({ [what]: 20 + minute * perMinute }));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${what} of the daemon at rest grows by `));
  });

  it('is not judged in less than five minutes', () => {
    expect(faults(5, (minute) => ({ heap: minute * 100 }))).toEqual([]);
  });

  it('is looked for in an hour three times, between kills', () => {
    const rests = new Rests(60, false);
    let calm = 0;
    for (let minute = 0; minute < 60; minute++) {
      if (rests.next().calm) calm++;
      vi.advanceTimersByTime(MINUTE);
    }
    rests.end();
    expect(rests.stretches).toHaveLength(3);
    expect(calm).toBeGreaterThan(30);
    expect(calm).toBeLessThan(45);
  });

  it('is not looked for when there is no time', () => {
    expect(new Rests(1, false).possible).toBe(false);
    expect(new Rests(12, false).possible).toBe(true);
  });
});
