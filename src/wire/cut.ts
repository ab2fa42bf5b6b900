import { putU16, putU32, u16, u32 } from './bytes.js';
import { add, checksum, fold } from './checksum.js';
import { Ipv4 } from './ipv4.js';
import type { Ipv6 } from './ipv6.js';
import { IPV6_FRAGMENT_HEADER, IPV6_HEADER, NextHeader } from './ipv6.js';
import type { Plan } from './plan.js';
import { TCP_CHECKSUM, TcpFlag } from './tcp.js';
import { UDP_CHECKSUM } from './udp.js';
import { clearVirtio, VIRTIO_HEADER, type VirtioHeader } from './virtio.js';

/** Receives a frame of `length` bytes at `offset`, which is valid until the call returns. */
export type Emit = (bytes: Uint8Array, offset: number, length: number) => void;

/**
 * Room to build frames in, one for each level of recursion: a receiver may well send on, and by that way cause
 * another frame to be cut while its own must stay valid.
 */
const scratches: Uint8Array[] = [];
let depth = 0;

function takeScratch(size: number): Uint8Array {
  let scratch = scratches[depth];
  if (scratch === undefined || scratch.length < size) {
    scratch = new Uint8Array(Math.max(size, 2048));
    scratches[depth] = scratch;
  }
  depth++;
  return scratch;
}

/** The data that one piece takes, and where it lies among the rest. */
interface Piece {
  /** 0 for the first. */
  index: number;
  /** Bytes of data in the pieces before. */
  done: number;
  /** Where the frame ends in the scratch. */
  end: number;
  last: boolean;
}

/** Where in the scratch the byte lies that is at `at` in the frame, for what stands before the data. */
const placed = (plan: Plan, at: number): number => at - plan.frame.offset + VIRTIO_HEADER;

function finishIpv4(out: Uint8Array, plan: Plan, ip: Ipv4, piece: Piece): void {
  const at = placed(plan, ip.offset);
  putU16(out, at + 2, piece.end - at);
  if (plan.kind === 'fragment') putU16(out, at + 6, (piece.done >>> 3) | (piece.last ? 0 : 0x2000));
  else putU16(out, at + 4, u16(out, at + 4) + piece.index);
  putU16(out, at + 10, 0);
  putU16(out, at + 10, checksum(out, at, ip.headerLength));
}

/**
 * The identification of the fragments of one datagram: a hash of its addresses and all it carries, so that it
 * needs no state and only equal datagrams are sure to share it. (The kernel draws a random number.)
 */
function identification(ip: Ipv6): number {
  let hash = 0x811c9dc5;
  for (let at = ip.sourceAddress; at < ip.end; at++) hash = Math.imul(hash ^ ip.bytes[at], 0x01000193);
  return hash >>> 0;
}

function finishIpv6(out: Uint8Array, plan: Plan, ip: Ipv6, piece: Piece, id: number): void {
  const at = placed(plan, ip.offset);
  putU16(out, at + 4, piece.end - at - IPV6_HEADER);
  if (plan.kind !== 'fragment') return;
  const fragment = placed(plan, plan.data);
  out[fragment] = ip.bytes[ip.fragmentableName];
  out[fragment + 1] = 0;
  putU16(out, fragment + 2, piece.done | (piece.last ? 0 : 1));
  putU32(out, fragment + 4, id);
  out[placed(plan, ip.fragmentableName)] = NextHeader.fragment;
}

function finishTcp(out: Uint8Array, plan: Plan, piece: Piece): void {
  const at = placed(plan, plan.ip.transport);
  putU32(out, at + 4, u32(out, at + 4) + piece.done);
  if (!piece.last) out[at + 13] &= ~(TcpFlag.fin | TcpFlag.psh);
  // RFC 3168, 6.1.2: the reduction of the window is announced once.
  if (piece.index > 0) out[at + 13] &= ~TcpFlag.cwr;
  const length = piece.end - at;
  putU16(out, at + TCP_CHECKSUM, 0);
  putU16(out, at + TCP_CHECKSUM, checksum(out, at, length, add(plan.seed, fold(length))));
}

