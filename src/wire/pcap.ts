/** The classic capture file of libpcap (pcap-savefile(5)): a header of 24 bytes, then records. */
export const PCAP_FILE_HEADER = 24;

/** Before the bytes of each frame. */
export const PCAP_RECORD_HEADER = 16;

/** LINKTYPE_ETHERNET. */
export const LINKTYPE_ETHERNET = 1;

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;

/** What libpcap takes as "everything". */
const WHOLE_FRAMES = 262_144;

export interface PcapRecord {
  /** Microseconds since 1970, UTC. */
  time: number;
  /** Where the captured bytes are in the file. */
  offset: number;
  /** Bytes captured. */
  length: number;
  /** Bytes that the frame had. */
  originalLength: number;
}

/** The first 24 bytes of a capture file, little endian, with microseconds. */
export function pcapFileHeader(linkType = LINKTYPE_ETHERNET, snapLength = WHOLE_FRAMES): Uint8Array {
  const header = new Uint8Array(PCAP_FILE_HEADER);
  const view = new DataView(header.buffer);
  view.setUint32(0, MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapLength, true);
  view.setUint32(20, linkType, true);
  return header;
}

/**
 * One record, header and bytes. `time` is in microseconds since 1970; `originalLength` is told when the frame was
 * cut short for the file.
 */
export function pcapRecord(
  time: number,
  bytes: Uint8Array,
  offset = 0,
  length: number = bytes.length - offset,
  originalLength = length,
): Uint8Array {
  const record = new Uint8Array(PCAP_RECORD_HEADER + length);
  const view = new DataView(record.buffer);
  view.setUint32(0, Math.floor(time / 1e6), true);
  view.setUint32(4, time % 1e6, true);
  view.setUint32(8, length, true);
  view.setUint32(12, originalLength, true);
  record.set(bytes.subarray(offset, offset + length), PCAP_RECORD_HEADER);
  return record;
}

/** A capture file in memory: classic pcap of either byte order, with micro- or nanoseconds. */
export class PcapFile {
  private constructor(
    private readonly view: DataView,
    private readonly littleEndian: boolean,
    /** Parts of a second's fraction in one microsecond: 1, or 1000 for nanoseconds. */
    private readonly perMicrosecond: number,
    /** LINKTYPE_ETHERNET or another number of tcpdump.org's list. */
    readonly linkType: number,
  ) {}

  /** The file, or undefined when it does not begin as a capture file does. */
  static parse(bytes: Uint8Array): PcapFile | undefined {
    if (bytes.length < PCAP_FILE_HEADER) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const littleEndian of [true, false]) {
      const magic = view.getUint32(0, littleEndian);
      if (magic !== MICROSECONDS && magic !== NANOSECONDS) continue;
      // The upper bits of the field tell about frame check sequences.
      const linkType = view.getUint32(20, littleEndian) & 0x0fff_ffff;
      return new PcapFile(view, littleEndian, magic === NANOSECONDS ? 1000 : 1, linkType);
    }
    return undefined;
  }

  /** The whole records in order. A last one that was not written to its end is left out. */
  *records(): Generator<PcapRecord> {
    const { view, littleEndian } = this;
    let at = PCAP_FILE_HEADER;
    while (at + PCAP_RECORD_HEADER <= view.byteLength) {
      const seconds = view.getUint32(at, littleEndian);
      const fraction = Math.floor(view.getUint32(at + 4, littleEndian) / this.perMicrosecond);
      const length = view.getUint32(at + 8, littleEndian);
      const offset = at + PCAP_RECORD_HEADER;
      if (offset + length > view.byteLength) return;
      const originalLength = view.getUint32(at + 12, littleEndian);
      yield { time: seconds * 1e6 + fraction, offset, length, originalLength };
      at = offset + length;
    }
  }
}
