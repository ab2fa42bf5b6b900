import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type NamedNamespace,
  namedNamespaces,
  type Orphan,
  processesIn,
  Rtnetlink,
  removeHolders,
} from '../linux/index.js';
import type { World } from './world.js';

/** The network namespace of this program. */
const OWN = '/proc/self/ns/net';

/** Something with our mark that belongs to nothing of this world. */
interface Leftover {
  /** In words. */
  readonly what: string;
  /** Why it has to stay, or empty. */
  readonly why: string;
  remove(): Promise<void> | void;
}

export interface Repairs {
  /** What was removed, or would be. */
  readonly removed: string[];
  /** What could not be taken up, and is not tried again. */
  readonly forgotten: string[];
  /** What stays, and why. */
  readonly left: string[];
}

/**
 * Removes what an earlier program of this instance left: interfaces and namespaces with its mark, its hostnames, its
 * temporary files. Gives up what could not be taken up.
 * @param files that are of no use to anybody while this program runs
 * @param dryRun only tells of it
 */
export async function repair(world: World, files: readonly string[], dryRun: boolean): Promise<Repairs> {
  const release = await world.jails.hold();
  try {
    await world.settled();
    const cleared = await clearAway(leftovers(world, files), dryRun);
    const forgotten = [...world.waiting];
    if (!dryRun) world.forget();
    return { ...cleared, forgotten };
  } finally {
    release();
  }
}

/** Removes what may go. @param dryRun only tells of it */
export async function clearAway(
  things: readonly Leftover[],
  dryRun = false,
): Promise<Pick<Repairs, 'removed' | 'left'>> {
  const [removed, left]: [string[], string[]] = [[], []];
  for (const { what, why, remove } of things) {
    if (why !== '') {
      left.push(`${what}: ${why}`);
      continue;
    }
    try {
      if (!dryRun) await remove();
      removed.push(what);
    } catch (error) {
      left.push(`${what}: ${(error as Error).message}`);
    }
  }
  return { removed, left };
}

/** All of it, what is inside before what is around. */
export function leftovers(world: World, files: readonly string[] = []): Leftover[] {
  return [
    ...strayInterfaces(world).map((orphan) => ({
      what: `interface ${orphan.link.name} ${orphan.netns === OWN ? 'of the host' : `in ${orphan.netns}`}`,
      why: '',
      remove: () => world.interfaces.removeOrphans([orphan]),
    })),
    ...strayNamespaces(world),
    ...strayHostnames(world),
    ...files
      .filter((file) => existsSync(file))
      .map((file) => ({ what: `file ${file}`, why: '', remove: () => rmSync(file, { force: true }) })),
  ];
}

/** Interfaces with our mark of which no node knows, in all namespaces that have a name. */
function strayInterfaces({ interfaces, jails }: World): Orphan[] {
  const paths = jails.list(undefined).flatMap(({ ownsVnet, namespace }) => (ownsVnet ? namespace!.path : []));
  const named = namedNamespaces().map(({ path }) => path);
  const seen = new Set<number>();
  const places = [OWN, ...paths, ...named].filter((path) => {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    return inode !== undefined && !seen.has(inode) && seen.add(inode);
  });
  return places.flatMap((place) => {
    try {
      return [...interfaces.orphans([place])];
    } catch {
      return []; // it is gone, or is no network namespace
    }
  });
}

/** Network namespaces that we made and that are no jail. */
function strayNamespaces({ interfaces, jails }: World): Leftover[] {
  const known = new Set(jails.list(undefined).map(({ namespace }) => namespace?.inode));
  const strays = namedNamespaces().filter(
    ({ path, inode }) => !known.has(inode) && isMarked(path, interfaces),
  );
  return strays.map(({ path, inode }) => ({
    what: `namespace ${path}`,
    why: usedBy('net', inode),
    remove: () => removeHolders([path]),
  }));
}

function isMarked(netns: string, interfaces: World['interfaces']): boolean {
  try {
    const loopback = new Rtnetlink(netns).link('lo');
    return loopback !== undefined && interfaces.survivors.isMarked(loopback);
  } catch {
    return false;
  }
}

/** Hostnames in our own directory that are those of no jail. */
function strayHostnames({ jails }: World): Leftover[] {
  const directory = jails.utsDirectory;
  if (!existsSync(directory)) return [];
  const known = new Set(jails.list(undefined).map(({ namespace }) => namespace?.utsPath));
  const paths = readdirSync(directory).map((name) => join(directory, name));
  return paths
    .filter((path) => !known.has(path))
    .map((path) => ({
      what: `hostname ${path}`,
      why: usedBy('uts', statSync(path).ino),
      remove: () => removeHolders([path]),
    }));
}

function usedBy(kind: 'net' | 'uts', inode: NamedNamespace['inode']): string {
  const pids = processesIn(kind, inode);
  return pids.length === 0 ? '' : `in use by process ${pids.join(', ')}`;
}
