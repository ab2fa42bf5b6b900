import {
  checksum,
  ETHERNET_HEADER,
  Ethernet,
  EtherType,
  Ipv4,
  Ipv6,
  NextHeader,
  Protocol,
  pseudoHeader4,
  pseudoHeader6,
  UDP_CHECKSUM,
  u16,
} from '../../src/wire/index.js';

/** What a frame was, by its checked layers: `tcp4`, `fragment6`, `arp` ... */
export type Kind = string;

/** Looks whether a frame is as it could be on a wire with this MTU. Returns what it is; throws Error when it could not. */
export function checkOnWire(bytes: Uint8Array, mtu: number): Kind {
  if (bytes.length > mtu + ETHERNET_HEADER) throw new Error(`a frame of ${bytes.length} octets`);
  const ethernet = Ethernet.parse(bytes);
  if (ethernet === undefined) throw new Error('no Ethernet header');
  if (ethernet.etherType === EtherType.ipv4) return checkIpv4(bytes);
  if (ethernet.etherType === EtherType.ipv6) return checkIpv6(bytes);
  return ethernet.etherType === EtherType.arp ? 'arp' : 'other';
}

function checkIpv4(bytes: Uint8Array): Kind {
  const ip = Ipv4.parse(bytes, ETHERNET_HEADER, bytes.length);
  if (ip === undefined) throw new Error('no IPv4 header');
  if (ip.offset + ip.totalLength !== bytes.length && bytes.length > 60)
    throw new Error(`IPv4 length ${ip.totalLength} in a frame of ${bytes.length}`);
  if (checksum(bytes, ip.offset, ip.headerLength) !== 0) throw new Error('IPv4 header checksum');
  if (ip.moreFragments || ip.fragmentOffset > 0) return 'fragment4';
  const length = ip.packetEnd - ip.transport;
  const pseudo = pseudoHeader4(bytes, ip.sourceAddress, ip.protocol, length);
  return checkTransport(bytes, ip.transport, length, ip.protocol, pseudo, 4);
}

function checkIpv6(bytes: Uint8Array): Kind {
  const ip = Ipv6.parse(bytes, ETHERNET_HEADER, bytes.length);
  if (ip === undefined) throw new Error('no IPv6 header');
  if (ip.packetEnd !== bytes.length && bytes.length > 60)
    throw new Error(`IPv6 payload length ${ip.payloadLength} in a frame of ${bytes.length}`);
  if (ip.protocol === NextHeader.fragment) return 'fragment6';
  const length = ip.packetEnd - ip.transport;
  const pseudo = pseudoHeader6(bytes, ip.sourceAddress, ip.protocol, length);
  return checkTransport(bytes, ip.transport, length, ip.protocol, pseudo, 6);
}

function checkTransport(
  bytes: Uint8Array,
  at: number,
  length: number,
  protocol: number,
  pseudo: number,
  version: 4 | 6,
): Kind {
  const name = { [Protocol.tcp]: 'tcp', [Protocol.udp]: 'udp', [Protocol.icmpv6]: 'icmp' }[protocol];
  if (name === undefined) return `other${version}`;
  if (checksum(bytes, at, length, pseudo) !== 0) throw new Error(`${name} checksum over IPv${version}`);
  if (protocol === Protocol.udp && u16(bytes, at + UDP_CHECKSUM) === 0) throw new Error('no UDP checksum');
  return `${name}${version}`;
}
