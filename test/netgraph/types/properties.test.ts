import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NgError } from '../../../src/netgraph/errors.js';
import {
  type ArgType,
  decode,
  defaultOf,
  encode,
  parse,
  t,
  unparse,
} from '../../../src/netgraph/types/index.js';

/** A random type, and random values of it in the form that `decode` gives. */
interface Sample {
  type: ArgType;
  value: fc.Arbitrary<unknown>;
}

const sample = (type: ArgType, value: fc.Arbitrary<unknown>): Sample => ({ type, value });

const integers: Sample[] = ([8, 16, 32] as const).flatMap((bits) => [
  sample(t[`int${bits}`], fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })),
  sample(t[`uint${bits}`], fc.integer({ min: 0, max: 2 ** bits - 1 })),
  sample(t[`hint${bits}`], fc.integer({ min: 0, max: 2 ** bits - 1 })),
]);

// Text saturates above 2^63 - 1, even for uint64.
const bigints: Sample[] = [
  sample(t.int64, fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
  sample(t.uint64, fc.bigInt({ min: 0n, max: (1n << 63n) - 1n })),
  sample(t.hint64, fc.bigInt({ min: 0n, max: (1n << 63n) - 1n })),
];

const addresses: Sample[] = [
  sample(t.ipaddr, fc.ipV4()),
  sample(
    t.enaddr,
    fc
      .uint8Array({ minLength: 6, maxLength: 6 })
      .map((bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')),
  ),
  sample(
    t.ip6addr,
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => decode(t.ip6addr, bytes)),
  ),
];

/** Strings from any bytes but NUL, valid UTF-8 or not, in the form that `decode` gives. */
const anyString = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 8 }).map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 12 }),
  )
  .map((bytes) => decode(t.string, Uint8Array.from([...bytes.filter((byte) => byte !== 0), 0])));

const strings: Sample[] = [
  sample(t.string, anyString),
  sample(t.sizedString, anyString),
  sample(
    t.fixedString(16),
    anyString.filter((text) => encode(t.string, text).length <= 16),
  ),
];

// In text, an element of an array cannot be a bare string (ng_parse(3)).
const elements = fc.constantFrom(...integers, ...bigints, ...addresses);
const leaves = fc.oneof(elements, fc.constantFrom(...strings));

const structOf = (members: fc.Arbitrary<Sample>): fc.Arbitrary<Sample> =>
  fc.array(fc.tuple(members, fc.constantFrom(0, 1, 2, 4, 8)), { minLength: 1, maxLength: 5 }).map((list) => {
    const fields = list.map(([{ type }, align]) => t.field(type, align === 0 ? {} : { align }));
    const named = <T>(items: readonly T[]) => Object.fromEntries(items.map((item, i) => [`f${i}`, item]));
    return sample(t.struct(named(fields)), fc.record(named(list.map(([{ value }]) => value))));
  });

const fixedArrayOf = (members: fc.Arbitrary<Sample>): fc.Arbitrary<Sample> =>
  fc
    .tuple(members, fc.integer({ min: 1, max: 4 }))
    .map(([{ type, value }, n]) =>
      sample(t.fixedArray(type, n), fc.array(value, { minLength: n, maxLength: n })),
    );

const countedOf = (members: fc.Arbitrary<Sample>): fc.Arbitrary<Sample> =>
  members.map(({ type, value }) =>
    sample(
      t.struct({ n: t.uint8, items: t.array(type, 'n'), bytes: t.bytes('n') }),
      fc
        .tuple(fc.array(value, { maxLength: 5 }), fc.uint8Array({ minLength: 5, maxLength: 5 }))
        .map(([items, bytes]) => ({ n: items.length, items, bytes: bytes.slice(0, items.length) })),
    ),
  );

const { type: anyType } = fc.letrec<{ type: Sample; element: Sample }>((tie) => ({
  type: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaves, tie('element')),
  element: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    elements,
    structOf(tie('type')),
    fixedArrayOf(tie('element')),
    countedOf(tie('element')),
  ),
}));

const anyCase = anyType.chain(({ type, value }) => fc.record({ type: fc.constant(type), value }));

