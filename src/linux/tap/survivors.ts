import { closeSync, statSync } from 'node:fs';
import type { Vnet } from '../../vnet/index.js';
import { native } from '../native.js';
import { Namespace, namedNamespaces } from '../netns.js';
import { type Link, Rtnetlink } from '../rtnetlink.js';
import { type Kept, keyOf } from './device.js';

/** An open TAP. */
export interface OpenTap {
  fd: number;
  /** TUN_F_ flags that the kernel granted; 0: frames only as on a wire. */
  offloads: number;
}

/** Where an interface was found. */
export interface Found {
  spec: Namespace | string;
  /** Inode of the namespace. */
  inode: number;
  link: Link;
}

/** Interfaces that outlived the process which made them: finds them, and opens them again. */
export class Survivors {
  /** Descriptors that another process gave us, by `<inode of the namespace>/<index of the interface>`. */
  private readonly inherited = new Map<string, number>();
  private none = false;

  constructor(
    /** What marks an interface as ours: the first word of its alias. */
    readonly mark: string,
    private readonly where: {
      netnsOf(vnet: Vnet): Namespace | string | number;
      namespaces?(): Iterable<Namespace | string>;
    },
  ) {}

  /** Whether an interface has our mark, with or without a description behind it. */
  isMarked({ alias }: Link): boolean {
    return alias === this.mark || alias.startsWith(`${this.mark} `);
  }

  /** Notes that the system was started anew: what looks like one that is sought was made since. */
  expectNone(): void {
    this.none = true;
  }

  /** Takes over descriptors that another process handed over, for `open`. */
  inherit(taps: ReadonlyMap<string, number>): void {
    for (const [key, fd] of taps) this.inherited.set(key, fd);
  }

  /** Closes those of which nobody wanted to know. Their interfaces stay. */
  closeInherited(): void {
    for (const fd of this.inherited.values()) closeSync(fd);
    this.inherited.clear();
  }

  /**
   * The administrator may have changed one of index (by moving it to and fro), alias and address, and the name. One that
   * has only its name is another one.
   */
  find(vnet: Vnet, { netns: inode, index, name, mac }: Kept): Found | undefined {
    if (this.none) return undefined;
    for (const spec of this.whereabouts(vnet)) {
      const path = spec instanceof Namespace ? spec.path : spec;
      if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) continue;
      const link = new Rtnetlink(path).linksOf([index, name]).find((found) => {
        if (found?.kind !== 'tun') return false;
        const hasAddress = Buffer.from(found.address).toString('hex') === mac;
        return [found.index === index, this.isMarked(found), hasAddress].filter(Boolean).length >= 2;
      });
      return link && { spec, inode, link };
    }
    return undefined;
  }

  /** Opens one that was found, in its namespace. @throws Error EBUSY another process has it */
  open(netns: number, { inode, link }: Found, offloads: boolean): OpenTap {
    const key = keyOf(inode, link.index);
    const fd = this.inherited.get(key);
    if (fd === undefined) return native.tapAttach(netns, link.name, offloads);
    const granted = native.tapSetOffloads(fd, offloads);
    this.inherited.delete(key);
    return { fd, offloads: granted };
  }

  /** Where an interface of a vnet may be, the likeliest place first: to list the others takes long. */
  private *whereabouts(vnet: Vnet): Iterable<Namespace | string> {
    const home = this.where.netnsOf(vnet);
    if (typeof home !== 'number') yield home;
    yield* this.where.namespaces?.() ?? [];
    // Somebody may have moved it to a namespace that is none of ours.
    for (const { path } of namedNamespaces()) yield path;
  }
}
