import type { JailDirectory } from '../environment.js';
import type { SettingText } from '../state.js';
import { stringToBytes } from '../types/index.js';
import { quote } from '../types/text.js';
import type { Place } from './survey.js';

/** A path must be shorter, NG_PATHSIZ. */
const PATH_SIZE = 512;

/** Edges that a search for a path follows at most: where no path is at hand one may be around many corners. */
const EFFORT = 10_000;

/** A node as it is while a script runs. */
export class Item {
  name = '';
  private readonly newest = new Map<string, End>();
  /** The hook to the node by which this one was reached first: paths lead that way as long as it is there. */
  way: End | undefined;

  constructor(
    readonly type: string,
    readonly place: Place,
  ) {}

  /** The hook that a path with this name follows: the latest of that name. */
  hook(name: string): End | undefined {
    return this.newest.get(name);
  }

  *hooks(): Iterable<End> {
    for (const newest of this.newest.values())
      for (let end: End | undefined = newest; end !== undefined; end = end.older) yield end;
  }

  add(end: End): void {
    end.older = this.newest.get(end.name);
    this.newest.set(end.name, end);
  }

  remove(end: End): void {
    const newest = this.newest.get(end.name);
    if (newest !== end) {
      if (newest?.older === end) newest.older = end.older;
    } else if (end.older === undefined) this.newest.delete(end.name);
    else this.newest.set(end.name, end.older);
  }
}

/** A hook with its peer, while a script runs. */
export interface End {
  readonly item: Item;
  readonly name: string;
  peer: End;
  /** One of the same name: a node that is joined to itself can have two. */
  older?: End;
}

/** Nothing that a line of ngctl could say leads to a node. */
export class Unreachable extends Error {}

/** Whether ngctl takes it as one word. */
export const isWord = (text: string): boolean => /^[^\s\p{Cc}\p{Cs}]+$/u.test(text);
/** Whether a path can follow a hook of that name. */
export const isStep = (name: string): boolean => isWord(name) && !/[.:]/.test(name);

/** A character has at most three bytes, a pair of surrogates four. */
const fits = (path: string): boolean => path.length < PATH_SIZE / 3 || stringToBytes(path).length < PATH_SIZE;

/** ngctl puts one space between words, however many there were: a space after a space is escaped. */
const keepSpaces = (text: string): string => text.replace(/(?<= ) /g, '\\ ');
const quoted = (text: string): string => keepSpaces(quote(stringToBytes(text), true));

/** A name in a comment. Whoever is in a jail may have given it: it must not become a line of its own. */
export const inComment = (name: string): string => (isWord(name) ? name : quoted(name));

/** Writes a script, and knows at every line what there is when it has run so far. */
export class Stage {
  readonly lines: string[] = [];
  /** The node of who runs the script. */
  readonly here: Item;
  private readonly names = new Map<Place, Set<string>>();
  /** Numbers below are taken: of names of nodes that are there for the time being, and of hooks of `here` by stem. */
  private readonly nextName = new Map<string, number>();
  private readonly nextHook = new Map<string, number>();

  constructor(
    home: Place,
    private readonly jails: Pick<JailDirectory, 'mayEnter'>,
  ) {
    this.here = new Item('socket', home);
  }

  mkpeer(from: Item, ourhook: string, item: Item, peerhook: string): void {
    this.command('mkpeer', this.path(from), { type: item.type, ourhook, peerhook });
    this.join(from, ourhook, item, peerhook);
  }

  /** Told to whichever of the two makes the shorter line. */
  connect(item: Item, ourhook: string, other: Item, peerhook: string): void {
    const there = this.relative(item, other);
    const back = item === other ? undefined : this.relative(other, item);
    const length = (from: Item, path: string | undefined): number =>
      path === undefined ? Number.POSITIVE_INFINITY : this.path(from).length + path.length;
    if (there === undefined && back === undefined) throw new Unreachable();
    if (length(item, there) <= length(other, back)) {
      this.command('connect', this.path(item), { path: there!, ourhook, peerhook });
      this.join(item, ourhook, other, peerhook);
    } else {
      this.command('connect', this.path(other), { path: back!, ourhook: peerhook, peerhook: ourhook });
      this.join(other, peerhook, item, ourhook);
    }
  }

  /** Whether two nodes can be connected, or what keeps one from the other. */
  canConnect(item: Item, other: Item): boolean {
    return this.relative(item, other) !== undefined || this.relative(other, item) !== undefined;
  }

  setName(item: Item, name: string): void {
    this.command('name', this.path(item), { name });
    item.name = name;
  }

  msg(item: Item, [message, args]: SettingText): void {
    this.lines.push(`msg ${this.path(item)} ${message} ${keepSpaces(args)}`.trimEnd());
  }

  /** Has a message make a node, joined by these hooks. */
  make(item: Item, setting: SettingText, hook: string, made: Item, peerhook: string): void {
    this.msg(item, setting);
    this.join(item, hook, made, peerhook);
  }

  rmhook(item: Item, hook: string): void {
    this.command('rmhook', this.path(item), { hook });
    const end = item.hook(hook);
    if (end !== undefined) this.cut(end);
  }

  shutdown(item: Item): void {
    this.command('shutdown', this.path(item), {});
    for (const end of [...item.hooks()]) this.cut(end);
  }

  /** Shuts a tee down: its two sides are joined directly. */
  bypass(tee: Item): void {
    const [left, right] = [tee.hook('left')?.peer, tee.hook('right')?.peer];
    this.command('shutdown', this.path(tee), {});
    for (const end of [...tee.hooks()]) if (end.peer !== left && end.peer !== right) this.cut(end);
    if (left === undefined || right === undefined) return;
    left.peer = right;
    right.peer = left;
  }

