/**
 * struct virtio_net_hdr_mrg_rxbuf (linux/virtio_net.h), which stands before each frame of a TAP opened with
 * IFF_VNET_HDR: what is left to do to the frame before it may go on a wire. Little endian, as are the machines
 * that we run on (TUN uses the byte order of the machine unless told otherwise).
 */
export const VIRTIO_HEADER = 12;

export const VirtioFlag = {
  /** The checksum at csumStart + csumOffset holds the sum of the pseudo header only. */
  needsChecksum: 1,
  /** The checksum was found good. */
  dataValid: 2,
} as const;

export const Gso = {
  none: 0,
  tcp4: 1,
  /** UDP fragmentation offload: one datagram to be cut into IP fragments. */
  udpFragment: 3,
  tcp6: 4,
  /** UDP segmentation offload: several datagrams behind one header. */
  udpSegment: 5,
  /** A bit beside the type: the segment has CWR set, which only the first piece may have. */
  ecn: 0x80,
} as const;

/** The header as plain values. */
export interface VirtioHeader {
  /** Bits of VirtioFlag. */
  flags: number;
  /** One of Gso, perhaps with Gso.ecn. */
  gsoType: number;
  /** A hint: bytes of all headers. The kernel does not rely on it, and neither may we. */
  headerLength: number;
  /** Payload bytes of each piece. */
  gsoSize: number;
  /** Where the checksummed bytes begin, from the start of the frame. */
  csumStart: number;
  /** Where the checksum field is, from csumStart. */
  csumOffset: number;
  /** Buffers that the frame takes: 1 or 0 on a TAP. */
  buffers: number;
}

const le16 = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);

function putLe16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Reads the header at `at`, which must lie inside `bytes`. */
export const readVirtio = (bytes: Uint8Array, at: number): VirtioHeader => ({
  flags: bytes[at],
  gsoType: bytes[at + 1],
  headerLength: le16(bytes, at + 2),
  gsoSize: le16(bytes, at + 4),
  csumStart: le16(bytes, at + 6),
  csumOffset: le16(bytes, at + 8),
  buffers: le16(bytes, at + 10),
});

/** Writes the header at `at`; what is left out is zero. */
export function writeVirtio(bytes: Uint8Array, at: number, header: Partial<VirtioHeader>): void {
  bytes[at] = header.flags ?? 0;
  bytes[at + 1] = header.gsoType ?? Gso.none;
  putLe16(bytes, at + 2, header.headerLength ?? 0);
  putLe16(bytes, at + 4, header.gsoSize ?? 0);
  putLe16(bytes, at + 6, header.csumStart ?? 0);
  putLe16(bytes, at + 8, header.csumOffset ?? 0);
  putLe16(bytes, at + 10, header.buffers ?? 0);
}

/** Makes the header say that the frame behind it is as on a wire. */
export function clearVirtio(bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + VIRTIO_HEADER);
}

/** True when the frame behind the header is as on a wire: no checksum to complete and nothing to cut. */
export const isWireReady = (bytes: Uint8Array, at: number): boolean =>
  (bytes[at] & VirtioFlag.needsChecksum) === 0 && bytes[at + 1] === Gso.none;
