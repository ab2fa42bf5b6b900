/** Type, code and checksum, and four bytes whose meaning depends on the type (RFC 792, RFC 4443). */
export const ICMP_HEADER = 8;

export const IcmpType = { echoReply: 0, unreachable: 3, redirect: 5, echo: 8, timeExceeded: 11 } as const;

export const Icmp6Type = {
  unreachable: 1,
  tooBig: 2,
  timeExceeded: 3,
  echo: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
} as const;

const icmpNames: Record<number, string> = {
  [IcmpType.echoReply]: 'echo reply',
  [IcmpType.unreachable]: 'unreachable',
  [IcmpType.redirect]: 'redirect',
  [IcmpType.echo]: 'echo request',
  [IcmpType.timeExceeded]: 'time exceeded',
};

const icmp6Names: Record<number, string> = {
  [Icmp6Type.unreachable]: 'destination unreachable',
  [Icmp6Type.tooBig]: 'packet too big',
  [Icmp6Type.timeExceeded]: 'time exceeded',
  [Icmp6Type.echo]: 'echo request',
  [Icmp6Type.echoReply]: 'echo reply',
  130: 'multicast listener query',
  131: 'multicast listener report',
  132: 'multicast listener done',
  [Icmp6Type.routerSolicitation]: 'router solicitation',
  [Icmp6Type.routerAdvertisement]: 'router advertisement',
  [Icmp6Type.neighborSolicitation]: 'neighbor solicitation',
  [Icmp6Type.neighborAdvertisement]: 'neighbor advertisement',
  137: 'redirect',
  143: 'multicast listener report v2',
};

/** What a message type is called, for people. */
export const icmpTypeName = (type: number): string => icmpNames[type] ?? `type ${type}`;

/** The same for ICMPv6. */
export const icmp6TypeName = (type: number): string => icmp6Names[type] ?? `type ${type}`;
