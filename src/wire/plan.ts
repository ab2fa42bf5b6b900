import { u16 } from './bytes.js';
import { add, fold, pseudoHeader4, pseudoHeader6, subtract, sum } from './checksum.js';
import { type Ethernet, EtherType } from './ethernet.js';
import { Ipv4, Protocol } from './ipv4.js';
import { Ipv6 } from './ipv6.js';
import { TCP_CHECKSUM, Tcp } from './tcp.js';
import { UDP_CHECKSUM, UDP_HEADER, Udp } from './udp.js';
import { Gso, type VirtioHeader } from './virtio.js';
import { networkOffset } from './vlan.js';

/** How a segment is shared out: each piece is the headers of the frame and a run of its data. */
export interface Plan {
  /** Pieces of `tcp` and `udp` are packets of their own; those of `fragment` are IP fragments of one. */
  readonly kind: 'tcp' | 'udp' | 'fragment';
  readonly frame: Ethernet;
  readonly ip: Ipv4 | Ipv6;
  /** Where the headers end and the data begins; the data of fragments includes the UDP header. */
  readonly data: number;
  /** Bytes of data in each piece but the last. */
  readonly size: number;
  /**
   * For packets the sum of the pseudo header without the length, which is each piece's own;
   * for fragments the UDP checksum of the whole datagram.
   */
  readonly seed: number;
}

/** A plan, or `whole` when the data fits in one piece, or `malformed` when header and frame disagree. */
export type Planned = Plan | 'whole' | 'malformed';

/** UDP_MAX_SEGMENTS of linux/udp.h. */
const MOST_DATAGRAMS = 128;

/** GSO_BY_FRAGS of linux/skbuff.h, which the kernel refuses in a header as well. */
const BY_FRAGS = 0xffff;

/** What the offset of a fragment can still reach. */
const LONGEST_DATAGRAM = 0xffff;

function parseIp(frame: Ethernet): Ipv4 | Ipv6 | undefined {
  const network = networkOffset(frame);
  if (network < 0) return undefined;
  const etherType = u16(frame.bytes, network - 2);
  if (etherType === EtherType.ipv4) return Ipv4.parse(frame.bytes, network, frame.end);
  return etherType === EtherType.ipv6 ? Ipv6.parse(frame.bytes, network, frame.end) : undefined;
}

function pseudoHeader(ip: Ipv4 | Ipv6, length: number): number {
  const make = ip instanceof Ipv4 ? pseudoHeader4 : pseudoHeader6;
  return make(ip.bytes, ip.sourceAddress, ip.protocol, length);
}

/** Whether a partial checksum is that of the transport header: only then can it be made for each piece. */
const isTransportChecksum = (
  frame: Ethernet,
  ip: Ipv4 | Ipv6,
  header: VirtioHeader,
  field: number,
): boolean => header.csumStart === ip.transport - frame.offset && header.csumOffset === field;

/**
 * tcp_gso_segment, net/ipv4/tcp_offload.c. The sender's partial sum is kept rather than made anew: it knows
 * better which address counts when there is a routing header.
 */
function planTcp(frame: Ethernet, ip: Ipv4 | Ipv6, header: VirtioHeader, partial: boolean): Planned {
  const tcp = Tcp.parse(frame.bytes, ip.transport, frame.end);
  if (tcp === undefined || ip.protocol !== Protocol.tcp) return 'malformed';
  if (partial && !isTransportChecksum(frame, ip, header, TCP_CHECKSUM)) return 'malformed';
  if (frame.end - tcp.payload <= header.gsoSize) return 'whole';
  const seed = partial ? subtract(tcp.checksum, fold(frame.end - ip.transport)) : pseudoHeader(ip, 0);
  return { kind: 'tcp', frame, ip, data: tcp.payload, size: header.gsoSize, seed };
}

/** __udp_gso_segment, net/ipv4/udp_offload.c. */
function planUdp(frame: Ethernet, ip: Ipv4 | Ipv6, header: VirtioHeader, partial: boolean): Planned {
  const udp = Udp.parse(frame.bytes, ip.transport, frame.end);
  if (udp === undefined || ip.protocol !== Protocol.udp) return 'malformed';
  if (!partial || !isTransportChecksum(frame, ip, header, UDP_CHECKSUM)) return 'malformed';
  const data = ip.transport + UDP_HEADER;
  if (frame.end - data <= header.gsoSize) return 'whole';
  if (frame.end - data > header.gsoSize * MOST_DATAGRAMS) return 'malformed';
  const seed = subtract(udp.checksum, udp.length);
  return { kind: 'udp', frame, ip, data, size: header.gsoSize, seed };
}

/**
 * udp4_ufo_fragment and udp6_ufo_fragment. All fragments but the last are a multiple of 8 bytes (RFC 791): a size
 * that is not is rounded down, where the kernel would send fragments that do not fit together. Over IPv6 the offset
 * counts from the fragmentable part on (RFC 8200, 4.5), where the kernel's own fragments count extension headers before
 * it, too; our TAPs never ask for such datagrams (TUN_F_UFO), so the two do not meet.
 */
function planFragments(frame: Ethernet, ip: Ipv4 | Ipv6, header: VirtioHeader): Planned {
  const udp = Udp.parse(frame.bytes, ip.transport, frame.end);
  const size = header.gsoSize & ~7;
  if (udp === undefined || ip.protocol !== Protocol.udp || size === 0) return 'malformed';
  const length = frame.end - ip.transport;
  if (length <= header.gsoSize) return 'whole';
  if (length > LONGEST_DATAGRAM) return 'malformed';
  const covered = subtract(sum(frame.bytes, ip.transport, length), udp.checksum);
  const seed = ~add(covered, pseudoHeader(ip, length)) & 0xffff || 0xffff;
  const data = ip instanceof Ipv4 ? ip.transport : ip.fragmentable;
  return { kind: 'fragment', frame, ip, data, size, seed };
}

/** What the offload header asks to be made of the frame. `partial`: its checksum is still to be completed. */
export function planPieces(frame: Ethernet, header: VirtioHeader, partial: boolean): Planned {
  const ip = parseIp(frame);
  if (ip === undefined || header.gsoSize === 0 || header.gsoSize === BY_FRAGS) return 'malformed';
  switch (header.gsoType) {
    case Gso.tcp4:
    case Gso.tcp4 | Gso.ecn:
      return ip instanceof Ipv4 ? planTcp(frame, ip, header, partial) : 'malformed';
    case Gso.tcp6:
    case Gso.tcp6 | Gso.ecn:
      return ip instanceof Ipv6 ? planTcp(frame, ip, header, partial) : 'malformed';
    case Gso.udpSegment:
      return planUdp(frame, ip, header, partial);
    case Gso.udpFragment:
      return planFragments(frame, ip, header);
    default:
      return 'malformed';
  }
}
