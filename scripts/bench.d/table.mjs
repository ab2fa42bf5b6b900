/** Medians, and how they are shown. */

export function median(samples) {
  const sorted = samples.filter((sample) => sample !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Results by name of what was measured and column: a list of samples each. */
export class Samples {
  #samples = {};

  add(what, column, sample) {
    if (sample === undefined || Number.isNaN(sample)) return;
    this.#samples[what] ??= {};
    this.#samples[what][column] ??= [];
    this.#samples[what][column].push(sample);
  }

  median(what, column) {
    return median(this.#samples[what]?.[column] ?? []);
  }

  toJSON() {
    const withMedian = (samples) => ({ median: median(samples), samples });
    const columns = (all) => Object.fromEntries(Object.entries(all).map(([k, v]) => [k, withMedian(v)]));
    return Object.fromEntries(Object.entries(this.#samples).map(([what, all]) => [what, columns(all)]));
  }
}

export const show = (value, digits) => (value === undefined ? '-' : value.toFixed(digits));

/** Rows of text, the first being the heading: the first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
    )
    .join('\n');
}
