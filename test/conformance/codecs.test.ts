import { describe, expect, it } from 'vitest';
import { FlowMessages, genericMessages, type MessageSpecs, NgError } from '../../src/netgraph/index.js';
import { type ArgType, decode, encode, parse, unparse } from '../../src/netgraph/types/index.js';
import { randomFrom } from '../support/world.js';
import { someArguments, types } from './subject.js';

const ROUNDS = 40;

const declared: [string, MessageSpecs][] = [
  ['generic', genericMessages],
  ['flow', FlowMessages],
  ...types.map(([name, { messages }]): [string, MessageSpecs] => [name, messages]),
];

const all = declared.flatMap(([type, messages]) =>
  Object.entries(messages).flatMap(([name, { args, reply }]) => [
    ...(args === undefined ? [] : [{ title: `${type} ${name}, arguments`, type: args }]),
    ...(reply === undefined ? [] : [{ title: `${type} ${name}, reply`, type: reply }]),
  ]),
);

/**
 * Bytes that may be a value: mostly small numbers, as counts and lengths are, and letters, as names are. Integers of
 * 64 bits saturate in ASCII, as FreeBSD's do, so that none is negative here.
 */
function randomBytes(random: () => number, size: number): Uint8Array {
  const byte = [() => 0, () => random() * 3, () => 0x61 + random() * 26, () => random() * 128];
  const kind = byte[Math.floor(random() * byte.length)];
  return Uint8Array.from({ length: size }, () => Math.floor(random() < 0.5 ? 0 : kind()));
}

/** The bytes in the form that the codec gives them: padding zero, nothing behind the value. */
function normal(type: ArgType, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return encode(type, decode(type, bytes) as never);
  } catch (error) {
    if (error instanceof NgError) return undefined;
    throw error;
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe.each(all)('$title', ({ type }) => {
  const random = randomFrom(3);
  const samples = [
    someArguments(type),
    ...Array.from({ length: ROUNDS }, () => randomBytes(random, type.size ?? Math.floor(random() * 300))),
  ]
    .map((bytes) => normal(type, bytes))
    .filter((bytes) => bytes !== undefined);

  it('has values', () => {
    expect(samples.length).toBeGreaterThan(0);
  });

  it('is the same after a way through its binary form', () => {
    for (const bytes of samples) expect(hex(encode(type, decode(type, bytes) as never))).toBe(hex(bytes));
  });

  it('is the same after a way through its ASCII form', () => {
    for (const bytes of samples) {
      const text = unparse(type, bytes, { exact: true });
      expect([text, hex(parse(type, text, { size: 1 << 20 }).bytes)]).toEqual([text, hex(bytes)]);
    }
  });

  it('can be described', () => {
    expect(type.describe()).toMatch(/\S/);
  });
});
