/** Does to an interface what ifconfig(8) was told. */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { type Address, IFA_F, IFF, type Link, type LinkChanges, Rtnetlink } from '../../linux/rtnetlink.js';
import { NgError, strerror } from '../../netgraph/errors.js';
import type { JailStatus } from '../../protocol/index.js';
import { fail } from '../command.js';
import { netnsOf } from '../system.js';
import { broadcastOf, classPrefix, isLinkLocal } from './address.js';
import { isLoopback, splitAlias } from './show.js';
import type { Action, AddressAction } from './words.js';

const NAME_MAX = 15;

export interface Context {
  /** Path of the network namespace. */
  netns: string;
  findJail(nameOrId: string): Promise<JailStatus>;
  warn(text: string): void;
}

/** What the kernel refused, in the words of FreeBSD's ifconfig, and Linux's reason if it gave one. */
export function refuse(what: string, error: unknown): never {
  if (!(error instanceof NgError)) throw error;
  const reason = error.message.match(/: E[A-Z0-9]+: (.*)$/)?.[1];
  return fail(1, `${what}: ${strerror(error.errno)}${reason === undefined ? '' : ` (${reason})`}`);
}

const same = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  b !== undefined && Buffer.compare(a, b) === 0;

/** One interface under change. Its index stays what it is whatever its name becomes. */
export class Interface {
  /** Whether the name shall be printed in the end: it is a new one. */
  renamed = false;
  private readonly kernel: Rtnetlink;

  constructor(
    private readonly context: Context,
    private readonly index: number,
    public name: string,
  ) {
    this.kernel = new Rtnetlink(context.netns);
  }

  async apply(actions: readonly Action[]): Promise<void> {
    for (const action of actions) await this.one(action);
  }

  private async one(action: Action): Promise<void> {
    switch (action.do) {
      case 'flag':
        this.try(action.word, () =>
          this.kernel.setFlags(this.index, action.on ? action.flag : 0, action.flag),
        );
        break;
      case 'name':
        this.rename(action.name);
        break;
      case 'mtu':
        this.set('ioctl (set mtu)', { mtu: action.mtu });
        break;
      case 'description':
        this.set('ioctl (set descr)', {
          alias: `${splitAlias(this.link().alias).mark} ${action.text}`.trim(),
        });
        break;
      case 'ether':
        this.setEvenIfUp('ioctl (set lladdr)', {
          address: action.address === 'random' ? randomEther() : action.address,
        });
        break;
      case 'vnet':
        this.move(await this.context.findJail(action.jail));
        break;
      case 'reclaim':
        // One of that name is here; the kernel says so.
        await reclaim(this.context, this.name, action.jail);
        break;
      case 'destroy':
        this.try('SIOCIFDESTROY', () => this.kernel.deleteLink(this.index));
        break;
      case 'address':
        if (action.how === 'remove') this.removeAddress(action);
        else this.addAddress(action);
    }
  }

  private rename(name: string): void {
    if (name.length > NAME_MAX || name === '') fail(1, `${name}: interface name too long`);
    if (name !== this.name) this.setEvenIfUp('ioctl (set name)', { name });
    this.name = name;
    this.renamed = true;
  }

  private move(jail: JailStatus): void {
    const netns = openSync(netnsOf(jail), 'r');
    try {
      this.set('SIOCSIFVNET', { netns });
    } finally {
      closeSync(netns);
    }
  }

  private set(what: string, changes: LinkChanges): void {
    this.try(what, () => this.kernel.setLink(this.index, changes));
  }

  /** Sets what some kernels and drivers (names before Linux 6.3) only let change while the interface is down. */
  private setEvenIfUp(what: string, changes: LinkChanges): void {
    try {
      this.kernel.setLink(this.index, changes);
    } catch (error) {
      if (!(error instanceof NgError) || error.code !== 'EBUSY' || !(this.link().flags & IFF.UP))
        refuse(what, error);
      const before = this.addresses();
      this.try(what, () => {
        this.kernel.setLink(this.index, { up: false });
        try {
          this.kernel.setLink(this.index, changes);
        } finally {
          this.kernel.setLink(this.index, { up: true });
          this.restore(before);
        }
      });
    }
  }

