import { release } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeReal } from '../support/sandbox.js';
import { exchangeTcp, exchangeUdp } from './endpoint.js';
import { ADDRESSES, FAMILIES, type Stats, sharedLab, TOPOLOGIES, WAYS } from './lab.js';

const MIB = 1 << 20;
const ETHERNET = 14;
const FRAGMENTED = [20_000, 20_001, 65_000];

/** TAPs give large UDP segments since Linux 6.2. */
const [major, minor] = release().split('.').map(Number);
const udpSegments = major > 6 || (major === 6 && minor >= 2);

/** Had all frames that were sent fitted the MTU, there would not have been room for the octets. */
function expectLargerThan(mtu: number, { rxFrames, rxOctets }: Stats): void {
  expect(rxFrames).toBeGreaterThan(0);
  expect(rxOctets).toBeGreaterThan(rxFrames * (mtu + ETHERNET));
}

for (const [through, graph] of Object.entries(TOPOLOGIES)) {
  describeReal(`traffic through ${through}`, () => {
    const t = sharedLab(graph);

    for (const mtu of [1500, 9000]) {
      describe(`with an MTU of ${mtu}`, () => {
        beforeAll(() => t.lab.setMtu(mtu));

        for (const family of FAMILIES) {
          it(`carries TCP over ${family} both ways at once, byte for byte, in frames larger than the MTU`, async () => {
            const { left, right } = t.lab;
            const stats = await t.lab.statsOf('left', () =>
              exchangeTcp(left, right, ADDRESSES.right[family], 24 * MIB),
            );
            expectLargerThan(mtu, stats);
            expect(stats).toMatchObject({ dropDown: 0, dropNoBuffer: 0, dropGone: 0, dropInvalid: 0 });
            await exchangeTcp(right, left, ADDRESSES.left[family], MIB);
          });

          it(`carries UDP over ${family} datagram for datagram, of any size that fits a frame`, async () => {
            const sizes = [1, 2, 3, 17, 18, 19, 511, 1024, mtu - 69, mtu - 49, mtu - 48];
            for (const [from, to] of WAYS) {
              const seen = await exchangeUdp(t.lab[from], t.lab[to], ADDRESSES[to][family], sizes);
              expect(seen.reads).toBe(sizes.length);
            }
          });

          it(`carries UDP of 20,000 octets and more over ${family} in fragments`, async () => {
            const name = family === 'IPv4' ? 'Ip' : 'Ip6';
            const before = await t.lab.right.counters();
            for (const [from, to] of WAYS) {
              const seen = await exchangeUdp(t.lab[from], t.lab[to], ADDRESSES[to][family], FRAGMENTED);
              expect(seen.reads).toBe(FRAGMENTED.length);
            }
            const after = await t.lab.right.counters();
            const grown = (what: string) => after[`${name}${what}`] - before[`${name}${what}`];
            // What was sent there, and what was answered.
            expect(grown('ReasmOKs')).toBe(2 * FRAGMENTED.length);
            expect(grown('ReasmReqds')).toBeGreaterThan(210_000 / mtu);
            expect(grown('FragOKs')).toBe(2 * FRAGMENTED.length);
          });

          it.skipIf(!udpSegments)(`carries UDP segments of 56,000 octets over ${family} whole`, async () => {
            const segment = mtu - 100;
            const sizes = [56_000, 56_000, 56_000];
            for (const [from, to] of WAYS) {
              const stats = await t.lab.statsOf(from, async () => {
                const seen = await exchangeUdp(t.lab[from], t.lab[to], ADDRESSES[to][family], sizes, segment);
                expect(seen.reads).toBe(3 * Math.ceil(56_000 / segment));
              });
              expectLargerThan(mtu, stats);
            }
          });
        }

        it('arrives undamaged by the count of the network stacks', async () => {
          for (const side of ['left', 'right'] as const) {
            const { TcpInSegs, UdpInDatagrams, Udp6InDatagrams } = await t.lab[side].expectNoDamage();
            expect(TcpInSegs).toBeGreaterThan(100);
            expect(UdpInDatagrams).toBeGreaterThan(10);
            expect(Udp6InDatagrams).toBeGreaterThan(10);
          }
        });
      });
    }
  });
}
