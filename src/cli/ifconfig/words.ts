/** The words behind an interface's name, ifconfig(8). */

import { IFF } from '../../linux/rtnetlink.js';
import { fail } from '../command.js';
import { parseEther, parseIPv4, parseIPv6, prefixOf } from './address.js';

export type Family = 'inet' | 'inet6' | 'ether';

/** What to do with an address of an interface. */
export interface AddressAction {
  do: 'address';
  family: 'inet' | 'inet6';
  /** `set` takes the place of the first IPv4 address, `alias` stands beside those that are there. */
  how: 'set' | 'alias' | 'remove';
  /** Without one, `remove` takes the first. */
  address?: Uint8Array;
  prefix?: number;
  broadcast?: Uint8Array;
  peer?: Uint8Array;
  noDad?: boolean;
}

export type Action =
  | AddressAction
  | { do: 'flag'; word: string; flag: number; on: boolean }
  | { do: 'name'; name: string }
  | { do: 'mtu'; mtu: number }
  /** `random` stands for an address that nobody gave out. */
  | { do: 'ether'; address: Uint8Array | 'random' }
  | { do: 'description'; text: string }
  | { do: 'vnet'; jail: string }
  | { do: 'reclaim'; jail: string }
  | { do: 'destroy' };

const FAMILIES: Readonly<Record<string, Family>> = {
  inet: 'inet',
  inet6: 'inet6',
  ether: 'ether',
  link: 'ether',
  lladdr: 'ether',
};

/** The address family of a name, if it is one. */
export const familyOf = (word: string): Family | undefined =>
  Object.hasOwn(FAMILIES, word) ? FAMILIES[word] : undefined;

const SWITCHES: Readonly<Record<string, readonly [flag: number, on: boolean]>> = {
  up: [IFF.UP, true],
  down: [IFF.UP, false],
  arp: [IFF.NOARP, false],
  '-arp': [IFF.NOARP, true],
  promisc: [IFF.PROMISC, true],
  '-promisc': [IFF.PROMISC, false],
};

/** Offloads, which people switch off for bridges. Here frames keep what describes them, so they may stay as they are. */
const CAPABILITY =
  /^-?(rxcsum6?|txcsum6?|tso[46]?|lro|vlanmtu|vlanhwtag|vlanhwfilter|vlanhwtso|vlanhwcsum|polling|toe[46]?|wol(_\w+)?)$/;

const ALIAS: Readonly<Record<string, AddressAction['how']>> = {
  alias: 'alias',
  add: 'alias',
  '-alias': 'remove',
  delete: 'remove',
  remove: 'remove',
};

/** Reads words into what they ask for, in order; addresses come last, as their parts are spread over the line. */
class Reader {
  readonly actions: Action[] = [];
  private pending: AddressAction | undefined;
  private readonly words: string[];

  constructor(
    words: readonly string[],
    private family: Family,
  ) {
    this.words = [...words];
  }

  read(): Action[] {
    for (let word = this.words.shift(); word !== undefined; word = this.words.shift()) this.take(word);
    this.flush();
    return this.actions;
  }

  private take(word: string): void {
    if (Object.hasOwn(SWITCHES, word)) {
      const [flag, on] = SWITCHES[word];
      this.actions.push({ do: 'flag', word, flag, on });
    } else if (Object.hasOwn(ALIAS, word)) {
      this.address(word).how = ALIAS[word];
    } else if (Object.hasOwn(this.verbs, word)) {
      this.verbs[word](word);
    } else if (familyOf(word) !== undefined) {
      this.flush();
      this.family = familyOf(word)!;
    } else if (!CAPABILITY.test(word)) {
      this.bare(word);
    }
  }

  private readonly verbs: Readonly<Record<string, (word: string) => void>> = {
    name: (word) => this.actions.push({ do: 'name', name: this.next(word) }),
    mtu: (word) => this.actions.push({ do: 'mtu', mtu: this.number(word) }),
    description: (word) => this.actions.push({ do: 'description', text: this.next(word) }),
    descr: (word) => this.actions.push({ do: 'description', text: this.next(word) }),
    '-description': () => this.actions.push({ do: 'description', text: '' }),
    '-descr': () => this.actions.push({ do: 'description', text: '' }),
    vnet: (word) => this.actions.push({ do: 'vnet', jail: this.next(word) }),
    '-vnet': (word) => this.actions.push({ do: 'reclaim', jail: this.next(word) }),
    destroy: () => this.actions.push({ do: 'destroy' }),
    unplumb: () => this.actions.push({ do: 'destroy' }),
    netmask: (word) => {
      const text = this.next(word);
      this.address(word).prefix = prefixOf(parseIPv4(text) ?? badValue(text)) ?? badValue(text);
    },
    prefixlen: (word) => {
      this.address(word).prefix = prefixLength(this.next(word), 128);
    },
    broadcast: (word) => {
      const text = this.next(word);
      this.address(word).broadcast = parseIPv4(text) ?? badValue(text);
    },
    no_dad: (word) => {
      this.address(word).noDad = true;
    },
    // Linux has no metric of an interface and no media to choose on what is virtual.
    metric: (word) => void this.number(word),
    media: (word) => void this.next(word),
    mediaopt: (word) => void this.next(word),
  };

  /** A word without a meaning of its own is an address, a second one that of the other end. */
  private bare(word: string): void {
    if (this.family === 'ether') {
      const address = word === 'random' ? 'random' : parseEther(word);
      this.actions.push({ do: 'ether', address: address ?? fail(1, 'malformed link-level address') });
      this.family = 'inet';
      return;
    }
    const [text, length, ...more] = word.split('/');
    const bytes = this.family === 'inet' ? parseIPv4(text) : parseIPv6(text);
    if (bytes === undefined || more.length > 0) badValue(word);
    const address = this.address(word);
    if (address.address !== undefined) {
      if (address.peer !== undefined || length !== undefined) badValue(word);
      address.peer = bytes;
      return;
    }
    address.address = bytes;
    if (length !== undefined) address.prefix = prefixLength(length, this.family === 'inet' ? 32 : 128, word);
  }

  /** The address that is being put together. */
  private address(word: string): AddressAction {
    if (this.family === 'ether') badValue(word);
    this.pending ??= { do: 'address', family: this.family, how: 'set' };
    return this.pending;
  }

  private flush(): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending === undefined) return;
    if (pending.address === undefined && pending.how !== 'remove')
      fail(1, `${pending.family}: no address given`);
    this.actions.push(pending);
  }

  private next(word: string): string {
    return this.words.shift() ?? fail(1, `'${word}' requires argument`);
  }

  private number(word: string): number {
    const text = this.next(word);
    return /^\d{1,9}$/.test(text) ? Number(text) : badValue(text);
  }
}

function prefixLength(text: string, most: number, word = text): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  return value <= most
    ? value
    : fail(1, `${word}: bad value (width ${value > most ? 'too large' : 'invalid'})`);
}

function badValue(word: string): never {
  return fail(1, `${word}: bad value`);
}

/** What the words behind an interface's name ask for. */
export const readWords = (words: readonly string[], family: Family = 'inet'): Action[] =>
  new Reader(words, family).read();
