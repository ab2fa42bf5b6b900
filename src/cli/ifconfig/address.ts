/** Addresses as people write them, and as bytes. */
import { isIPv4, isIPv6 } from 'node:net';

/** The bytes of an IPv4 address in dotted form or as one number (`0xffffff00`); undefined when it is neither. */
export function parseIPv4(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!/^0x[0-9a-f]{1,8}$/i.test(text)) return undefined;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Number(text));
  return bytes;
}

/** The bytes of an IPv6 address, whose scope (`%em0`) is left aside; undefined when it is none. */
export function parseIPv6(text: string): Uint8Array | undefined {
  const plain = text.replace(/%.*$/, '');
  if (!isIPv6(plain)) return undefined;
  const words = (part: string): number[] => (part === '' ? [] : part.split(':').flatMap(wordsOf));
  const [left, right] = plain.split('::').map(words);
  const all =
    right === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit words of one group, which at the end of an address may be an IPv4 address. */
function wordsOf(group: string): number[] {
  const bytes = group.includes('.') ? group.split('.').map(Number) : undefined;
  return bytes === undefined
    ? [Number.parseInt(group, 16)]
    : [(bytes[0] << 8) | bytes[1], (bytes[2] << 8) | bytes[3]];
}

export const formatIPv4 = (bytes: Uint8Array): string => bytes.join('.');

/** An IPv6 address as inet_ntop(3) and RFC 5952 write it. */
export function formatIPv6(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16)).join(':');
  const zeros = words
    .match(/\b0(:0)+\b/g)
    ?.reduce((longest, run) => (run.length > longest.length ? run : longest));
  if (zeros === undefined) return words;
  const at = words.search(new RegExp(`\\b${zeros}\\b`));
  return `${words.slice(0, at).replace(/:$/, '')}::${words.slice(at + zeros.length).replace(/^:/, '')}`;
}

export const isLinkLocal = (bytes: Uint8Array): boolean => bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80;

/** The netmask of a prefix length, as a number. */
export const netmask = (prefix: number): number => (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0);

/** The prefix length of a netmask; undefined when its ones are not all in front. */
export function prefixOf(mask: Uint8Array): number | undefined {
  const value = new DataView(mask.buffer, mask.byteOffset, 4).getUint32(0);
  const prefix = Math.clz32(~value);
  return netmask(prefix) === value ? prefix : undefined;
}

/** What a network without a mask had before CIDR: inet(3), IN_CLASSA_NET and others. */
export const classPrefix = (address: Uint8Array): number =>
  address[0] < 128 ? 8 : address[0] < 192 ? 16 : 24;

/** The address that reaches all of a network. */
export function broadcastOf(address: Uint8Array, prefix: number): Uint8Array {
  const bytes = new Uint8Array(4);
  const value = new DataView(address.buffer, address.byteOffset, 4).getUint32(0);
  new DataView(bytes.buffer).setUint32(0, (value | ~netmask(prefix)) >>> 0);
  return bytes;
}

/** The bytes of an Ethernet address, `58:9c:fc:0:0:1` or with dashes; undefined when it is none. */
export function parseEther(text: string): Uint8Array | undefined {
  const parts = text.split(/[:-]/);
  if (parts.length !== 6 || parts.some((part) => !/^[0-9a-f]{1,2}$/i.test(part))) return undefined;
  return Uint8Array.from(parts, (part) => Number.parseInt(part, 16));
}

export const formatEther = (bytes: Uint8Array, between = ':'): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(between);
