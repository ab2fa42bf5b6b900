import { putU16, putU32, u16, u32, within } from './bytes.js';

/** Destination, source and type. */
export const ETHERNET_HEADER = 14;

export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  pppoeDiscovery: 0x8863,
  pppoeSession: 0x8864,
  serviceVlan: 0x88a8,
  lldp: 0x88cc,
} as const;

/** Below this the type field is a length, and LLC follows (IEEE 802.3, 3.2.6). */
export const SMALLEST_ETHERTYPE = 0x600;

/** ff:ff:ff:ff:ff:ff. Addresses are numbers of 48 bits: a Map of them is twenty times as fast as one of text. */
export const BROADCAST = 0xffff_ffff_ffff;

const UPPER = 2 ** 32;

/** The address of 6 bytes at `at`, as a number. */
export const getMac = (bytes: Uint8Array, at: number): number => u16(bytes, at) * UPPER + u32(bytes, at + 2);

/** Writes the 6 bytes of an address. */
export function putMac(bytes: Uint8Array, at: number, mac: number): void {
  putU16(bytes, at, Math.floor(mac / UPPER));
  putU32(bytes, at + 2, mac % UPPER);
}

/** True for group addresses, of which broadcast is one: the lowest bit of the first byte. */
export const isMulticastMac = (mac: number): boolean => (Math.floor(mac / 2 ** 40) & 1) === 1;

/** Six pairs of lower-case hexadecimal digits with colons. */
export function formatMac(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0');
  return digits.replace(/..(?!$)/g, '$&:');
}

/** Reads 6 groups of one or two hexadecimal digits, as ether_aton(3) does. Undefined for anything else. */
export function parseMac(text: string): number | undefined {
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)) return undefined;
  return text.split(':').reduce((mac, group) => mac * 256 + Number.parseInt(group, 16), 0);
}

/** An Ethernet header inside a buffer. The header is known to be there; what follows it is not looked at. */
export class Ethernet {
  private constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
    /** Where the frame ends in `bytes`. */
    readonly end: number,
  ) {}

  /** The frame of `length` bytes at `offset`, or undefined when there is no whole header. */
  static parse(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): Ethernet | undefined {
    if (length < ETHERNET_HEADER || !within(bytes, offset, length)) return undefined;
    return new Ethernet(bytes, offset, offset + length);
  }

  get destination(): number {
    return getMac(this.bytes, this.offset);
  }

  get source(): number {
    return getMac(this.bytes, this.offset + 6);
  }

  /** The EtherType, which for a tagged frame is that of the tag; or a length below SMALLEST_ETHERTYPE. */
  get etherType(): number {
    return u16(this.bytes, this.offset + 12);
  }
}