  private addAddress(action: AddressAction): void {
    const { family, address } = action;
    const link = this.link();
    const wanted: Address = {
      index: this.index,
      family,
      address: address!,
      prefix: action.prefix ?? (family === 'inet' ? this.guessPrefix(link, address!) : 64),
      flags: action.noDad ? IFA_F.NODAD : 0,
    };
    if (action.peer !== undefined) wanted.peer = action.peer;
    if (family === 'inet' && link.flags & IFF.BROADCAST && action.peer === undefined && wanted.prefix < 31)
      wanted.broadcast = action.broadcast ?? broadcastOf(address!, wanted.prefix);
    const old = this.addresses().filter((one) => one.family === family);
    const present = old.find((one) => same(one.address, address));
    if (family === 'inet' && action.how === 'set' && old[0] !== undefined && old[0] !== present)
      this.deleteAddress(old[0]);
    // FreeBSD takes an address that is there already as one to be changed.
    if (present === undefined || present.prefix !== wanted.prefix || !sameEnds(present, wanted)) {
      if (present !== undefined) this.deleteAddress(present);
      this.try('ioctl (SIOCAIFADDR)', () => this.kernel.addAddress(wanted));
    }
    // ether_ioctl(9): an interface with an address is meant to be used.
    this.try('up', () => this.kernel.setFlags(this.index, IFF.UP, IFF.UP));
  }

  private guessPrefix(link: Link, address: Uint8Array): number {
    if (isLoopback(link)) return 8;
    if (link.flags & IFF.POINTOPOINT) return 32;
    this.context.warn(
      'WARNING: setting interface address without mask is deprecated,\ndefault mask may not be correct.',
    );
    return classPrefix(address);
  }

  private removeAddress({ family, address }: AddressAction): void {
    const old = this.addresses().filter((one) => one.family === family);
    const found = address === undefined ? old[0] : old.find((one) => same(one.address, address));
    if (found === undefined) fail(1, `ioctl (SIOCDIFADDR): ${new NgError('EADDRNOTAVAIL').message}`);
    this.deleteAddress(found);
  }

  /** Linux drops the other addresses of a network together with the first one: they are given back. */
  private deleteAddress(address: Address): void {
    const before = this.addresses().filter((one) => !same(one.address, address.address));
    this.try('ioctl (SIOCDIFADDR)', () => this.kernel.deleteAddress(address));
    this.restore(before);
  }

  /** Gives back what got lost of addresses; the link-local ones come back by themselves. */
  private restore(before: Address[]): void {
    const now = this.addresses();
    for (const one of before) {
      if (now.some((other) => same(one.address, other.address)) || isLinkLocal(one.address)) continue;
      const { index, family, address, prefix, broadcast, peer } = one;
      this.try('ioctl (SIOCAIFADDR)', () =>
        this.kernel.addAddress({ index, family, address, prefix, broadcast, peer, flags: 0 }),
      );
    }
  }

  private link(): Link {
    return this.kernel.link(this.index) ?? fail(1, `interface ${this.name} does not exist`);
  }

  private addresses(): Address[] {
    return this.kernel.addresses(this.index);
  }

  private try(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      refuse(what, error);
    }
  }
}

function sameEnds(a: Address, b: Address): boolean {
  const text = ({ broadcast, peer }: Address) => `${broadcast ?? ''} ${peer ?? ''}`;
  return text(a) === text(b);
}

/** Locally administered, for one station. */
function randomEther(): Uint8Array {
  const address = new Uint8Array(randomBytes(6));
  address[0] = (address[0] & 0xfc) | 0x02;
  return address;
}

/** Brings an interface back from a jail, `-vnet`. */
export async function reclaim(context: Context, name: string, jailName: string): Promise<void> {
  const jail = await context.findJail(jailName);
  const there = new Rtnetlink(netnsOf(jail));
  const link = there.link(name) ?? fail(1, `SIOCSIFRVNET (${jail.jid}, ${name}): Device not configured`);
  const netns = openSync(context.netns, 'r');
  try {
    there.setLink(link.index, { netns });
  } catch (error) {
    refuse(`SIOCSIFRVNET (${jail.jid}, ${name})`, error);
  } finally {
    closeSync(netns);
  }
}
