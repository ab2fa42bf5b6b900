import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Frame } from '../../src/netgraph/index.js';
import { describeFrames, ip, ipJson, quiet, until } from '../linux/root.js';
import { buildFrame } from '../wire/frames.js';
import { frame } from './frame.js';
import { byteMutation, ROUNDS, SEED, TIMEOUT } from './support.js';

/** Segments of one TCP stream, which would be merged if it were not for what is changed in some of them. */
const stream = fc
  .record({
    version: fc.constantFrom<4 | 6>(4, 6),
    size: fc.integer({ min: 1, max: 1448 }),
    sequence: fc.nat(0xffff_ffff),
    changes: fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, byteMutation), {
      minLength: 2,
      maxLength: 70,
    }),
  })
  .map(({ version, size, sequence, changes }) =>
    changes.map((change, i) => {
      const { bytes } = buildFrame({
        version,
        protocol: 'tcp',
        flags: 0x10,
        payload: new Uint8Array(size).fill(i),
        sequence: (sequence + i * size) >>> 0,
        identification: i,
      });
      return new Frame(change?.(bytes) ?? Uint8Array.from(bytes));
    }),
  );

const burst = fc
  .array(fc.oneof(stream, fc.array(frame, { maxLength: 20 })), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.flat());

describeFrames('an interface', (t) => {
  it('is written any frames with any offload headers, of which each is counted', {
    timeout: TIMEOUT,
  }, async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const device = host.createEthernet(vnet, 'e0', quiet);
    const netns = t.box.netnsOf(vnet).name;
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    await until(() => device.up);
    const inputs = fc.tuple(burst, fc.boolean());
    let sent = 0;
    for (const [frames, offloads] of fc.sample(inputs, { seed: SEED, numRuns: 150 * ROUNDS })) {
      device.setOffloads(offloads);
      for (const one of frames) {
        sent++;
        device.transmit(one);
      }
      host.flush();
    }
    const { txFrames, dropDown, dropNoBuffer, dropGone, dropInvalid } = device.counters;
    expect([dropDown, dropGone]).toEqual([0, 0]);
    expect(txFrames + dropNoBuffer + dropInvalid).toBe(sent);
    expect(Math.min(txFrames, dropInvalid)).toBeGreaterThan(sent / 50);
    // Some were merged.
    const [link] = ipJson('-s', '-n', netns, 'link', 'show', 'e0');
    expect((link as { stats64: { rx: { packets: number } } }).stats64.rx.packets).toBeLessThan(txFrames);
  });
});
