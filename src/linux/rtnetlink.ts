/** Interfaces and addresses of a network namespace: rtnetlink(7). */
import { randomInt } from 'node:crypto';
import { NgError } from '../netgraph/errors.js';
import { attempt, type Netns, native } from './native.js';
import {
  type Answer,
  attribute,
  attributes,
  bytesOf,
  check,
  Interrupted,
  LITTLE,
  type Message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  pack,
  Request,
  sort,
  stringOf,
  uint32,
} from './nlmsg.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWNSID = 88;
export const RTM_DELNSID = 89;
const RTM_GETNSID = 90;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;

/** IFF_* of Linux, <linux/if.h>. */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  POINTOPOINT: 0x10,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  LOWER_UP: 0x10000,
} as const;
/** IFA_F_* of Linux, <linux/if_addr.h>. */
export const IFA_F = {
  TEMPORARY: 0x1,
  NODAD: 0x2,
  DADFAILED: 0x8,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
} as const;
const AF_INET = 2;
const AF_INET6 = 10;
const INFOMSG = 16;
const ADDRMSG = 8;
const NSMSG = 4;
/** Dumps that links changed under are asked for this often before giving up. */
const ATTEMPTS = 10;

/** What the system knows of an interface. */
export interface Link {
  index: number;
  name: string;
  /** IFF. */
  flags: number;
  up: boolean;
  /** Carrier: IFF_LOWER_UP. */
  lowerUp: boolean;
  /** Bytes. */
  mtu: number;
  /** Hardware address, 6 bytes for Ethernet. */
  address: Uint8Array;
  /** ARPHRD_*: 1 is Ethernet, 772 loopback. */
  type: number;
  /** 'tun', 'veth', 'bridge'; '' for what has no kind. */
  kind: string;
  group: number;
  alias: string;
  /** Index of the bridge or bond that it belongs to, or 0. */
  master: number;
}

/** An address of an interface. */
export interface Address {
  index: number;
  family: 'inet' | 'inet6';
  /** 4 or 16 bytes in network order. */
  address: Uint8Array;
  prefix: number;
  broadcast?: Uint8Array;
  /** The other end of a point-to-point interface. */
  peer?: Uint8Array;
  /** IFA_F. */
  flags?: number;
}

/** What can be set of an interface. */
export interface LinkChanges {
  up?: boolean;
  name?: string;
  mtu?: number;
  address?: Uint8Array;
  /** A descriptor of the namespace to move to. */
  netns?: number;
  group?: number;
  alias?: string;
}

function infomsg(index: number, flags = 0, mask = 0): Uint8Array {
  const bytes = new Uint8Array(INFOMSG);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, LITTLE);
  view.setUint32(8, flags, LITTLE);
  view.setUint32(12, mask, LITTLE);
  return bytes;
}

/** @internal reads RTM_NEWLINK and RTM_DELLINK */
export function parseLink({ body }: Message): Link {
  const found = attributes(body, INFOMSG);
  const flags = body.getUint32(8, LITTLE);
  const info = found.get(IFLA_LINKINFO);
  return {
    index: body.getInt32(4, LITTLE),
    name: stringOf(found.get(IFLA_IFNAME)),
    flags,
    up: (flags & IFF.UP) !== 0,
    lowerUp: (flags & IFF.LOWER_UP) !== 0,
    mtu: found.get(IFLA_MTU)?.getUint32(0, LITTLE) ?? 0,
    address: bytesOf(found.get(IFLA_ADDRESS)),
    type: body.getUint16(2, LITTLE),
    kind: info === undefined ? '' : stringOf(attributes(info, 0).get(IFLA_INFO_KIND)),
    group: found.get(IFLA_GROUP)?.getUint32(0, LITTLE) ?? 0,
    alias: stringOf(found.get(IFLA_IFALIAS)),
    master: found.get(IFLA_MASTER)?.getUint32(0, LITTLE) ?? 0,
  };
}

