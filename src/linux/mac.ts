import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** FreeBSD's OUI, which ether_gen_addr(9) uses. */
const OUI = 0x589cfc000000;

/** What tells this host from others and stays over a reboot. */
export function hostId(): string {
  for (const file of ['/etc/machine-id', '/sys/class/dmi/id/product_uuid']) {
    try {
      const id = readFileSync(file, 'utf8').trim();
      if (id !== '') return id;
    } catch {
      // Not every system has it.
    }
  }
  return hostname();
}

/** What tells one start of the system from all others. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/**
 * An Ethernet address as a number: the same for the same host, vnet and interface name, unless `taken` has it.
 * FreeBSD leaves 17 bits to chance; all 24 are used here, so that clashes are rare among thousands of interfaces.
 */
export function stableAddress(host: string, vnet: string, name: string, taken: ReadonlySet<number>): number {
  for (let attempt = 0; ; attempt++) {
    const digest = createHash('sha1').update(`${host}\0${vnet}\0${name}`);
    if (attempt > 0) digest.update(`\0${attempt}`);
    const address = OUI + digest.digest().readUIntBE(0, 3);
    if (!taken.has(address)) return address;
  }
}

export function addressBytes(address: number): Uint8Array {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(address, 0, 6);
  return new Uint8Array(bytes);
}

export const addressNumber = (bytes: Uint8Array): number => Buffer.from(bytes).readUIntBE(0, 6);