function finishUdp(out: Uint8Array, plan: Plan, piece: Piece): void {
  const at = placed(plan, plan.ip.transport);
  const length = piece.end - at;
  putU16(out, at + 4, length);
  putU16(out, at + UDP_CHECKSUM, 0);
  // RFC 768: a computed zero goes out as ones, for zero means that there is no checksum.
  putU16(out, at + UDP_CHECKSUM, checksum(out, at, length, add(plan.seed, fold(length))) || 0xffff);
}

/** The checksum covers all fragments together, and lies in whichever has the UDP header: mostly the first. */
function finishFragment(out: Uint8Array, plan: Plan, piece: Piece, start: number): void {
  const field = plan.ip.transport + UDP_CHECKSUM - plan.data - piece.done;
  if (field >= 0 && start + field < piece.end) putU16(out, start + field, plan.seed);
}

function finish(out: Uint8Array, plan: Plan, piece: Piece, start: number, id: number): void {
  if (plan.ip instanceof Ipv4) finishIpv4(out, plan, plan.ip, piece);
  else finishIpv6(out, plan, plan.ip, piece, id);
  if (plan.kind === 'tcp') finishTcp(out, plan, piece);
  else if (plan.kind === 'udp') finishUdp(out, plan, piece);
  else finishFragment(out, plan, piece, start);
}

function emitEach(out: Uint8Array, plan: Plan, start: number, emit: Emit): void {
  const { bytes, offset, end } = plan.frame;
  const headers = bytes.subarray(offset, plan.data);
  const total = end - plan.data;
  const id = plan.kind === 'fragment' && !(plan.ip instanceof Ipv4) ? identification(plan.ip) : 0;
  for (let index = 0, done = 0; done < total; index++, done += plan.size) {
    const length = Math.min(plan.size, total - done);
    const from = plan.data + done;
    // The headers anew for each piece: the receiver of the last one was free to change them.
    clearVirtio(out, 0);
    out.set(headers, VIRTIO_HEADER);
    out.set(bytes.subarray(from, from + length), start);
    const piece = { index, done, end: start + length, last: done + length === total };
    finish(out, plan, piece, start, id);
    emit(out, VIRTIO_HEADER, piece.end - VIRTIO_HEADER);
  }
}

/** Builds and emits the pieces, one after the other in the same room. */
export function emitPieces(plan: Plan, emit: Emit): void {
  const inserted = plan.kind === 'fragment' && !(plan.ip instanceof Ipv4) ? IPV6_FRAGMENT_HEADER : 0;
  const start = placed(plan, plan.data) + inserted;
  const out = takeScratch(start + plan.size);
  try {
    emitEach(out, plan, start, emit);
  } finally {
    depth--;
  }
}

/**
 * skb_checksum_help, net/core/dev.c: the sum runs to the end of the frame, whatever the lengths in its headers
 * say, and zero goes out as ones for every protocol.
 */
function completeChecksum(bytes: Uint8Array, offset: number, length: number, header: VirtioHeader): void {
  const start = offset + header.csumStart;
  putU16(bytes, start + header.csumOffset, checksum(bytes, start, length - header.csumStart) || 0xffff);
}

/** Emits a frame that stays in one piece: in place, or from a copy with `keep`. `partial`: what to complete. */
export function emitWhole(
  bytes: Uint8Array,
  offset: number,
  length: number,
  partial: VirtioHeader | undefined,
  emit: Emit,
  keep: boolean,
): void {
  if (!keep) {
    if (partial !== undefined) completeChecksum(bytes, offset, length, partial);
    clearVirtio(bytes, offset - VIRTIO_HEADER);
    emit(bytes, offset, length);
    return;
  }
  const copy = takeScratch(VIRTIO_HEADER + length);
  try {
    copy.set(bytes.subarray(offset, offset + length), VIRTIO_HEADER);
    emitWhole(copy, VIRTIO_HEADER, length, partial, emit, false);
  } finally {
    depth--;
  }
}