  /** A node was taken away by what the last line did. */
  vanished(item: Item): void {
    for (const end of [...item.hooks()]) this.cut(end);
  }

  /** Joins two nodes as the last line did. */
  join(item: Item, name: string, other: Item, otherName: string): void {
    const end = { item, name } as { -readonly [K in keyof End]: End[K] };
    const peer: End = { item: other, name: otherName, peer: end };
    end.peer = peer;
    item.add(end);
    other.add(peer);
    if (item !== other) other.way ??= peer;
  }

  comment(text: string): void {
    this.lines.push(`# ${text}`);
  }

  /** @throws Unreachable */
  path(item: Item): string {
    const path = this.relative(this.here, item);
    if (path === undefined) throw new Unreachable();
    return path;
  }

  /** Whether a new node on a hook of that name could be told anything. */
  leadsOn(item: Item, hook: string): boolean {
    const path = this.relative(this.here, item);
    return path !== undefined && isStep(hook) && fits(`${path}.${hook}`);
  }

  /** Names that nodes of a place are going to have. */
  reserveNames(place: Place, names: Iterable<string>): void {
    this.names.set(place, new Set(names));
  }

  /** A name that no node of the place has or gets. */
  freshName(place: Place, stem: string): string {
    const taken = this.names.get(place) ?? new Set();
    const key = `${place.jid} ${stem}`;
    let number = this.nextName.get(key) ?? 1;
    while (taken.has(`${stem}${number}`)) number++;
    this.nextName.set(key, number + 1);
    return `${stem}${number}`;
  }

  /** A name for a hook of `here`. */
  holdingHook(stem = 't'): string {
    let number = this.nextHook.get(stem) ?? 1;
    while (this.here.hook(`${stem}${number}`) !== undefined) number++;
    this.nextHook.set(stem, number);
    return `${stem}${number}`;
  }

  /** A path to a node as seen from another: the way that is at hand, or else one with as few hooks as possible. */
  private relative(from: Item, to: Item): string | undefined {
    return this.follow(from, to) ?? this.search(from, to);
  }

  /** Goes by the ways that nodes were reached, to a name, to the other node, or to where its own way leads. */
  private follow(from: Item, to: Item): string | undefined {
    const back = from === this.here ? undefined : new Map<Item, string>();
    for (let [item, rest] = [to, ''], length = 0; length < PATH_SIZE / 2; length++) {
      const path = this.start(from, item, rest);
      if (path !== undefined) return fits(path) ? path : undefined;
      back?.set(item, rest);
      const step = this.step(from, item.way?.peer);
      if (step === undefined) break;
      rest = rest === '' ? step.name : `${step.name}.${rest}`;
      item = step.item;
    }
    if (back === undefined) return undefined;
    for (let [item, begun] = [from, ''], length = 0; length < PATH_SIZE / 2; length++) {
      const step = this.step(from, item.way);
      if (step === undefined) return undefined;
      begun = begun === '' ? step.name : `${begun}.${step.name}`;
      item = step.peer.item;
      const rest = back.get(item);
      if (rest === undefined) continue;
      const path = rest === '' ? begun : `${begun}.${rest}`;
      return fits(path) ? path : undefined;
    }
    return undefined;
  }

  /** A hook if it is one that a path from somewhere can go through. */
  private step(from: Item, end: End | undefined): End | undefined {
    if (end === undefined || !isStep(end.name) || end.item.hook(end.name) !== end) return undefined;
    const isOpen = ({ item }: End): boolean => this.jails.mayEnter(from.place.vnet, item.place.vnet);
    return isOpen(end) && isOpen(end.peer) ? end : undefined;
  }

  /** Searches from the end, since most nodes have a name or are next to one that has. */
  private search(from: Item, to: Item): string | undefined {
    const queue: { item: Item; rest: string }[] = [{ item: to, rest: '' }];
    const seen = new Set([to]);
    let effort = EFFORT;
    for (const { item, rest } of queue) {
      const path = this.start(from, item, rest);
      if (path !== undefined) return fits(path) ? path : undefined;
      if (!fits(rest)) return undefined;
      for (const { peer } of item.hooks()) {
        if (effort-- === 0) return undefined;
        if (seen.has(peer.item) || this.step(from, peer) === undefined) continue;
        seen.add(peer.item);
        queue.push({ item: peer.item, rest: rest === '' ? peer.name : `${peer.name}.${rest}` });
      }
    }
    return undefined;
  }

  /** The path when it starts with this node, if it can. */
  private start(from: Item, item: Item, rest: string): string | undefined {
    if (item === from) return rest === '' ? '.' : item === this.here ? `.:${rest}` : rest;
    const isNamed = item.place === from.place && isWord(item.name);
    return isNamed ? `${item.name}:${rest}` : undefined;
  }

  /** The fields are those of the message, which come in the same order as the words of ngctl. */
  private command(name: string, path: string, fields: Record<string, string>): void {
    const words = 'path' in fields ? [fields.path, fields.ourhook, fields.peerhook] : Object.values(fields);
    if (words.every(isWord)) this.lines.push([name, path, ...words].join(' '));
    else {
      const args = Object.entries(fields).map(([field, value]) => `${field}=${quoted(value)}`);
      this.lines.push(`msg ${path} ${name} { ${args.join(' ')} }`);
    }
  }

  private cut(end: End): void {
    for (const one of [end, end.peer]) {
      one.item.remove(one);
      if (one.item.way === one) one.item.way = undefined;
      const [, stem, number] = (one.item === this.here && /^([a-z]+)(\d+)$/.exec(one.name)) || [];
      if (stem !== undefined) this.nextHook.set(stem, Math.min(this.nextHook.get(stem) ?? 1, Number(number)));
    }
  }
}
