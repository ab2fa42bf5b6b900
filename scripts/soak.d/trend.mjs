/** Whether what the daemon has at rest grows as long as it lives. */

/** Until its code is compiled and its buffers have the size that they keep, in minutes. */
const WARM_UP = 1;
/** In less time noise looks like growth, in minutes. */
const LEAST = 5;
/** Growth by more than this within a stretch is a leak: MiB, and descriptors. Noise stays below it, however long. */
const MOST = { heap: 2, resident: 40, descriptors: 8 };

/** How often one looks, in minutes. */
const EVERY = 0.25;

/** In a run that is long enough the daemon is left alive for some minutes now and then, so that leaks show. */
export class Rests {
  begin = Date.now();
  /** The one that is now, and how those before it went. */
  stretch = undefined;
  stretches = [];

  /** @param minutes of the run @param always whether nothing ever ends the daemon */
  constructor(minutes, always) {
    const calm = Math.min(Math.max(minutes / 5, 7), 15);
    const wild = always ? 0 : calm * 0.6;
    Object.assign(this, { calm, wild, possible: always || minutes >= wild + calm });
  }

  /** Whether the daemon is to live on in this round, and what was wrong with the stretch that ends now. */
  next() {
    const at = ((Date.now() - this.begin) / 60_000) % (this.wild + this.calm);
    const calm = this.possible && at >= this.wild;
    const found = calm ? [] : this.end();
    if (calm) this.stretch ??= new Stretch();
    return { calm, found };
  }

  /** Whether one should look at what there is. */
  get isDue() {
    return this.stretch !== undefined && this.stretch.minutes > this.stretch.last + EVERY;
  }

  add(sample) {
    this.stretch.add(sample);
  }

  /** What grew while the daemon was left alive. */
  end() {
    const { stretch } = this;
    if (stretch === undefined) return [];
    this.stretch = undefined;
    this.stretches.push({ minutes: Number(stretch.minutes.toFixed(1)), growth: stretch.growth() ?? null });
    return stretch.faults();
  }
}

/** One daemon's time, in which it is neither killed nor restarted. */
class Stretch {
  begin = Date.now();
  samples = [];
  last = 0;

  get minutes() {
    return (Date.now() - this.begin) / 60_000;
  }

  /** @param sample of each in MOST how much there is now */
  add(sample) {
    this.last = this.minutes;
    if (this.minutes > WARM_UP) this.samples.push({ ...sample, at: this.minutes });
  }

  /** By how much each grew, or undefined when it was too short to tell. */
  growth() {
    const { samples } = this;
    const minutes = samples.at(-1)?.at - samples[0]?.at;
    if (!(minutes >= LEAST)) return undefined;
    const grown = (what) => Number((slope(samples, what) * minutes).toFixed(2));
    return Object.fromEntries(Object.keys(MOST).map((what) => [what, grown(what)]));
  }

  faults() {
    const growth = this.growth() ?? {};
    return Object.keys(growth)
      .filter((what) => growth[what] > MOST[what])
      .map((what) => {
        const values = this.samples.map((sample) => Number(sample[what].toFixed(2)));
        return `${what} of the daemon at rest grows by ${growth[what]}: ${values.join(' ')}`;
      });
  }
}

/** The median of the growth in a minute between any two samples (Theil, Sen): single ones that are far off do not count. */
function slope(samples, what) {
  const slopes = samples.flatMap((a, i) =>
    samples.slice(i + 1).map((b) => (b[what] - a[what]) / (b.at - a.at)),
  );
  slopes.sort((a, b) => a - b);
  return slopes[slopes.length >> 1];
}
