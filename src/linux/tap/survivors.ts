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
  private expected: readonly unknown[] = [];
  /** Those with our mark everywhere that may have been moved there, by address. */
  private marked: ReadonlyMap<string, Found> | undefined;
  /** Those that were not found, so that others were made instead. */
  readonly missed: { readonly vnet: Vnet; readonly name: string; readonly mac: string }[] = [];

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

  /**
   * Hears of all interfaces that there were, so that none is taken for another.
   * @param resumes values with what `TapDevice.resume` gave in them
   */
  expect(resumes: readonly unknown[]): void {
    this.expected = resumes;
  }

  /** Whether this may be one that was not found. */
  mayBeMissed(link: Link): boolean {
    return this.missed.some(({ mac }) => mac === macOf(link));
  }

  /** Takes over descriptors that another process handed over, for `open`. */
  inherit(taps: ReadonlyMap<string, number>): void {
    for (const [key, fd] of taps) this.inherited.set(key, fd);
  }

  /** Ends the search. Closes what was inherited and nobody wanted to know of; those interfaces stay. */
  close(): void {
    for (const fd of this.inherited.values()) closeSync(fd);
    this.inherited.clear();
    this.expected = [];
    this.marked = undefined;
  }

  /**
   * The administrator may have changed one of index (by moving it to and fro), alias and address, and the name. One that
   * has only its name is another one. In another namespace it is known by mark and address.
   */
  find(vnet: Vnet, kept: Kept): Found | undefined {
    if (this.none) return undefined;
    const found = this.findInPlace(vnet, kept);
    if (found !== undefined) return found;
    this.marked ??= this.findMarked();
    return this.marked.get(kept.mac);
  }

  private findInPlace(vnet: Vnet, { netns: inode, index, name, mac }: Kept): Found | undefined {
    for (const spec of this.whereabouts(vnet)) {
      const path = spec instanceof Namespace ? spec.path : spec;
      if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) continue;
      const link = new Rtnetlink(path).linksOf([index, name]).find((found) => {
        if (found?.kind !== 'tun') return false;
        return (
          [found.index === index, this.isMarked(found), macOf(found) === mac].filter(Boolean).length >= 2
        );
      });
      return link && { spec, inode, link };
    }
    return undefined;
  }

  private findMarked(): Map<string, Found> {
    const expected = [...keptIn(this.expected)];
    const places = new Set(expected.map(({ netns, index }) => keyOf(netns, index)));
    const marked = new Map<string, Found>();
    for (const spec of this.everywhere()) {
      try {
        for (const found of this.markedIn(spec))
          if (!places.has(keyOf(found.inode, found.link.index))) marked.set(macOf(found.link), found);
      } catch {
        // It is gone, or is no network namespace.
      }
    }
    // Jails may have the same addresses: such a one does not tell which of them it is.
    const seen = new Set<string>();
    for (const { mac } of expected) {
      if (seen.has(mac)) marked.delete(mac);
      seen.add(mac);
    }
    return marked;
  }

  /** Those with our mark in a namespace. @throws Error it cannot be looked into */
  *markedIn(spec: Namespace | string): Iterable<Found> {
    const path = spec instanceof Namespace ? spec.path : spec;
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    if (inode === undefined || (spec instanceof Namespace && !spec.linked)) return;
    for (const link of new Rtnetlink(path).links())
      if (link.kind === 'tun' && this.isMarked(link)) yield { spec, inode, link };
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
    yield* this.everywhere();
  }

  private *everywhere(): Iterable<Namespace | string> {
    yield* this.where.namespaces?.() ?? [];
    // Somebody may have moved it to a namespace that is none of ours.
    for (const { path } of namedNamespaces()) yield path;
  }
}

/** What devices said of themselves, in what nodes said. */
function* keptIn(value: unknown): Iterable<Kept> {
  if (typeof value !== 'object' || value === null) return;
  if ('netns' in value && 'index' in value && 'mac' in value) yield value as Kept;
  else for (const part of Object.values(value)) yield* keptIn(part);
}

const macOf = ({ address }: Link): string => Buffer.from(address).toString('hex');
