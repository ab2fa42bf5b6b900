import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arp } from '../../src/wire/arp.js';
import {
  BROADCAST,
  Ethernet,
  formatMac,
  getMac,
  isMulticastMac,
  parseMac,
  putMac,
} from '../../src/wire/ethernet.js';
import { formatIpv4, Ipv4 } from '../../src/wire/ipv4.js';
import { formatIpv6, Ipv6 } from '../../src/wire/ipv6.js';
import { Tcp } from '../../src/wire/tcp.js';
import { Udp } from '../../src/wire/udp.js';
import { isWireReady, readVirtio, writeVirtio } from '../../src/wire/virtio.js';
import { networkOffset, vlanTags } from '../../src/wire/vlan.js';
import { buildFrame } from './frames.js';

const mac = fc.integer({ min: 0, max: BROADCAST });

describe('ethernet', () => {
  it('keeps addresses through bytes and text', () => {
    fc.assert(
      fc.property(mac, (address) => {
        const bytes = new Uint8Array(8);
        putMac(bytes, 1, address);
        expect(getMac(bytes, 1)).toBe(address);
        expect([bytes[0], bytes[7]]).toEqual([0, 0]);
        expect(parseMac(formatMac(address))).toBe(address);
      }),
    );
  });

  it('prints and reads addresses as people write them', () => {
    expect(formatMac(0x02000000000a)).toBe('02:00:00:00:00:0a');
    expect(parseMac('2:0:0:0:0:A')).toBe(0x02000000000a);
    for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:0g', '02-00-00-00-00-0a', '002:0:0:0:0:0']) {
      expect(parseMac(text)).toBeUndefined();
    }
  });

  it('tells group addresses', () => {
    expect(isMulticastMac(BROADCAST)).toBe(true);
    expect(isMulticastMac(0x01005e000001)).toBe(true);
    expect(isMulticastMac(0x0200000000ff)).toBe(false);
  });

  it('is not made of less than a header', () => {
    expect(Ethernet.parse(new Uint8Array(13))).toBeUndefined();
    expect(Ethernet.parse(new Uint8Array(20), 10)).toBeUndefined();
    expect(Ethernet.parse(new Uint8Array(20), 0, 21)).toBeUndefined();
    expect(Ethernet.parse(new Uint8Array(20), -1, 20)).toBeUndefined();
  });
});

describe('vlan', () => {
  const vlans: [number, number][] = [
    [0x88a8, 0x2005],
    [0x8100, 0xf00a],
  ];
  const { bytes } = buildFrame({ version: 4, protocol: 'udp', payload: [], vlans });
  const frame = Ethernet.parse(Uint8Array.from(bytes))!;

  it('lists the tags and finds what follows', () => {
    expect(vlanTags(frame)).toEqual([
      { etherType: 0x88a8, priority: 1, dropEligible: false, id: 5 },
      { etherType: 0x8100, priority: 7, dropEligible: true, id: 10 },
    ]);
    expect(networkOffset(frame)).toBe(22);
  });

  it('gives up on tags without end', () => {
    const tags = new Uint8Array(200);
    for (let at = 12; at < 200; at += 4) tags[at] = 0x81;
    expect(networkOffset(Ethernet.parse(tags)!)).toBe(-1);
    expect(networkOffset(Ethernet.parse(tags, 0, 17)!)).toBe(-1);
    expect(vlanTags(Ethernet.parse(tags, 0, 17)!)).toEqual([]);
  });
});

describe('ip', () => {
  it('finds the transport past IPv4 options', () => {
    const built = buildFrame({ version: 4, protocol: 'tcp', payload: [1], ipOptions: [1, 1, 1, 1] });
    const bytes = Uint8Array.from(built.bytes);
    const ip = Ipv4.parse(bytes, 14, bytes.length)!;
    expect(ip.transport).toBe(built.transport);
    expect(ip.packetEnd).toBe(bytes.length);
    expect(formatIpv4(bytes, ip.destinationAddress)).toBe('10.0.0.2');
    expect(Tcp.parse(bytes, ip.transport, ip.end)!.payload).toBe(built.data);
    expect(Ipv4.parse(bytes, 14, 14 + 23)).toBeUndefined();
  });

  it('walks IPv6 extension headers', () => {
    const extensions = ['hop', 'routing', 'destination'] as const;
    const built = buildFrame({ version: 6, protocol: 'udp', payload: [], extensions: [...extensions] });
    const bytes = Uint8Array.from(built.bytes);
    const ip = Ipv6.parse(bytes, 14, bytes.length)!;
    expect(ip).toMatchObject({
      transport: built.transport,
      protocol: 17,
      fragmentable: built.transport - 16,
    });
    expect(bytes[ip.fragmentableName]).toBe(60);
    for (let end = 14; end < built.transport; end++) expect(Ipv6.parse(bytes, 14, end)).toBeUndefined();
  });

  it('writes IPv6 addresses as RFC 5952 says', () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Uint8Array.from(groups.flatMap((value) => [value >>> 8, value & 255]));
        const plain = groups.map((value) => value.toString(16)).join(':');
        expect(`[${formatIpv6(bytes, 0)}]`).toBe(new URL(`http://[${plain}]`).hostname);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('views', () => {
  it('never look past the end that they were checked against', () => {
    const parsers = [Arp.parse, Ipv4.parse, Ipv6.parse, Tcp.parse, Udp.parse];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(130), (bytes, offset) => {
        for (const parse of parsers) {
          const view = parse(bytes, offset, bytes.length);
          const reached = view instanceof Ipv4 || view instanceof Ipv6 ? view.transport : offset;
          if (view !== undefined) expect(reached).toBeLessThanOrEqual(bytes.length);
        }
      }),
    );
  });
});

describe('virtio', () => {
  it('keeps its fields, little endian', () => {
    const bytes = new Uint8Array(16);
    const header = {
      flags: 1,
      gsoType: 0x81,
      headerLength: 66,
      gsoSize: 1448,
      csumStart: 34,
      csumOffset: 16,
      buffers: 1,
    };
    writeVirtio(bytes, 2, header);
    expect(readVirtio(bytes, 2)).toEqual(header);
    expect([...bytes]).toEqual([0, 0, 1, 0x81, 66, 0, 0xa8, 5, 34, 0, 16, 0, 1, 0, 0, 0]);
    expect(isWireReady(bytes, 2)).toBe(false);
    writeVirtio(bytes, 2, { flags: 2 });
    expect(isWireReady(bytes, 2)).toBe(true);
  });
});
