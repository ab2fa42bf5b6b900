import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add, checksum, pseudoHeader4, pseudoHeader6, subtract, sum } from '../../src/wire/checksum.js';
import { be16, be32, slowSum } from './frames.js';

describe('checksum', () => {
  it('adds up the example of RFC 1071', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sum(bytes, 0, 8)).toBe(0xddf2);
    expect(checksum(bytes, 0, 8)).toBe(0x220d);
  });

  it('is that of plain arithmetic for any bytes, offset and length', () => {
    const input = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(40), fc.nat(40));
    fc.assert(
      fc.property(input, ([bytes, from, cut]) => {
        const offset = Math.min(from, bytes.length);
        const length = Math.max(0, bytes.length - offset - cut);
        const slow = slowSum(bytes.subarray(offset, offset + length));
        expect(sum(bytes, offset, length)).toBe(slow);
        expect(checksum(bytes, offset, length, 0x1234)).toBe(
          ~slowSum(bytes.subarray(offset, offset + length), 0x1234) & 0xffff,
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('works on views into larger buffers', () => {
    const whole = Uint8Array.from({ length: 64 }, (_, index) => index * 5);
    const part = whole.subarray(7, 50);
    expect(sum(part, 3, 31)).toBe(slowSum(whole.subarray(10, 41)));
  });

  it('does not overflow over a megabyte of ones', () => {
    const bytes = new Uint8Array(1 << 20).fill(0xff);
    expect(sum(bytes, 0, bytes.length)).toBe(0xffff);
    expect(sum(bytes, 1, bytes.length - 2)).toBe(0xffff);
  });

  it('takes out again what was added', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xffff }), fc.nat(0xffff), (a, b) => {
        expect(subtract(add(a, b), b) % 0xffff).toBe(a % 0xffff);
      }),
    );
  });

  it('knows both pseudo headers, also with lengths above 16 bits', () => {
    const addresses = Uint8Array.from({ length: 34 }, (_, index) => 250 - index);
    for (const length of [0, 20, 0xffff, 0x1_0004]) {
      const four = slowSum([...addresses.subarray(2, 10), ...be16(17), ...be32(length)]);
      expect(pseudoHeader4(addresses, 2, 17, length)).toBe(four);
      const six = slowSum([...addresses.subarray(2, 34), ...be32(length), ...be32(58)]);
      expect(pseudoHeader6(addresses, 2, 58, length)).toBe(six);
    }
  });
});
