import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCall } from '../../src/daemon/params.js';
import { GENERIC_COOKIE, genericMessages, Message } from '../../src/netgraph/index.js';
import {
  type ControlRecord,
  encodeRecord,
  encodeResult,
  Kind,
  MAX_RECORD,
  RecordReader,
  splitName,
} from '../../src/protocol/index.js';
import { busy, byteMutation, fuzz, oddNames, outcome, TIMEOUT, textMutation } from './support.js';

const record = fc.record({
  kind: fc.oneof(fc.constantFrom(...Object.values(Kind)), fc.nat(255)),
  id: fc.nat(0xffffffff),
  body: fc.uint8Array({ maxLength: 100 }),
});

/** A stream in pieces of these lengths, over and over. */
function* pieces(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + lengths[i % lengths.length];
    yield Buffer.from(bytes.subarray(at, end));
    at = end;
  }
}

const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 400 })), {
  minLength: 1,
  maxLength: 5,
});

const plain = ({ kind, id, body }: ControlRecord) => ({ kind, id, body: [...body] });

const calls = [
  '{"method":"hello","params":{"version":1}}',
  '{"method":"hello","params":{"version":1,"jail":"a"}}',
  '{"method":"open","params":{"name":"me"}}',
  '{"method":"jail.create","params":{"parameters":{"name":"a","vnet":"new","persist":"true"}}}',
  '{"method":"jail.modify","params":{"jail":"a","parameters":{}}}',
  '{"method":"sysctl.write","params":{"name":"net.graph.maxdata","value":"1"}}',
  '{"method":"status"}',
];

describe('records', { timeout: TIMEOUT }, () => {
  it('are the same however the stream is cut', () => {
    fuzz(fc.tuple(fc.array(record, { maxLength: 20 }), lengths), 1500, ([records, cuts]) => {
      const stream = Buffer.concat(records.map(({ kind, id, body }) => encodeRecord(kind, id, body)));
      const reader = new RecordReader();
      const found = [...pieces(stream, cuts)].flatMap((piece) => reader.push(piece));
      expect(found.map(plain)).toEqual(records.map(plain));
    });
  });

  it('are found in a stream that was tampered with, or it is refused; never more than was sent', () => {
    fuzz(
      fc.tuple(fc.array(record, { maxLength: 8 }), lengths, byteMutation),
      4000,
      ([records, cuts, mutate]) => {
        const good = Buffer.concat(records.map(({ kind, id, body }) => encodeRecord(kind, id, body)));
        const stream = Buffer.from(mutate(good));
        const reader = new RecordReader();
        let octets = 0;
        const read = outcome(() => {
          for (const piece of pieces(stream, cuts))
            for (const { body } of reader.push(piece)) octets += 9 + body.length;
        });
        if ('refused' in read) expect(read.refused.code).toBe('EMSGSIZE');
        expect(octets).toBeLessThanOrEqual(stream.length);
      },
    );
  });

  it('of the longest kind in the smallest pieces take no longer than they must', () => {
    const stream = encodeRecord(Kind.CALL, 1, new Uint8Array(MAX_RECORD - 5));
    const reader = new RecordReader();
    const start = busy();
    let found = 0;
    for (const piece of pieces(stream, [7])) found += reader.push(piece).length;
    expect(found).toBe(1);
    expect(busy() - start).toBeLessThan(10_000);
  });

  it('begin with a name or are refused', () => {
    fuzz(fc.uint8Array({ maxLength: 60 }), 2000, (body) => {
      const found = outcome(() => splitName(body));
      if ('refused' in found) expect(body.includes(0)).toBe(false);
      else expect(found.value[1].length).toBeLessThan(body.length);
    });
  });
});

describe('what is in a record', { timeout: TIMEOUT }, () => {
  it('as a call is one that there is, with parameters of the right kind, or is refused', () => {
    const words = [
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      'null',
      '1e999',
      '\\u0000',
      '\\',
      '{"__proto__":',
      ...oddNames,
    ];
    fuzz(fc.tuple(fc.constantFrom(...calls), textMutation(words)), 8000, ([json, mutate]) => {
      const call = outcome(() => readCall(mutate(json)));
      if ('refused' in call) expect(call.refused.code).toMatch(/^(EINVAL|ENOSYS)$/);
      else expect(calls.some((known) => known.includes(`"${call.value.method}"`))).toBe(true);
    });
    fuzz(fc.json({ maxDepth: 6 }), 1000, (json) => {
      expect(outcome(() => readCall(json))).toHaveProperty('refused');
    });
  });

  it('as a message is one, and stays what it is, or is refused', () => {
    const good = new Message(GENERIC_COOKIE, genericMessages.mkpeer.cmd, new Uint8Array(96));
    good.name = 'mkpeer';
    const bytes = good.encode();
    fuzz(byteMutation, 8000, (mutate) => {
      const found = outcome(() => Message.decode(mutate(bytes)));
      if ('refused' in found) expect(found.refused.code).toBe('EINVAL');
      else expect(Message.decode(found.value.encode())).toEqual(found.value);
    });
  });

  it('as an answer can be read by whoever asked', () => {
    const sentence = fc.tuple(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 50 }), fc.constantFrom(...oddNames)),
      fc.constantFrom(0, 1, 100, 2 ** 16, 2 ** 20, 2 ** 21),
    );
    fuzz(sentence, 200, ([text, length]) => {
      const message = text.repeat(Math.ceil(length / Math.max(1, text.length)));
      const [found] = new RecordReader().push(encodeResult(7, { errno: 22, message }));
      expect(found).toMatchObject({ kind: Kind.RESULT, id: 7 });
      expect(found.body.length).toBeLessThan(10_000);
    });
  });
});
