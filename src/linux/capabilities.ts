/** Capabilities of this process: capabilities(7). */
import { readFileSync } from 'node:fs';
import { attempt, native } from './native.js';

/** Those that we have names for. */
const NUMBERS = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_KILL: 5,
  CAP_NET_BROADCAST: 11,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
} as const;

export type Capability = keyof typeof NUMBERS;

const nameOf = (number: number): string =>
  Object.entries(NUMBERS).find(([, known]) => known === number)?.[0] ?? `CAP_${number}`;

/** What the process may use; `CAP_9` and the like for those that nothing of ours ever needed. */
export function heldCapabilities(): string[] {
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const set = BigInt(`0x${permitted ?? 0}`);
  return Array.from({ length: 64 }, (_, number) => number)
    .filter((number) => (set >> BigInt(number)) & 1n)
    .map(nameOf);
}

/**
 * Makes sure that no thread of this process has any other capability, nor can get one. Capabilities belong to threads,
 * of which Node has made some before it runs anything of ours, so this may start the program anew: it is to be called
 * before there is anything to lose.
 */
export function keepCapabilities(names: readonly Capability[]): void {
  if (heldCapabilities().every((name) => names.includes(name as Capability))) return;
  attempt('capabilities', () => native.keepCapabilities(names.map((name) => NUMBERS[name])));
  native.execIn({
    argv: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    env: Object.entries(process.env).map(([name, value]) => `${name}=${value}`),
  });
}
