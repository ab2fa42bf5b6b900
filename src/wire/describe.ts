import { Arp, ArpOperation } from './arp.js';
import { u16 } from './bytes.js';
import { ETHERNET_HEADER, Ethernet, EtherType, formatMac, SMALLEST_ETHERTYPE } from './ethernet.js';
import { ICMP_HEADER, Icmp6Type, IcmpType, icmp6TypeName, icmpTypeName } from './icmp.js';
import { formatIpv4, Ipv4, Protocol } from './ipv4.js';
import { formatIpv6, Ipv6, NextHeader } from './ipv6.js';
import { Tcp, TcpFlag } from './tcp.js';
import { UDP_HEADER, Udp } from './udp.js';
import { VLAN_TAG, vlanTags } from './vlan.js';

const etherTypeNames: Record<number, string> = {
  [EtherType.ipv4]: 'IPv4',
  [EtherType.arp]: 'ARP',
  [EtherType.vlan]: '802.1Q',
  [EtherType.ipv6]: 'IPv6',
  [EtherType.pppoeDiscovery]: 'PPPoE D',
  [EtherType.pppoeSession]: 'PPPoE S',
  [EtherType.serviceVlan]: '802.1Q-QinQ',
  [EtherType.lldp]: 'LLDP',
};

const protocolNames: Record<number, string> = {
  2: 'igmp',
  4: 'IPIP',
  41: 'ip6',
  44: 'frag',
  47: 'gre',
  50: 'ESP',
  51: 'AH',
  59: 'no next header',
  89: 'OSPF',
  112: 'VRRP',
  132: 'sctp',
};

/** What tcpdump writes for each flag, in its order. */
const flagLetters: readonly (readonly [number, string])[] = [
  [TcpFlag.fin, 'F'],
  [TcpFlag.syn, 'S'],
  [TcpFlag.rst, 'R'],
  [TcpFlag.psh, 'P'],
  [TcpFlag.ack, '.'],
  [TcpFlag.urg, 'U'],
  [TcpFlag.ece, 'E'],
  [TcpFlag.cwr, 'W'],
];

/** The transport of a packet: the same for both versions of IP. */
interface Transport {
  bytes: Uint8Array;
  offset: number;
  end: number;
  protocol: number;
  source: string;
  destination: string;
}

function etherTypeText(etherType: number): string {
  if (etherType < SMALLEST_ETHERTYPE) return '802.3';
  const name = etherTypeNames[etherType] ?? 'Unknown';
  return `ethertype ${name} (0x${etherType.toString(16).padStart(4, '0')})`;
}

function arpText(bytes: Uint8Array, offset: number, end: number): string {
  const arp = Arp.parse(bytes, offset, end);
  if (arp === undefined) return `ARP, length ${end - offset}`;
  const sender = formatIpv4(bytes, arp.senderAddress);
  const target = formatIpv4(bytes, arp.targetAddress);
  const length = `length ${end - offset}`;
  if (arp.operation === ArpOperation.request) return `Request who-has ${target} tell ${sender}, ${length}`;
  if (arp.operation !== ArpOperation.reply) return `ARP operation ${arp.operation}, ${length}`;
  return `Reply ${sender} is-at ${formatMac(arp.senderMac)}, ${length}`;
}

function flagsText(flags: number): string {
  const letters = flagLetters.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter);
  return letters.length === 0 ? 'none' : letters.join('');
}

function tcpText({ bytes, offset, end, source, destination }: Transport): string {
  const tcp = Tcp.parse(bytes, offset, end);
  if (tcp === undefined) return `${source} > ${destination}: TCP, truncated`;
  const { sequence, flags } = tcp;
  const length = end - tcp.payload;
  const parts = [`Flags [${flagsText(flags)}]`];
  const opening = (flags & (TcpFlag.syn | TcpFlag.fin | TcpFlag.rst)) !== 0;
  if (length > 0) parts.push(`seq ${sequence}:${(sequence + length) % 2 ** 32}`);
  else if (opening) parts.push(`seq ${sequence}`);
  if ((flags & TcpFlag.ack) !== 0) parts.push(`ack ${tcp.acknowledgment}`);
  parts.push(`win ${tcp.window}`, `length ${length}`);
  return `${source}.${tcp.sourcePort} > ${destination}.${tcp.destinationPort}: ${parts.join(', ')}`;
}

function udpText({ bytes, offset, end, source, destination }: Transport): string {
  const udp = Udp.parse(bytes, offset, end);
  if (udp === undefined) return `${source} > ${destination}: UDP, truncated`;
  const length = end - offset - UDP_HEADER;
  return `${source}.${udp.sourcePort} > ${destination}.${udp.destinationPort}: UDP, length ${length}`;
}

const echoText = (bytes: Uint8Array, offset: number): string =>
  `, id ${u16(bytes, offset + 4)}, seq ${u16(bytes, offset + 6)}`;

