import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The systemd unit, as text. */
export const UNIT = readFileSync(new URL('../../scripts/netgraph.service', import.meta.url), 'utf8');

/** Families of addresses, and kinds of namespaces by the flags that stand for them, as in the headers of the kernel. */
const FAMILIES: Record<string, number> = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_PACKET: 17,
};
const NAMESPACES: Record<string, number> = {
  time: 0x80,
  mnt: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
};

/** Numbers of the system calls of this machine, by name. */
function callNumbers(): Map<string, number> {
  const words = ['-E', '-dM', '-x', 'c++', '-include', 'sys/syscall.h', '/dev/null'];
  const lines = execFileSync('g++', words, { encoding: 'utf8' }).matchAll(/^#define __NR_(\w+) (\d+)$/gm);
  return new Map([...lines].map(([, name, number]) => [name, Number(number)]));
}

/** The words of a setting, of which there may be several. */
const wordsOf = (unit: string, name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].flatMap(([, words]) => words.split(' '));

/** The system calls of a set, and of those in it. */
function callsOf(word: string): string[] {
  if (!word.startsWith('@')) return [word];
  const text = execFileSync('systemd-analyze', ['syscall-filter', word], { encoding: 'utf8' });
  const words = [...text.matchAll(/^ {4}([@\w-]+)$/gm)].map(([, name]) => name);
  return words.flatMap(callsOf);
}

/** What SystemCallFilter= lets pass: the first is a list of what may be done, others may take away from it. */
export function allowedCalls(unit: string): Set<string> {
  const allowed = new Set(callsOf('@default'));
  for (const [, less, words] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    for (const call of words.split(' ').flatMap(callsOf)) {
      if (less) allowed.delete(call);
      else allowed.add(call);
    }
  }
  return allowed;
}

/**
 * What starts a program as the unit would, as words before its own: with its system calls, families of addresses, kinds
 * of namespaces and capabilities, and no others. Devices are not restricted.
 */
export class Confinement {
  private readonly directory = mkdtempSync(join(tmpdir(), 'netgraph-confine-'));
  private readonly program = join(this.directory, 'confine');

  constructor() {
    const source = fileURLToPath(new URL('confine.cc', import.meta.url));
    execFileSync('g++', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', this.program, source]);
  }

  words(unit = UNIT): string[] {
    const byName = callNumbers();
    const list = (calls: Iterable<string>) => [...calls].flatMap((call) => byName.get(call) ?? []).join();
    const kept = wordsOf(unit, 'RestrictNamespaces');
    const capabilities = wordsOf(unit, 'CapabilityBoundingSet').map((name) => name.replace('CAP_', '+'));
    return [
      ...['setpriv', `--bounding-set=-all,${capabilities.join().toLowerCase()}`, this.program],
      list(allowedCalls(unit)),
      list(callsOf('@known')),
      wordsOf(unit, 'RestrictAddressFamilies')
        .map((name) => FAMILIES[name])
        .join(),
      Object.keys(NAMESPACES)
        .filter((kind) => !kept.includes(kind))
        .map((kind) => NAMESPACES[kind])
        .join(),
    ];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}