/** @internal reads RTM_NEWADDR and RTM_DELADDR */
export function parseAddress({ body }: Message): Address {
  const found = attributes(body, ADDRMSG);
  // On a point-to-point interface IFA_ADDRESS is the peer's.
  const peer = bytesOf(found.get(IFA_ADDRESS));
  const local = found.has(IFA_LOCAL) ? bytesOf(found.get(IFA_LOCAL)) : peer;
  const address: Address = {
    index: body.getInt32(4, LITTLE),
    family: body.getUint8(0) === AF_INET ? 'inet' : 'inet6',
    address: local,
    prefix: body.getUint8(1),
    // The byte in the fixed part holds the lower ones only.
    flags: found.get(IFA_FLAGS)?.getUint32(0, LITTLE) ?? body.getUint8(2),
  };
  if (Buffer.compare(local, peer) !== 0) address.peer = peer;
  const broadcast = found.get(IFA_BROADCAST);
  if (broadcast !== undefined) address.broadcast = bytesOf(broadcast);
  return address;
}

/** @internal the ID in the fixed part's attributes of an RTM_NEWNSID or RTM_DELNSID */
export const parseNsid = ({ body }: Message): number =>
  attributes(body, NSMSG).get(NETNSA_NSID)?.getInt32(0, LITTLE) ?? -1;

/**
 * The interfaces of one namespace. Holds no socket: every call opens one there and closes it, so that nothing here
 * keeps the namespace alive. Calls are synchronous and take some 20 µs; they throw NgErrors with the kernel's reason.
 */
export class Rtnetlink {
  constructor(private readonly netns: Netns) {}

  links(): Link[] {
    const request = () =>
      new Request(RTM_GETLINK, NLM_F_DUMP, infomsg(0)).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return this.dump('list interfaces', request).map(parseLink);
  }

  /** One interface by name or index, or undefined when there is none. */
  link(which: string | number): Link | undefined {
    return this.linksOf([which])[0];
  }

  /** Several interfaces in one system call; those that do not exist are undefined. */
  linksOf(which: (string | number)[]): (Link | undefined)[] {
    if (which.length === 0) return [];
    const requests = which.map((one) => {
      const request = new Request(RTM_GETLINK, NLM_F_ACK, infomsg(typeof one === 'number' ? one : 0));
      if (typeof one === 'string') request.string(IFLA_IFNAME, one);
      return request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    });
    const answer = this.send('find an interface', requests);
    const links = new Array<Link | undefined>(which.length).fill(undefined);
    for (const message of answer.messages) links[message.sequence] = parseLink(message);
    for (const error of answer.errors.values()) {
      if (error.code !== 'ENODEV') throw NgError.fromSystem(error, 'find an interface');
    }
    return links;
  }

  /** All addresses, or those of one interface. */
  addresses(index = 0): Address[] {
    const fixed = new Uint8Array(ADDRMSG);
    fixed.set(uint32(index), 4);
    const found = this.dump('list addresses', () => new Request(RTM_GETADDR, NLM_F_DUMP, fixed)).map(
      parseAddress,
    );
    // Kernels before 5.0 do not filter.
    return index === 0 ? found : found.filter((address) => address.index === index);
  }

  setLink(index: number, changes: LinkChanges): void {
    check(this.send(`interface ${index}`, [setLinkRequest(index, changes)]), `interface ${index}`);
  }

  /** Sets or clears the flags of IFF that are in `mask`. */
  setFlags(index: number, flags: number, mask: number): void {
    const what = `interface ${index}`;
    check(this.send(what, [new Request(RTM_SETLINK, NLM_F_ACK, infomsg(index, flags, mask))]), what);
  }

