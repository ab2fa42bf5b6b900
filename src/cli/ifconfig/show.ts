/** How ifconfig(8) shows interfaces. */

import { type Address, IFA_F, IFF, type Link } from '../../linux/rtnetlink.js';
import { formatEther, formatIPv4, formatIPv6, isLinkLocal, netmask } from './address.js';

/** Linux's interface flags beside FreeBSD's and their names, <net/if.h>; in FreeBSD's order. */
const FLAGS: readonly (readonly [linux: number, freebsd: number, name: string])[] = [
  [0x1, 0x1, 'UP'],
  [0x2, 0x2, 'BROADCAST'],
  [0x4, 0x4, 'DEBUG'],
  [0x8, 0x8, 'LOOPBACK'],
  [0x10, 0x10, 'POINTOPOINT'],
  [0x40, 0x40, 'RUNNING'],
  [0x80, 0x80, 'NOARP'],
  [0x100, 0x100, 'PROMISC'],
  [0x200, 0x200, 'ALLMULTI'],
  // Every Ethernet interface of Linux is one that does not hear itself, and says nothing of it.
  [0x2, 0x800, 'SIMPLEX'],
  [0x1000, 0x8000, 'MULTICAST'],
  [0x10000, 0x1000000, 'LOWER_UP'],
];

/** `-f`: how addresses are written. */
export interface Formats {
  inet?: string;
  inet6?: string;
  ether?: string;
}

export interface ShowOptions {
  /** Only this family. */
  family?: 'inet' | 'inet6' | 'ether';
  /** `-D` */
  driver?: boolean;
  formats?: Formats;
}

const ETHERNET = 1;
const LOOPBACK = 772;

export const isEthernet = (link: Link): boolean => link.type === ETHERNET && link.address.length === 6;
export const isLoopback = (link: Link): boolean => link.type === LOOPBACK;

function flagsOf({ flags }: Link): string {
  const set = FLAGS.filter(([linux]) => flags & linux);
  const value = set.reduce((sum, [, freebsd]) => sum | freebsd, 0);
  return `flags=${value.toString(16)}${set.length > 0 ? `<${set.map(([, , name]) => name).join(',')}>` : ''}`;
}

/**
 * Linux's one alias holds the mark by which the daemon's interfaces are known (`netgraph:INSTANCE`), and behind it
 * the description.
 */
export function splitAlias(alias: string): { mark: string; text: string } {
  const mark = alias.match(/^netgraph:\S+/)?.[0] ?? '';
  return { mark, text: alias.slice(mark.length).trimStart() };
}

/** The lines for one interface, each with its end. */
export function showLink(link: Link, addresses: Address[], options: ShowOptions = {}): string {
  const { family, formats = {} } = options;
  const lines = [`${link.name}: ${flagsOf(link)} metric 0 mtu ${link.mtu}`];
  const { text } = splitAlias(link.alias);
  if (text !== '') lines.push(`\tdescription: ${text}`);
  if (isEthernet(link) && (family === undefined || family === 'ether'))
    lines.push(`\tether ${formatEther(link.address, formats.ether === 'dash' ? '-' : ':')}`);
  for (const wanted of ['inet', 'inet6'] as const) {
    if (family !== undefined && family !== wanted) continue;
    for (const address of addresses.filter((one) => one.index === link.index && one.family === wanted))
      lines.push(wanted === 'inet' ? inetLine(link, address, formats) : inet6Line(link, address, formats));
  }
  if (family === undefined) lines.push(...rest(link, options));
  return `${lines.join('\n')}\n`;
}

function inetLine(link: Link, { address, peer, prefix, broadcast }: Address, formats: Formats): string {
  const mask = new Uint8Array(4);
  new DataView(mask.buffer).setUint32(0, netmask(prefix));
  const masks: Record<string, string> = { cidr: `/${prefix}`, dotted: ` netmask ${formatIPv4(mask)}` };
  return [
    `\tinet ${formatIPv4(address)}`,
    link.flags & IFF.POINTOPOINT && peer !== undefined ? ` --> ${formatIPv4(peer)}` : '',
    masks[formats.inet ?? ''] ?? ` netmask 0x${netmask(prefix).toString(16)}`,
    broadcast === undefined ? '' : ` broadcast ${formatIPv4(broadcast)}`,
  ].join('');
}

function inet6Line(link: Link, { address, prefix, flags = 0 }: Address, formats: Formats): string {
  const words = [
    flags & IFA_F.TENTATIVE ? ' tentative' : '',
    flags & IFA_F.DADFAILED ? ' duplicated' : '',
    flags & IFA_F.DEPRECATED ? ' deprecated' : '',
    flags & IFA_F.TEMPORARY ? ' temporary' : '',
  ];
  const local = isLinkLocal(address);
  return [
    `\tinet6 ${formatIPv6(address)}${local ? `%${link.name}` : ''}`,
    formats.inet6 === 'cidr' ? `/${prefix}` : ` prefixlen ${prefix}`,
    ...words,
    local ? ` scopeid 0x${link.index.toString(16)}` : '',
  ].join('');
}

function rest(link: Link, { driver }: ShowOptions): string[] {
  const lines = [];
  const group = isLoopback(link)
    ? 'lo'
    : link.kind === 'veth'
      ? 'epair'
      : link.kind === 'bridge'
        ? 'bridge'
        : '';
  if (group !== '') lines.push(`\tgroups: ${group}`);
  if (isEthernet(link)) {
    lines.push('\tmedia: Ethernet autoselect');
    lines.push(`\tstatus: ${link.lowerUp ? 'active' : 'no carrier'}`);
  }
  if (driver) lines.push(`\tdrivername: ${link.name}`);
  return lines;
}
