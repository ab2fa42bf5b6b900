import { NgError } from '../errors.js';
import { type Data, Leaf, type Output, type Printer, show } from './core.js';
import { Text } from './text.js';

/** An address in a buffer of fixed size. Its TypeScript value is its ASCII form. */
abstract class AddressType extends Leaf<string> {
  abstract override readonly size: number;

  /** Reads the address at `text.at`, steps over it and writes it at `at`. */
  protected abstract scan(text: Text, bytes: Uint8Array, at: number): void;
  protected abstract format(bytes: Uint8Array, at: number): string;

  override parse(text: Text, out: Output): void {
    const address = new Uint8Array(this.size);
    this.scan(text, address, 0);
    out.append(address);
  }

  override print(data: Data, printer: Printer): void {
    printer.put(this.read(data));
  }

  override write(value: unknown, out: Output): void {
    const at = out.reserve(this.size);
    const text = new Text(typeof value === 'string' ? value : '');
    try {
      this.scan(text, out.bytes, at);
    } catch (error) {
      if (error instanceof NgError) out.refuse(`${show(value)} is not ${this.describe()}`);
      throw error;
    }
    if (text.at < text.source.length) out.refuse(`${show(value)} is not ${this.describe()}`);
  }

  override read(data: Data): string {
    return this.format(data.bytes, data.take(this.size));
  }
}

/** An IPv4 address, `1.2.3.4`. Its default is 0.0.0.0. */
export class IpAddressType extends AddressType {
  readonly kind = 'ipaddr';
  readonly align = 4;
  readonly size = 4;
  protected readonly zeros = 4;

  protected override scan(text: Text, bytes: Uint8Array, at: number): void {
    for (let i = 0; i < 4; i++) {
      const number = text.integer();
      if (number === undefined) text.refuse(`expected an IP address, found ${text.found()}`);
      if (number.value < -128n || number.value > 255n) text.refuse(`${text.found()} is out of range`);
      text.at = number.end;
      bytes[at + i] = Number(number.value);
      if (i < 3 && text.source[text.at] !== '.') text.refuse(`expected ".", found ${text.found()}`);
      // FreeBSD's parser stops one byte behind the address.
      text.at++;
    }
  }

  protected override format(bytes: Uint8Array, at: number): string {
    return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  }
}

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** An Ethernet address, `00:11:22:aa:bb:cc`. It has no default. */
export class EthernetAddressType extends AddressType {
  readonly kind = 'enaddr';
  readonly align = 0;
  readonly size = 6;
  protected readonly zeros = undefined;

  protected override scan(text: Text, bytes: Uint8Array, at: number): void {
    for (let i = 0; i < 6; i++) {
      const number = text.integer(16);
      if (number === undefined) text.refuse(`expected an Ethernet address, found ${text.found()}`);
      if (number.value < 0n || number.value > 0xffn) text.refuse(`${text.found()} is out of range`);
      text.at = number.end;
      bytes[at + i] = Number(number.value);
      if (i === 5) return;
      if (text.source[text.at] !== ':') text.refuse(`expected ":", found ${text.found()}`);
      text.at++;
    }
  }

  protected override format(bytes: Uint8Array, at: number): string {
    let text = hexBytes[bytes[at]];
    for (let i = 1; i < 6; i++) text += `:${hexBytes[bytes[at + i]]}`;
    return text;
  }
}

/** An IPv6 address in the text form of RFC 4291, printed as RFC 5952 asks. Its default is ::. Not in FreeBSD. */
export class Ip6AddressType extends AddressType {
  readonly kind = 'ip6addr';
  readonly align = 4;
  readonly size = 16;
  protected readonly zeros = 16;

  protected override scan(text: Text, bytes: Uint8Array, at: number): void {
    text.token();
    const address = parseIp6(text.source.slice(text.at, text.at + text.length));
    if (address === undefined) text.refuse(`expected an IPv6 address, found ${text.found()}`);
    bytes.set(address, at);
    text.at += text.length;
  }

  protected override format(bytes: Uint8Array, at: number): string {
    const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i] << 8) | bytes[at + 2 * i + 1]);
    const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
    if (mapped) return `::ffff:${bytes.subarray(at + 12, at + 16).join('.')}`;
    const { start, length } = longestZeros(groups);
    const hex = groups.map((group) => group.toString(16));
    if (length < 2) return hex.join(':');
    return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
  }
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** The 16 bytes of an IPv6 address, or undefined. */
function parseIp6(text: string): number[] | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => ip6Bytes(half, i === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (halves.length === 1) return head.length === 16 ? head : undefined;
  const zeros = 16 - head.length - tail!.length;
  return zeros < 2 ? undefined : [...head, ...new Array<number>(zeros).fill(0), ...tail!];
}

/** The bytes of colon-separated groups; the last one of an address may be an IPv4 address. */
function ip6Bytes(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      const quad = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(group) ? group.split('.').map(Number) : [256];
      if (!last || i < groups.length - 1 || quad.some((byte) => byte > 255)) return undefined;
      bytes.push(...quad);
    }
  }
  return bytes;
}
