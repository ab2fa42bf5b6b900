import fc from 'fast-check';
import { expect, it, describe as suite } from 'vitest';
import { describe } from '../../src/wire/describe.js';
import { type BuiltFrame, buildFrame } from './frames.js';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

const say = ({ bytes }: BuiltFrame): string => describe(Uint8Array.from(bytes));

const MACS = '02:00:00:00:00:01 > 02:00:00:00:00:02';
const ethernet = '020000000002 020000000001';
const ip6 = '3a ff fe80000000000000 0000000000000001 ff02000000000000 00000001ff000002';

suite('describe', () => {
  it('ARP', () => {
    const ask = 'ffffffffffff 020000000001 0806 0001 0800 06 04 0001';
    expect(describe(bytesOf(`${ask} 020000000001 0a000001 000000000000 0a000002`))).toBe(
      '02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: ' +
        'Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    );
    const answer = `${ethernet} 0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002`;
    expect(describe(bytesOf(answer))).toBe(
      `${MACS}, ethertype ARP (0x0806), length 42: Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28`,
    );
  });

  it('ICMP echo, the length without padding', () => {
    const ip = '4500 001c 0001 0000 4001 0000 0a000001 0a000002';
    expect(describe(bytesOf(`${ethernet} 0800 ${ip} 0800 0000 1234 0007 ${'00'.repeat(18)}`))).toBe(
      `${MACS}, ethertype IPv4 (0x0800), length 60: 10.0.0.1 > 10.0.0.2: ICMP echo request, id 4660, seq 7, length 8`,
    );
  });

  it('ICMPv6 neighbor solicitation and advertisement, echo', () => {
    const target = 'fe80000000000000 0000000000000002';
    const start = `${MACS}, ethertype IPv6 (0x86dd), length`;
    expect(describe(bytesOf(`${ethernet} 86dd 60000000 0018 ${ip6} 8700 0000 00000000 ${target}`))).toBe(
      `${start} 78: fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 24`,
    );
    expect(describe(bytesOf(`${ethernet} 86dd 60000000 0018 ${ip6} 8800 0000 60000000 ${target}`))).toBe(
      `${start} 78: fe80::1 > ff02::1:ff00:2: ICMP6, neighbor advertisement, tgt is fe80::2, length 24`,
    );
    expect(describe(bytesOf(`${ethernet} 86dd 60000000 0008 ${ip6} 8100 0000 0001 0002`))).toBe(
      `${start} 62: fe80::1 > ff02::1:ff00:2: ICMP6, echo reply, id 1, seq 2, length 8`,
    );
  });

  it('TCP flags, sequence and length', () => {
    const payload = [1, 2, 3];
    expect(say(buildFrame({ version: 4, protocol: 'tcp', payload }))).toBe(
      `${MACS}, ethertype IPv4 (0x0800), length 57: ` +
        '10.0.0.1.5000 > 10.0.0.2.6000: Flags [P.], seq 1000:1003, ack 77, win 500, length 3',
    );
    const opening = say(buildFrame({ version: 6, protocol: 'tcp', flags: 0xc2, payload: [] }));
    expect(opening).toContain(
      '2001:db8::1.5000 > 2001:db8::2.6000: Flags [SEW], seq 1000, win 500, length 0',
    );
    const plain = say(buildFrame({ version: 4, protocol: 'tcp', flags: 0x10, payload: [] }));
    expect(plain).toContain('Flags [.], ack 77, win 500, length 0');
    expect(say(buildFrame({ version: 4, protocol: 'tcp', flags: 0, payload: [] }))).toContain('Flags [none]');
  });

  it('UDP in VLANs', () => {
    const vlans: [number, number][] = [
      [0x88a8, 0x0064],
      [0x8100, 0xb005],
    ];
    expect(say(buildFrame({ version: 4, protocol: 'udp', vlans, payload: [1] }))).toBe(
      `${MACS}, ethertype 802.1Q-QinQ (0x88a8), length 51: vlan 100, p 0, ` +
        'ethertype 802.1Q (0x8100), vlan 5, p 5, DEI, ethertype IPv4 (0x0800), 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 1',
    );
  });

  it('fragments', () => {
    const built = buildFrame({
      version: 4,
      protocol: 'udp',
      payload: new Array(16).fill(0),
      identification: 9,
    });
    [built.bytes[20], built.bytes[21]] = [0x20, 0x02];
    expect(say(built)).toContain('10.0.0.1 > 10.0.0.2: fragment (id 9, offset 16, more), length 24');
  });

  it('other protocols by name or number', () => {
    expect(describe(bytesOf(`${ethernet} 88cc 0000`))).toBe(
      `${MACS}, ethertype LLDP (0x88cc), length 16: length 2`,
    );
    expect(describe(bytesOf(`${ethernet} 0777`))).toBe(
      `${MACS}, ethertype Unknown (0x0777), length 14: length 0`,
    );
    expect(describe(bytesOf(`${ethernet} 0026 4242 03`))).toBe(`${MACS}, 802.3, length 17: length 3`);
    expect(describe(bytesOf('0102'))).toBe('truncated frame, length 2');
  });

  it('says something in one line about any bytes', () => {
    const kinds = fc.constantFrom([0x08, 0x00], [0x86, 0xdd], [0x08, 0x06], [0x81, 0x00]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), kinds, fc.nat(255), (bytes, type, first) => {
        bytes.set(type.slice(0, Math.max(0, bytes.length - 12)), Math.min(12, bytes.length));
        if (bytes.length > 14) bytes[14] = first;
        const line = describe(bytes);
        expect(line).not.toMatch(/\n|NaN|undefined|length -/);
      }),
      { numRuns: 3000 },
    );
  });
});