function icmpText({ bytes, offset, end, source, destination }: Transport): string {
  const start = `${source} > ${destination}: ICMP`;
  if (offset + ICMP_HEADER > end) return `${start}, truncated`;
  const type = bytes[offset];
  const isEcho = type === IcmpType.echo || type === IcmpType.echoReply;
  const detail = isEcho ? echoText(bytes, offset) : '';
  return `${start} ${icmpTypeName(type)}${detail}, length ${end - offset}`;
}

function icmp6Detail(bytes: Uint8Array, offset: number, end: number): string {
  const type = bytes[offset];
  if (type === Icmp6Type.echo || type === Icmp6Type.echoReply) return echoText(bytes, offset);
  if (offset + 24 > end) return '';
  if (type === Icmp6Type.neighborSolicitation) return `, who has ${formatIpv6(bytes, offset + 8)}`;
  return type === Icmp6Type.neighborAdvertisement ? `, tgt is ${formatIpv6(bytes, offset + 8)}` : '';
}

function icmp6Text({ bytes, offset, end, source, destination }: Transport): string {
  const start = `${source} > ${destination}: ICMP6`;
  if (offset + ICMP_HEADER > end) return `${start}, truncated`;
  const detail = icmp6Detail(bytes, offset, end);
  return `${start}, ${icmp6TypeName(bytes[offset])}${detail}, length ${end - offset}`;
}

function transportText(transport: Transport): string {
  const { protocol, offset, end, source, destination } = transport;
  if (protocol === Protocol.tcp) return tcpText(transport);
  if (protocol === Protocol.udp) return udpText(transport);
  if (protocol === Protocol.icmp) return icmpText(transport);
  if (protocol === Protocol.icmpv6) return icmp6Text(transport);
  const name = protocolNames[protocol] ?? `ip-proto-${protocol}`;
  return `${source} > ${destination}: ${name}, length ${end - offset}`;
}

function ipv4Text(bytes: Uint8Array, offset: number, frameEnd: number): string {
  const ip = Ipv4.parse(bytes, offset, frameEnd);
  if (ip === undefined) return `IPv4, malformed, length ${frameEnd - offset}`;
  const source = formatIpv4(bytes, ip.sourceAddress);
  const destination = formatIpv4(bytes, ip.destinationAddress);
  const { protocol, transport, packetEnd: end } = ip;
  const fragment = `id ${ip.identification}, offset ${ip.fragmentOffset}${ip.moreFragments ? ', more' : ''}`;
  if (ip.fragmentOffset > 0) {
    return `${source} > ${destination}: fragment (${fragment}), length ${end - transport}`;
  }
  const text = transportText({ bytes, offset: transport, end, protocol, source, destination });
  return ip.moreFragments ? `${text}, fragment (${fragment})` : text;
}

function fragment6Text(bytes: Uint8Array, at: number): string {
  const id = ((u16(bytes, at + 4) << 16) | u16(bytes, at + 6)) >>> 0;
  const more = (bytes[at + 3] & 1) === 1 ? ', more' : '';
  return `id ${id}, offset ${u16(bytes, at + 2) & 0xfff8}${more}`;
}

function ipv6Text(bytes: Uint8Array, offset: number, frameEnd: number): string {
  const ip = Ipv6.parse(bytes, offset, frameEnd);
  if (ip === undefined) return `IPv6, malformed, length ${frameEnd - offset}`;
  const source = formatIpv6(bytes, ip.sourceAddress);
  const destination = formatIpv6(bytes, ip.destinationAddress);
  const { protocol, transport, packetEnd: end } = ip;
  if (protocol === NextHeader.fragment && transport + 8 <= end) {
    const fragment = fragment6Text(bytes, transport);
    return `${source} > ${destination}: fragment (${fragment}), length ${end - transport - 8}`;
  }
  return transportText({ bytes, offset: transport, end, protocol, source, destination });
}

function payloadText(etherType: number, bytes: Uint8Array, offset: number, end: number): string {
  if (etherType === EtherType.ipv4) return ipv4Text(bytes, offset, end);
  if (etherType === EtherType.ipv6) return ipv6Text(bytes, offset, end);
  if (etherType === EtherType.arp) return arpText(bytes, offset, end);
  return `length ${end - offset}`;
}

/**
 * One line for people about an Ethernet frame of `length` bytes at `offset`, in the manner of `tcpdump -e -n -S`:
 * addresses, type, length, tags, and what is inside. Never throws; what does not parse is said to be malformed
 * or truncated.
 */
export function describe(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): string {
  const frame = Ethernet.parse(bytes, offset, length);
  if (frame === undefined) return `truncated frame, length ${length}`;
  let at = offset + ETHERNET_HEADER;
  let text = `${formatMac(frame.source)} > ${formatMac(frame.destination)}, `;
  text += `${etherTypeText(frame.etherType)}, length ${length}: `;
  for (const { id, priority, dropEligible } of vlanTags(frame)) {
    at += VLAN_TAG;
    text += `vlan ${id}, p ${priority}${dropEligible ? ', DEI' : ''}, ${etherTypeText(u16(bytes, at - 2))}, `;
  }
  return text + payloadText(u16(bytes, at - 2), bytes, at, frame.end);
}
