import { within } from './bytes.js';
import { type Emit, emitPieces, emitWhole } from './cut.js';
import { ETHERNET_HEADER, Ethernet } from './ethernet.js';
import { planPieces } from './plan.js';
import { Gso, isWireReady, readVirtio, VIRTIO_HEADER, VirtioFlag, type VirtioHeader } from './virtio.js';

export type { Emit } from './cut.js';

/**
 * What became of a frame:
 * - `whole`: emitted as one frame;
 * - `cut`: emitted as several;
 * - `malformed`: the offload header asks for what the frame does not allow. Nothing was emitted or changed.
 */
export type Segmented = 'whole' | 'cut' | 'malformed';

/** No IP header is shorter, so no checksum starts earlier (virtio_net_hdr_to_skb, linux/virtio_net.h). */
const EARLIEST_CHECKSUM = 20;

const checksumFits = (header: VirtioHeader, length: number): boolean =>
  header.csumStart >= EARLIEST_CHECKSUM && header.csumStart + header.csumOffset + 2 <= length;

/**
 * Gives a frame as it would be on a wire, as the Linux kernel's software offload does: completes a partial
 * checksum, cuts a TCP or UDP segment to size, fragments a UDP datagram.
 *
 * `offset` and `length` (bytes) delimit the Ethernet frame; the VIRTIO_HEADER bytes before `offset` say what is
 * to be done. `emit` is called synchronously, in wire order. What it gets is borrowed, valid until it returns.
 * VIRTIO_HEADER bytes that ask for nothing stand before every emitted frame, so it can go to a TAP as it is.
 *
 * Who owns the bytes: unless `keep` is set they are the caller's to change. A checksum is then completed in
 * place, the header cleared, and the same bytes emitted. With `keep` (others see the bytes too) they are never
 * written to, and that one frame is copied. A frame that needs nothing is emitted as it lies, and one that is cut
 * is only read, either way. So `emit` may write to what it gets, unless it is `bytes` itself and kept.
 */
export function segment(
  bytes: Uint8Array,
  offset: number,
  length: number,
  emit: Emit,
  keep = false,
): Segmented {
  const at = offset - VIRTIO_HEADER;
  if (length < ETHERNET_HEADER || !within(bytes, at, length + VIRTIO_HEADER)) return 'malformed';
  if (isWireReady(bytes, at)) {
    emit(bytes, offset, length);
    return 'whole';
  }
  const header = readVirtio(bytes, at);
  const partial = (header.flags & VirtioFlag.needsChecksum) !== 0;
  if (header.headerLength > length || (partial && !checksumFits(header, length))) return 'malformed';
  if (header.gsoType !== Gso.none) {
    const frame = Ethernet.parse(bytes, offset, length);
    const plan = frame === undefined ? 'malformed' : planPieces(frame, header, partial);
    if (plan === 'malformed') return plan;
    if (plan !== 'whole') {
      emitPieces(plan, emit);
      return 'cut';
    }
  }
  emitWhole(bytes, offset, length, partial ? header : undefined, emit, keep);
  return 'whole';
}
