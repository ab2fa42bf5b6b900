import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { codeOf, native } from './native.js';
import { deleteLinks, Rtnetlink } from './rtnetlink.js';

/** How many interfaces one request deletes: finding out what to delete takes 5 ms at worst. */
const BATCH = 64;

/** The interfaces of one namespace, which go together. */
interface Group {
  netns: number;
  names: string[];
}

/**
 * Takes TAPs away without making the program wait: close(2) of one takes some 20 ms, deleting a hundred in one
 * request 32 ms, and closing after that nothing. Those that come meanwhile wait for the next round.
 */
export class Removals {
  /** How many interfaces were ever given to it. */
  count = 0;
  private readonly waiting = new Set<number>();
  private readonly running = new Set<number>();
  private work: Promise<void> | undefined;

  /**
   * @param report hears of what the kernel refused; the descriptors are closed all the same
   * @param before runs before the system sees anything of a removal
   */
  constructor(
    private readonly report: (error: unknown) => void,
    private readonly before: () => void = () => {},
  ) {}

  /** Removes the interface of a TAP, wherever it is by now, and closes the descriptor. */
  add(fd: number): void {
    this.count++;
    this.waiting.add(fd);
    this.work ??= Promise.resolve().then(() => this.run());
  }

  /** Resolves when nothing is left to do. */
  async settled(): Promise<void> {
    while (this.work !== undefined) await this.work;
  }

  /**
   * Frees the name of an interface that is still to be removed. Renaming is done at once, where waiting would stop
   * the whole program for as long as the pool is busy with others.
   * @returns whether it is worth trying the name again
   */
  makeWay(netns: number, name: string): boolean {
    for (const fd of [...this.waiting, ...this.running]) {
      const place = locate(fd);
      if (place === undefined) continue;
      try {
        if (place.name === name && fstatSync(place.netns).ino === netns) return rename(place.netns, name);
      } finally {
        closeSync(place.netns);
      }
    }
    // Not among ours (any more): it may just have been deleted.
    return this.running.size > 0;
  }

  private async run(): Promise<void> {
    while (this.waiting.size > 0) {
      this.attempt(() => this.before());
      for (const fd of this.waiting) {
        if (this.running.size === BATCH) break;
        this.running.add(fd);
      }
      for (const fd of this.running) this.waiting.delete(fd);
      const fds = [...this.running];
      await this.remove(fds);
      await native.closeFds(fds);
      this.running.clear();
    }
    this.work = undefined;
  }

  /** What fails for one interface must not keep the others. */
  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.report(error);
    }
  }

  private async remove(fds: number[]): Promise<void> {
    const groups = this.groupByNetns(fds);
    try {
      // All names become indices before the wait, as meanwhile makeWay() gives names to others.
      const list = groups.map(({ netns, names }) => {
        const links = new Rtnetlink(netns).linksOf(names);
        return { netns, indexes: links.flatMap((link) => (link === undefined ? [] : [link.index])) };
      });
      await deleteLinks(list.filter(({ indexes }) => indexes.length > 0));
    } catch (error) {
      this.report(error);
    } finally {
      for (const { netns } of groups) closeSync(netns);
    }
  }

  /** One whose place cannot be found out is only closed. */
  private groupByNetns(fds: number[]): Group[] {
    const groups = new Map<number, Group>();
    const add = (fd: number): void => {
      const place = locate(fd);
      if (place === undefined) return;
      const { ino } = fstatSync(place.netns);
      const group = groups.get(ino);
      if (group === undefined) groups.set(ino, { netns: place.netns, names: [place.name] });
      else {
        closeSync(place.netns);
        group.names.push(place.name);
      }
    };
    for (const fd of fds) this.attempt(() => add(fd));
    return [...groups.values()];
  }
}

/** Where the interface of a TAP is now; undefined when it was deleted. The caller closes `netns`. */
export function locate(fd: number): { netns: number; name: string } | undefined {
  let netns: number | undefined;
  try {
    netns = native.tapNetns(fd);
    return { netns, name: native.tapName(fd) };
  } catch (error) {
    if (netns !== undefined) closeSync(netns);
    if (codeOf(error) === 'EBADFD') return undefined;
    throw error;
  }
}

function rename(netns: number, name: string): boolean {
  const rtnetlink = new Rtnetlink(netns);
  const link = rtnetlink.link(name);
  if (link === undefined) return true;
  const spare = `ngdel-${randomBytes(4).toString('hex')}`;
  try {
    rtnetlink.setLink(link.index, { name: spare });
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') return codeOf(error) === 'ENODEV';
    // Before Linux 6.2 only an interface that is down can be renamed.
    rtnetlink.setLink(link.index, { up: false });
    rtnetlink.setLink(link.index, { name: spare });
  }
  return true;
}