  /** Makes a virtual interface; a veth has its other end as peer. */
  createLink(name: string, kind: string, peer?: string): void {
    const info = [attribute(IFLA_INFO_KIND, Buffer.from(kind))];
    if (peer !== undefined) {
      const other = Buffer.concat([infomsg(0), attribute(IFLA_IFNAME, Buffer.from(`${peer}\0`))]);
      info.push(attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, other)));
    }
    const what = `interface ${name}`;
    const request = new Request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, infomsg(0))
      .string(IFLA_IFNAME, name)
      .attribute(IFLA_LINKINFO, Buffer.concat(info));
    check(this.send(what, [request]), what);
  }

  deleteLink(index: number): void {
    const what = `interface ${index}`;
    check(this.send(what, deleteRequests([index])), what);
  }

  addAddress(address: Address): void {
    const what = `address on interface ${address.index}`;
    check(this.send(what, [addressRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address)]), what);
  }

  deleteAddress(address: Address): void {
    const what = `address on interface ${address.index}`;
    check(this.send(what, [addressRequest(RTM_DELADDR, 0, address)]), what);
  }

  /**
   * The ID by which this namespace knows another, which is given one if it had none. Messages of that namespace
   * come with it to a netlinkMonitor. When it ends another may be given the same one.
   */
  idOf(netns: number): { id: number; isNew: boolean } {
    const what = 'namespace ID';
    const fixed = new Uint8Array(NSMSG);
    const allot = new Request(RTM_NEWNSID, NLM_F_ACK, fixed)
      .u32(NETNSA_FD, netns)
      .u32(NETNSA_NSID, 0xffffffff);
    const ask = new Request(RTM_GETNSID, NLM_F_ACK, fixed).u32(NETNSA_FD, netns);
    const answer = this.send(what, [allot, ask]);
    const isNew = answer.errors.get(0)?.code !== 'EEXIST';
    if (!isNew) answer.errors.delete(0);
    check(answer, what);
    return { id: parseNsid(answer.messages[0]!), isNew };
  }

  /** Whether a namespace has the ID now. */
  hasId(id: number): boolean {
    const ask = new Request(RTM_GETNSID, NLM_F_ACK, new Uint8Array(NSMSG)).u32(NETNSA_NSID, id);
    return this.send('namespace ID', [ask]).errors.size === 0;
  }

  private send(what: string, requests: Request[]): Answer {
    return sort(attempt(what, () => native.netlinkRequest(this.netns, pack(requests))));
  }

  private dump(what: string, request: () => Request): Message[] {
    for (let left = ATTEMPTS; ; left--) {
      try {
        return check(this.send(what, [request()]), what).messages;
      } catch (error) {
        if (!(error instanceof Interrupted) || left === 0) throw error;
      }
    }
  }
}

function setLinkRequest(index: number, changes: LinkChanges): Request {
  const flags = changes.up ? IFF.UP : 0;
  const request = new Request(
    RTM_SETLINK,
    NLM_F_ACK,
    infomsg(index, flags, changes.up === undefined ? 0 : IFF.UP),
  );
  if (changes.name !== undefined) request.string(IFLA_IFNAME, changes.name);
  if (changes.mtu !== undefined) request.u32(IFLA_MTU, changes.mtu);
  if (changes.address !== undefined) request.attribute(IFLA_ADDRESS, changes.address);
  if (changes.netns !== undefined) request.u32(IFLA_NET_NS_FD, changes.netns);
  if (changes.group !== undefined) request.u32(IFLA_GROUP, changes.group);
  // Without its NUL: the kernel stores the bytes as they are.
  if (changes.alias !== undefined) request.attribute(IFLA_IFALIAS, Buffer.from(changes.alias));
  return request;
}

/** Several at once go as a group, for which the kernel waits once instead of for each: 32 ms for 100. */
function deleteRequests(indexes: number[]): Request[] {
  if (indexes.length === 1) return [new Request(RTM_DELLINK, NLM_F_ACK, infomsg(indexes[0]!))];
  const group = randomInt(0x10000, 0x7fffffff); // one that nobody else uses
  const requests = indexes.map((index) => setLinkRequest(index, { group }));
  requests.push(new Request(RTM_DELLINK, NLM_F_ACK, infomsg(0)).u32(IFLA_GROUP, group));
  return requests;
}

/** Deletes interfaces of one or more namespaces on the pool. Those that are gone already are no error. */
export async function deleteLinks(list: { netns: Netns; indexes: number[] }[]): Promise<void> {
  const requests = list.map(({ netns, indexes }) => ({ netns, requests: pack(deleteRequests(indexes)) }));
  for (const bytes of await native.netlinkRequestAsync(requests)) {
    for (const error of sort(bytes).errors.values()) {
      if (error.code !== 'ENODEV') throw NgError.fromSystem(error, 'delete interfaces');
    }
  }
}

function addressRequest(type: number, flags: number, address: Address): Request {
  const fixed = new Uint8Array(ADDRMSG);
  fixed[0] = address.family === 'inet' ? AF_INET : AF_INET6;
  fixed[1] = address.prefix;
  fixed.set(uint32(address.index), 4);
  const request = new Request(type, flags | NLM_F_ACK, fixed)
    .attribute(IFA_LOCAL, address.address)
    .attribute(IFA_ADDRESS, address.peer ?? address.address);
  if (address.broadcast !== undefined) request.attribute(IFA_BROADCAST, address.broadcast);
  if (address.flags) request.u32(IFA_FLAGS, address.flags);
  return request;
}
