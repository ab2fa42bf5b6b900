import { expect, it } from 'vitest';
import { add, checksum, pseudoHeader4, putU16 } from '../../src/wire/index.js';
import { until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';
import { exchangeTcp, exchangeUdp } from './endpoint.js';
import { ADDRESSES, FAMILIES, type Lab, type Side, sharedLab, TOPOLOGIES, WAYS } from './lab.js';
import { checkOnWire } from './on-the-wire.js';

const MIB = 1 << 20;
const MTU = 1500;
const LARGEST = MTU + 14;
const [COLLAPSED, HUB_AND_TEE] = Object.values(TOPOLOGIES);

/** UDP and TCP over both families, from either side. UDP first: a watcher may lose frames once TCP floods it. */
async function exchangeAll(lab: Lab, octets: number): Promise<void> {
  for (const [from, to] of WAYS)
    for (const family of FAMILIES)
      await exchangeUdp(lab[from], lab[to], ADDRESSES[to][family], [1, 17, 1024, 1400, 20_000]);
  for (const [from, to] of WAYS)
    for (const family of FAMILIES) await exchangeTcp(lab[from], lab[to], ADDRESSES[to][family], octets);
}

/** Lets large segments and partial checksums pass an interface, or not. */
async function setOffloads(lab: Lab, side: Side, on: boolean): Promise<void> {
  await lab.clients[side].msg('ngeth0:', 'setoffload', on ? '1' : '0');
  expect(await lab.clients[side].msg('ngeth0:', 'getoffload')).toBe(on ? '1' : '0');
}

/** What a program on a hook of the hub sees. */
interface Sighting {
  /** How many frames of which kind. */
  kinds: Record<string, number>;
  /** What could not have been on a wire. */
  faults: string[];
  largest: number;
}

/** A program with a data socket on the hub, while `work` is done. */
async function watching(lab: Lab, work: () => Promise<unknown>): Promise<Sighting> {
  const watcher = await lab.box.client({ name: 'watcher' });
  const seen: Sighting = { kinds: {}, faults: [], largest: 0 };
  await watcher.connectNodes('.', 'lan:', 'watch', 'watch');
  const reading = (async () => {
    for await (const { data } of watcher.frames()) {
      seen.largest = Math.max(seen.largest, data.length);
      try {
        const kind = checkOnWire(data, MTU);
        seen.kinds[kind] = (seen.kinds[kind] ?? 0) + 1;
      } catch (error) {
        seen.faults.push((error as Error).message);
      }
    }
  })();
  await work();
  await watcher.close();
  await reading;
  return seen;
}

/** It saw a lot, and all of it was right. */
function expectOnWire({ kinds, faults, largest }: Sighting): void {
  expect(faults).toEqual([]);
  expect(largest).toBe(LARGEST);
  for (const version of [4, 6]) {
    expect(kinds[`tcp${version}`]).toBeGreaterThan(1000);
    expect(kinds[`udp${version}`]).toBeGreaterThanOrEqual(4 * 4);
    expect(kinds[`fragment${version}`]).toBeGreaterThanOrEqual(4 * 14);
  }
}

/** A datagram from left to right, for the port that the endpoints serve. */
function datagram(destination: Uint8Array, spoil: number): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + 100).fill(0x5a);
  frame.set([...destination, 2, 0, 0, 0, 0, 9, 8, 0]);
  frame.set([0x45, 0, 0, 128, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2], 14);
  putU16(frame, 24, checksum(frame, 14, 20));
  frame.set([0x30, 0x39, 0x13, 0x89, 0, 108, 0, 0], 34);
  putU16(frame, 40, add(checksum(frame, 34, 108, pseudoHeader4(frame, 26, 17, 108)), spoil));
  return frame;
}

