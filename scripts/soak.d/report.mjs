/** What a run says of itself. */

/** A count for each of these, of which none has happened yet. */
export const tally = (names) => Object.fromEntries([...new Set(names)].map((name) => [name, 0]));

/** What never happened, of all that was counted. */
export const missed = (tallies) =>
  Object.entries(tallies).flatMap(([what, counts]) =>
    Object.keys(counts)
      .filter((name) => counts[name] === 0)
      .map((name) => `${what}: ${name}`),
  );

/** The median and the longest of times in ms; null when there is none. */
export function spread(times) {
  const sorted = times.map(Math.round).sort((a, b) => a - b);
  return sorted.length === 0 ? null : { median: sorted[sorted.length >> 1], max: sorted.at(-1) };
}

/** Rejects when some work takes longer than so many ms. */
export function within(work, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} takes longer than ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
