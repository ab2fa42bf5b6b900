import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatIPv6,
  netmask,
  parseEther,
  parseIPv4,
  parseIPv6,
  prefixOf,
} from '../../src/cli/ifconfig/address.js';
import { readWords } from '../../src/cli/ifconfig/words.js';

const v4 = (...bytes: number[]) => new Uint8Array(bytes);

describe('addresses', () => {
  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['fe80:0:0:0:0:0:0:1%em0', 'fe80::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['100:0:0:10:0:0:0:0', '100:0:0:10::'],
  ])('%s is shown as %s', (text, shown) => {
    expect(formatIPv6(parseIPv6(text)!)).toBe(shown);
  });

  it('survive being shown and read', () => {
    const address = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => bytes.map((b) => (b < 128 ? 0 : b)));
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIPv6(bytes);
        expect(isIPv6(text)).toBe(true);
        expect(parseIPv6(text)).toEqual(bytes);
      }),
    );
  });

  it('have masks of every length', () => {
    for (let prefix = 0; prefix <= 32; prefix++) {
      const hex = `0x${netmask(prefix).toString(16)}`;
      expect(prefixOf(parseIPv4(hex)!)).toBe(prefix);
    }
    expect(prefixOf(v4(255, 0, 255, 0))).toBeUndefined();
    expect(parseIPv4('256.0.0.1')).toBeUndefined();
    expect(parseEther('2:0:0:0:0:1')).toEqual(v4(2, 0, 0, 0, 0, 1));
    expect(parseEther('02-00-00-00-00-01')).toEqual(v4(2, 0, 0, 0, 0, 1));
    expect(parseEther('02:00:00:00:00')).toBeUndefined();
  });
});

describe('words of ifconfig(8)', () => {
  it('come in order, addresses last', () => {
    expect(readWords('inet 192.168.128.1/30 up'.split(' ').slice(1), 'inet')).toEqual([
      { do: 'flag', word: 'up', flag: 1, on: true },
      { do: 'address', family: 'inet', how: 'set', address: v4(192, 168, 128, 1), prefix: 30 },
    ]);
    expect(
      readWords(['name', 'a', 'mtu', '9000', 'ether', '2:0:0:0:0:1', 'descr', 'x y', 'vnet', 'j']),
    ).toEqual([
      { do: 'name', name: 'a' },
      { do: 'mtu', mtu: 9000 },
      { do: 'ether', address: v4(2, 0, 0, 0, 0, 1) },
      { do: 'description', text: 'x y' },
      { do: 'vnet', jail: 'j' },
    ]);
  });

  it.each(['netmask 255.255.255.0', 'netmask 0xffffff00', 'netmask 0xFFFFFF00'])('know %s', (words) => {
    expect(readWords(['10.0.0.1', ...words.split(' ')])).toMatchObject([
      { address: v4(10, 0, 0, 1), prefix: 24 },
    ]);
  });

  it('put the parts of an address together', () => {
    expect(readWords('10.0.0.1/24 broadcast 10.0.0.127 alias'.split(' '))).toEqual([
      {
        do: 'address',
        family: 'inet',
        how: 'alias',
        address: v4(10, 0, 0, 1),
        prefix: 24,
        broadcast: v4(10, 0, 0, 127),
      },
    ]);
    expect(readWords('10.0.0.1 10.0.0.2'.split(' '))).toMatchObject([{ peer: v4(10, 0, 0, 2) }]);
    expect(readWords('2001:db8::1 prefixlen 48 no_dad'.split(' '), 'inet6')).toMatchObject([
      { family: 'inet6', how: 'set', prefix: 48, noDad: true },
    ]);
    for (const word of ['-alias', 'delete', 'remove'])
      expect(readWords(['10.0.0.1', word])).toMatchObject([{ how: 'remove', address: v4(10, 0, 0, 1) }]);
    expect(readWords(['-alias'])).toEqual([{ do: 'address', family: 'inet', how: 'remove' }]);
  });

  it('may name several families', () => {
    expect(readWords('10.0.0.1/8 inet6 ::2/64 ether 2:0:0:0:0:1'.split(' '))).toMatchObject([
      { family: 'inet', prefix: 8 },
      { family: 'inet6', prefix: 64 },
      { do: 'ether' },
    ]);
  });

  it('leave offloads as they are', () => {
    expect(readWords('-rxcsum -txcsum -tso4 -lro -vlanhwtag up'.split(' '))).toHaveLength(1);
  });

  it.each([
    ['foo', 'foo: bad value'],
    ['10.0.0.1/33', '10.0.0.1/33: bad value (width too large)'],
    ['10.0.0.1/x', '10.0.0.1/x: bad value (width invalid)'],
    ['10.0.0.1 netmask 255.0.255.0', '255.0.255.0: bad value'],
    ['mtu', "'mtu' requires argument"],
    ['mtu big', 'big: bad value'],
    ['name', "'name' requires argument"],
    ['ether 1:2:3', 'malformed link-level address'],
    ['netmask 255.0.0.0', 'inet: no address given'],
    ['10.0.0.1 10.0.0.2 10.0.0.3', '10.0.0.3: bad value'],
  ])('%s is refused: %s', (words, message) => {
    expect(() => readWords(words.split(' '))).toThrow(expect.objectContaining({ exitCode: 1, message }));
  });
});