describe('for every type and value', () => {
  it('decode undoes encode', () => {
    fc.assert(
      fc.property(anyCase, ({ type, value }) => {
        expect(decode(type, encode(type, value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('parse undoes unparse', () => {
    fc.assert(
      fc.property(anyCase, ({ type, value }) => {
        const bytes = encode(type, value);
        expect(parse(type, unparse(type, bytes, { exact: true })).bytes).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('the size, where it is fixed, is the size', () => {
    fc.assert(
      fc.property(anyCase, ({ type, value }) => {
        const { length } = encode(type, value);
        expect(type.size ?? length).toBe(length);
      }),
    );
  });

  it('a default prints as nothing, and an empty form is the default', () => {
    fc.assert(
      fc.property(
        anyType.filter(({ type }) => type.kind === 'struct'),
        ({ type }) => {
          try {
            expect(unparse(type, defaultOf(type))).toBe('{}');
            expect(parse(type, '{}').bytes).toEqual(defaultOf(type));
            expect(encode(type, {})).toEqual(defaultOf(type));
          } catch (error) {
            expect(error).toMatchObject({ code: 'EOPNOTSUPP' });
          }
        },
      ),
    );
  });
});

/** Anything, but more often than not something that looks like arguments. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        '=',
        '"',
        '\\',
        ' ',
        'f0',
        'n',
        'items',
        '1',
        '-1',
        '0x',
        ':',
        '.',
        'é',
      ),
    )
    .map((parts) => parts.join(' '.repeat(parts.length % 2))),
);

const onlyNgError = (action: () => unknown): void => {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(NgError);
  }
};

/** A value with some part of it replaced. */
function replace(value: unknown, choices: Iterator<number>, part: unknown): unknown {
  const choice: number = choices.next().value;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || choice === 0) return part;
  const entries = Object.entries(value);
  if (entries.length === 0) return part;
  const [key, old] = entries[choice % entries.length];
  const changed = replace(old, choices, part);
  return Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed };
}

describe('whatever is given', () => {
  it('parse throws nothing but NgError', () => {
    fc.assert(
      fc.property(anyType, anyText, ({ type }, text) => onlyNgError(() => parse(type, text))),
      { numRuns: 1000 },
    );
  });

  it('parse survives damaged arguments', () => {
    const damaged = anyCase.chain(({ type, value }) => {
      const text = unparse(type, encode(type, value));
      return fc.record({
        type: fc.constant(type),
        text: fc.tuple(fc.nat(text.length), fc.nat(3), anyText).map(([at, cut, more]) => {
          return text.slice(0, at) + more + text.slice(at + cut);
        }),
      });
    });
    fc.assert(
      fc.property(damaged, ({ type, text }) => onlyNgError(() => parse(type, text))),
      { numRuns: 1000 },
    );
  });

  it('decode and unparse throw nothing but NgError', () => {
    fc.assert(
      fc.property(anyType, fc.uint8Array({ maxLength: 64 }), ({ type }, bytes) => {
        onlyNgError(() => decode(type, bytes));
        onlyNgError(() => unparse(type, bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it('encode throws nothing but NgError', () => {
    const junk = fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true });
    const damaged = anyCase.chain(({ type, value }) =>
      fc.record({
        type: fc.constant(type),
        value: fc
          .tuple(fc.infiniteStream(fc.nat(7)), junk)
          .map(([choices, part]) => replace(value, choices, part)),
      }),
    );
    fc.assert(
      fc.property(damaged, ({ type, value }) => onlyNgError(() => encode(type, value))),
      { numRuns: 2000 },
    );
  });

  const million = 1_000_000;
  it.each([
    ['open brackets', '['.repeat(million)],
    ['open braces in a field', `{ f=${'{'.repeat(million)}`],
    ['balanced brackets', `{ f=${'['.repeat(million)}${']'.repeat(million)} }`],
    ['strings that never end', `{ f=[ ${'"\\'.repeat(million)}`],
    ['escaped quotes', `{ f={ "${'\\"'.repeat(million)}`],
    ['a long string', `{ s="${'\\x41'.repeat(million / 4)}" }`],
    ['digits', `{ n=${'9'.repeat(million)} }`],
    ['zeros', `{ n=${'0'.repeat(million)} }`],
    ['an index', `{ f=[ ${'1'.repeat(million)}=1 ] }`],
    ['white space', `{${' '.repeat(million)}n${' '.repeat(million)}=${' '.repeat(million)}1}`],
    ['elements', `{ f=[ ${'1 '.repeat(million)}] }`],
    ['huge indices', '{ n=-1 f=[ 4000000000=1 ] }'],
    ['a huge length', '{ n=2000000000 }'],
    ['an unknown field', `{ ${'x'.repeat(million)}=1 }`],
  ])('comes to an end with a million of them: %s', (_, text) => {
    // With a time that grows with the square it would not.
    const type = t.struct({ n: t.uint32, s: t.fixedString(32), f: t.array(t.uint8, 'n') });
    onlyNgError(() => parse(type, text));
  });
});
