import { describe, expect, it } from 'vitest';
import { dropsIn, Frame, limits, VNET_HEADER } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { randomFrom } from '../support/world.js';
import { Subject, types } from './subject.js';

const sizes = [0, 1, 2, 13, 14, 15, 17, 18, 20, 33, 34, 59, 60, 61, 1514, 1518, 1519, 9018, 65535, 65550];

/** A subject with all its hooks connected to the program, and each hook by which to send there. */
function connected(type: Subject['type']) {
  const one = new Subject(type);
  if (one.node === undefined) return undefined;
  for (const hook of one.hookNames()) one.connect(hook);
  return { one, hooks: one.me.node.hooks };
}

describe.each(types)('type %s', (_, type) => {
  it('survives frames of odd sizes, with anything in them', () => {
    const setting = connected(type);
    if (setting === undefined) return;
    const { one, hooks } = setting;
    const random = randomFrom(11);
    for (const size of sizes) {
      for (const hook of [...hooks]) {
        for (const top of [1, 256]) {
          const error = hook.send(new Frame(Uint8Array.from({ length: size }, () => random() * top)));
          expect(Number.isInteger(error)).toBe(true);
        }
      }
    }
    one.world.settle();
    one.world.clock.advance(5_000_000);
    one.world.settle();
    expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
    expect(one.world.graph.executor.depth).toBe(0);
    expect(one.node!.isValid).toBe(true);
    expect(faults(one.world)).toEqual([]);
  });

  it('survives frames whose offload header makes no sense', () => {
    const setting = connected(type);
    if (setting === undefined) return;
    const random = randomFrom(13);
    for (let round = 0; round < 100; round++) {
      for (const hook of [...setting.hooks]) {
        const size = Math.floor(random() * 100);
        const bytes = Uint8Array.from({ length: VNET_HEADER + size }, () => random() * (round % 2 ? 256 : 6));
        hook.send(new Frame(bytes, VNET_HEADER, size, true));
      }
    }
    expect(dropsIn(setting.one.world.vnets).handlerFailed).toBe(0);
    expect(faults(setting.one.world)).toEqual([]);
  });

  it('does not write to a frame that others see, and gives it back as it was', () => {
    const setting = connected(type);
    if (setting === undefined) return;
    const numbered = Uint8Array.from({ length: 60 }, (_, i) => i);
    const needsNothing = new Uint8Array(VNET_HEADER);
    const needsChecksum = Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0);
    for (const hook of [...setting.hooks]) {
      for (const header of [new Uint8Array(0), needsNothing, needsChecksum]) {
        const { length } = header;
        const bytes = Uint8Array.of(...header, ...numbered);
        const frame = new Frame(bytes.slice(), length, 60, length > 0);
        frame.shared = true;
        hook.send(frame);
        expect([...frame.bytes]).toEqual([...bytes]);
        expect([frame.shared, frame.offset, frame.length]).toEqual([true, length, 60]);
      }
    }
  });

  it('keeps no borrowed bytes: what it holds back is a copy', () => {
    const setting = connected(type);
    if (setting === undefined) return;
    const { one, hooks } = setting;
    const bytes = new Uint8Array(60).fill(0x61);
    for (const hook of [...hooks]) hook.send(new Frame(bytes));
    one.me.data.inbox.length = 0;
    bytes.fill(0xee);
    one.world.clock.advance(60_000_000);
    one.world.settle();
    for (const { bytes: later } of one.me.data.inbox) expect(later).not.toContain(0xee);
  });

  it('that is flooded while its queues are full survives, and the bound holds', () => {
    const setting = connected(type);
    if (setting === undefined) return;
    const { one, hooks } = setting;
    limits.maxData.set(one.world.vnet0, 10);
    one.node!.queued = true;
    for (let i = 0; i < 50; i++) for (const hook of [...hooks]) hook.send(new Frame(new Uint8Array(60)));
    expect(limits.maxData.count(one.world.vnet0)).toBeLessThanOrEqual(10);
    one.world.settle();
    expect(limits.maxData.count(one.world.vnet0)).toBe(0);
    expect(faults(one.world)).toEqual([]);
  });
});
