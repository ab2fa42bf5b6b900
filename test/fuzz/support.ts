import fc from 'fast-check';
import { NgError } from '../../src/netgraph/index.js';

/** The same inputs each time, so that what passes here passes there; FUZZ_SEED gives others, FUZZ_ROUNDS more. */
export const SEED = Number(process.env.FUZZ_SEED ?? 20_251_121);
export const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 1);

/** Milliseconds that a test may take. */
export const TIMEOUT = 120_000 * Math.max(1, ROUNDS);

/** The longest that one input may take, in milliseconds: far more than any does, far less than a hang. */
const PATIENCE = 2000;

/** Milliseconds that this process was at work until now: what others do meanwhile does not count. */
export function busy(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Tries `runs` inputs (times FUZZ_ROUNDS). A failure prints the seed and the smallest input that still fails. */
export function fuzz<T>(inputs: fc.Arbitrary<T>, runs: number, attempt: (input: T) => void): void {
  const timed = (input: T): void => {
    const start = busy();
    attempt(input);
    const took = busy() - start;
    if (took > PATIENCE) throw new Error(`took ${Math.round(took)} ms`);
  };
  fc.assert(fc.property(inputs, timed), { seed: SEED, numRuns: Math.ceil(runs * ROUNDS) });
}

/** What `work` returns, or the name of the errno with which it refuses; anything else that it throws is a defect. */
export function outcome<T>(work: () => T): { value: T } | { refused: NgError } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof NgError) return { refused: error };
    throw error;
  }
}

/** Names that mean something to JavaScript, to paths, or to nobody. */
export const oddNames: readonly string[] = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', 'length'],
  ...[
    '',
    '.',
    '..',
    ':',
    'a.b',
    'a:b',
    '[1]',
    '[0]',
    '[ffffffff]',
    '[0x1]',
    ' ',
    '\n',
    '"',
    '{',
    'jid=0',
    'jid=1',
  ],
  ...['x'.repeat(31), 'x'.repeat(32), 'ü', '\udcff', '\udc80\udcfe'],
];

/** One change to a sequence; where and what are shares of what there is, so that it shrinks with it. */
interface Change {
  kind: 'set' | 'delete' | 'insert' | 'repeat' | 'swap' | 'cut';
  at: number;
  length: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('set', 'delete', 'insert', 'repeat', 'swap', 'cut'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 200 })),
});

function changed<T>(items: readonly T[], { kind, at, length }: Change, fresh: readonly T[]): T[] {
  const from = Math.floor(at * (items.length + 1));
  const end = Math.min(from + length, items.length);
  const [before, part, after] = [items.slice(0, from), items.slice(from, end), items.slice(end)];
  switch (kind) {
    case 'set':
      return [...before, ...fresh.slice(0, part.length), ...after];
    case 'delete':
      return [...before, ...after];
    case 'insert':
      return [...before, ...fresh, ...items.slice(from)];
    case 'repeat':
      return [
        ...before,
        ...Array.from({ length: Math.min(length, 30) }, () => part.slice(0, 50)).flat(),
        ...after,
      ];
    case 'swap':
      return [...after, ...part, ...before];
    case 'cut':
      return before;
  }
}

/** A few changes to `original`: none at all now and then, and what comes in is taken from `fresh`. */
function mutations<T>(fresh: fc.Arbitrary<T[]>): fc.Arbitrary<(original: readonly T[]) => T[]> {
  return fc
    .array(fc.tuple(change, fresh), { maxLength: 4 })
    .map(
      (list) => (original) =>
        list.reduce<T[]>((items, [one, add]) => changed(items, one, add), [...original]),
    );
}

const oddBytes = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 8 }),
  fc.constantFrom<number[][]>(
    [0],
    [255, 255, 255, 255],
    [0, 0, 0, 128],
    [255, 255, 255, 127],
    [1, 0, 0, 0],
    [0, 80],
    [255, 255],
  ),
);

/** A change that a failure shows by what it made of its last input. */
function showing<A, B>(mutate: (original: A) => B, show: (made: B) => string): (original: A) => B {
  let shown = '(unused)';
  const remember = (original: A): B => {
    const made = mutate(original);
    shown = show(made);
    return made;
  };
  return Object.assign(remember, { [fc.toStringMethod]: () => shown });
}

/** Ways to change bytes. */
export const byteMutation: fc.Arbitrary<(original: ArrayLike<number>) => Uint8Array> = mutations(
  oddBytes,
).map((mutate) =>
  showing(
    (original) => Uint8Array.from(mutate(Array.from(original))),
    (bytes) => Buffer.from(bytes).toString('hex'),
  ),
);

/** Ways to change text, with the words of a language besides characters. */
export const textMutation = (words: readonly string[]): fc.Arbitrary<(original: string) => string> =>
  mutations(
    fc.oneof(
      fc.constantFrom(...words).map((word) => [...word]),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }).map((text) => [...text]),
    ),
  ).map((mutate) => showing((original) => mutate([...original]).join(''), JSON.stringify));