describeReal('an eiface without offloads', () => {
  const t = sharedLab(COLLAPSED);

  for (const [plain, other] of WAYS) {
    it(`on the ${plain} only gets no frame larger than the MTU, and payloads arrive unharmed both ways`, async () => {
      const { lab } = t;
      await setOffloads(lab, plain, false);
      const count = await lab.longer(plain, LARGEST, () => exchangeAll(lab, 4 * MIB));
      expect(count).toBe(0);
      const stats = await lab.statsOf(plain, () =>
        exchangeTcp(lab[other], lab[plain], ADDRESSES[plain].IPv4, MIB),
      );
      expect(stats.txFrames).toBeGreaterThan(MIB / MTU);
      expect(stats.dropInvalid + stats.dropNoBuffer).toBe(0);
      await setOffloads(lab, plain, true);
    });
  }

  it('on both sides leaves every checksum to be verified by the receiving kernel, which finds none wrong', async () => {
    const { lab } = t;
    for (const side of ['left', 'right'] as const) await setOffloads(lab, side, false);
    await exchangeAll(lab, MIB);
    for (const side of ['left', 'right'] as const) await lab[side].expectNoDamage();
  });

  it('gets large segments again when they are switched on again', async () => {
    const { lab } = t;
    for (const side of ['left', 'right'] as const) await setOffloads(lab, side, true);
    for (const [from, to] of WAYS) {
      const exchange = () => exchangeTcp(lab[from], lab[to], ADDRESSES[to].IPv4, 16 * MIB);
      expect(await lab.longer(to, 60_000, exchange)).toBeGreaterThan(0);
    }
  });
});

const DAEMONS = { 'a daemon': '', 'a daemon that poisons frames after their batch': 'NETGRAPH_DEBUG=1' };

for (const [daemon, environment] of Object.entries(DAEMONS)) {
  describeReal(`a data socket on a hub, with ${daemon}`, () => {
    const t = sharedLab(HUB_AND_TEE, environment);

    it('sees only frames as on a wire, while large segments pass the hub', async () => {
      const { lab } = t;
      let large = 0;
      const seen = await watching(lab, async () => {
        large = await lab.longer('right', LARGEST, () => exchangeAll(lab, 4 * MIB));
      });
      expectOnWire(seen);
      expect(large).toBeGreaterThan(0);
    });

    it('does not change what others on the hub get, whose offloads are off or on', async () => {
      const { lab } = t;
      await setOffloads(lab, 'left', false);
      const seen = await watching(lab, async () => {
        expect(await lab.longer('left', LARGEST, () => exchangeAll(lab, 2 * MIB))).toBe(0);
      });
      expectOnWire(seen);
      await setOffloads(lab, 'left', true);
      for (const side of ['left', 'right'] as const) await lab[side].expectNoDamage();
    });

    it('sends frames whose checksums the receiving kernel verifies', async () => {
      const { box, right } = t.lab;
      const program = await box.client();
      await program.connectNodes('.', 'lan:', 'out', 'program');
      const address = (await box.sh('ip netns exec right cat /sys/class/net/ngeth0/address')).trim();
      const mac = Uint8Array.from(address.split(':'), (digits) => Number.parseInt(digits, 16));
      const before = await right.counters();
      const grown = async (name: string) => (await right.counters())[name] - before[name];
      await program.sendData('out', datagram(mac, 0));
      await program.sendData('out', datagram(mac, 1));
      await until(async () => (await grown('UdpInDatagrams')) + (await grown('UdpInErrors')) === 2);
      expect([await grown('UdpInDatagrams'), await grown('UdpInCsumErrors')]).toEqual([1, 1]);
      await program.close();
    });

    if (environment !== '')
      it('is what NETGRAPH_DEBUG makes of it', async () => {
        const { pid } = await t.lab.box.status();
        expect(await t.lab.box.sh(`tr '\\0' '\\n' </proc/${pid}/environ | grep ^NETGRAPH_DEBUG`)).toBe(
          `${environment}\n`,
        );
      });
  });
}
