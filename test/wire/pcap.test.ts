import { describe, expect, it } from 'vitest';
import { PcapFile, pcapFileHeader, pcapRecord } from '../../src/wire/pcap.js';

const frame = Uint8Array.from({ length: 60 }, (_, index) => index);
const time = 1_763_600_000_123_456;

const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('pcap', () => {
  it('writes what tcpdump writes', () => {
    const header = 'd4c3b2a10200040000000000000000000000040001000000';
    expect(Buffer.from(pcapFileHeader()).toString('hex')).toBe(header);
    const record = pcapRecord(time, frame, 10, 4, 60);
    expect(Buffer.from(record).toString('hex')).toBe('80661e6940e20100040000003c0000000a0b0c0d');
  });

  it('reads back what it wrote', () => {
    const file = join(pcapFileHeader(), pcapRecord(time, frame), pcapRecord(time + 1, frame, 4, 20, 60));
    const parsed = PcapFile.parse(file)!;
    expect(parsed.linkType).toBe(1);
    expect([...parsed.records()]).toEqual([
      { time, offset: 40, length: 60, originalLength: 60 },
      { time: time + 1, offset: 116, length: 20, originalLength: 60 },
    ]);
  });

  it('reads the other byte order, and nanoseconds', () => {
    const bytes = new Uint8Array(24 + 16);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0xa1b23c4d);
    view.setUint32(20, 113);
    view.setUint32(24, 7);
    view.setUint32(28, 123_456_789);
    const parsed = PcapFile.parse(bytes)!;
    expect(parsed.linkType).toBe(113);
    expect([...parsed.records()]).toEqual([{ time: 7_123_456, offset: 40, length: 0, originalLength: 0 }]);
  });

  it('leaves out a record that was cut off, and knows no other files', () => {
    const file = join(pcapFileHeader(), pcapRecord(time, frame), pcapRecord(time, frame));
    for (const lost of [1, 60, 61, 75]) {
      expect([...PcapFile.parse(file.slice(0, -lost))!.records()].length).toBe(1);
    }
    expect(PcapFile.parse(file.slice(0, 23))).toBeUndefined();
    expect(PcapFile.parse(new Uint8Array(100))).toBeUndefined();
  });
});
