/** What ifconfig needs of rtnetlink(7) beyond what the rest of us does. */

import { attempt, type Netns, native } from '../../linux/native.js';
import {
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
} from '../../linux/nlmsg.js';
import {
  type Address,
  type Link,
  parseAddress,
  parseLink,
  RTM_DELLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from '../../linux/rtnetlink.js';

const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const INFOMSG = 16;
const ADDRMSG = 8;
const AF_INET = 2;
const AF_INET6 = 10;
/** So often a listing is begun anew because something changed meanwhile. */
const ATTEMPTS = 10;

/** IFF_* of Linux, <linux/if.h>. */
export const IFF = { UP: 0x1, NOARP: 0x80, PROMISC: 0x100, ALLMULTI: 0x200 } as const;
/** IFA_F_* of Linux, <linux/if_addr.h>. */
export const IFA_F = {
  TEMPORARY: 0x1,
  NODAD: 0x2,
  DADFAILED: 0x8,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
} as const;

export interface FullLink extends Link {
  /** IFF_* of Linux. */
  flags: number;
}

export interface FullAddress extends Address {
  /** The other end of a point-to-point interface. */
  peer?: Uint8Array;
  /** IFA_F_* of Linux. */
  flags: number;
}

/** The interfaces of one namespace. */
export class Kernel {
  constructor(readonly netns: Netns) {}

  links(): FullLink[] {
    const request = () =>
      new Request(RTM_GETLINK, NLM_F_DUMP, infomsg(0)).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return this.dump('list interfaces', request).map((message) => ({
      ...parseLink(message),
      flags: message.body.getUint32(8, LITTLE),
    }));
  }

  /** The addresses of all interfaces, in the order in which they were given. */
  addresses(): FullAddress[] {
    const request = () => new Request(RTM_GETADDR, NLM_F_DUMP, new Uint8Array(ADDRMSG));
    return this.dump('list addresses', request).map(fullAddress);
  }

  addAddress(address: FullAddress): void {
    const fixed = new Uint8Array(ADDRMSG);
    fixed[0] = address.family === 'inet' ? AF_INET : AF_INET6;
    fixed[1] = address.prefix;
    new DataView(fixed.buffer).setUint32(4, address.index, LITTLE);
    const request = new Request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, fixed)
      .attribute(IFA_LOCAL, address.address)
      .attribute(IFA_ADDRESS, address.peer ?? address.address);
    if (address.broadcast !== undefined) request.attribute(IFA_BROADCAST, address.broadcast);
    if (address.flags !== 0) request.u32(IFA_FLAGS, address.flags);
    this.send('address', request);
  }

  setFlags(index: number, flags: number, mask: number): void {
    this.send(`interface ${index}`, new Request(RTM_NEWLINK, NLM_F_ACK, infomsg(index, flags, mask)));
  }

  /** Makes a virtual interface; a veth has its other end as peer. */
  create(name: string, kind: string, peer?: string): void {
    const info = [attribute(IFLA_INFO_KIND, Buffer.from(kind))];
    if (peer !== undefined) {
      const other = Buffer.concat([infomsg(0), attribute(IFLA_IFNAME, Buffer.from(`${peer}\0`))]);
      info.push(attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, other)));
    }
    const request = new Request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, infomsg(0))
      .string(IFLA_IFNAME, name)
      .attribute(IFLA_LINKINFO, Buffer.concat(info));
    this.send(`interface ${name}`, request);
  }

  destroy(index: number): void {
    this.send(`interface ${index}`, new Request(RTM_DELLINK, NLM_F_ACK, infomsg(index)));
  }

  private send(what: string, request: Request): Message[] {
    return check(sort(attempt(what, () => native.netlinkRequest(this.netns, pack([request])))), what)
      .messages;
  }

  private dump(what: string, request: () => Request): Message[] {
    for (let left = ATTEMPTS; ; left--) {
      try {
        return this.send(what, request());
      } catch (error) {
        if (!(error instanceof Interrupted) || left === 0) throw error;
      }
    }
  }
}

function fullAddress(message: Message): FullAddress {
  const found = attributes(message.body, ADDRMSG);
  const address: FullAddress = {
    ...parseAddress(message),
    // The byte in the fixed part holds the lower ones only.
    flags: found.get(IFA_FLAGS)?.getUint32(0, LITTLE) ?? message.body.getUint8(2),
  };
  const local = found.get(IFA_LOCAL);
  const peer = bytesOf(found.get(IFA_ADDRESS));
  if (local !== undefined && Buffer.compare(bytesOf(local), peer) !== 0) address.peer = peer;
  return address;
}

function infomsg(index: number, flags = 0, mask = 0): Uint8Array {
  const bytes = new Uint8Array(INFOMSG);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, LITTLE);
  view.setUint32(8, flags, LITTLE);
  view.setUint32(12, mask, LITTLE);
  return bytes;
}

/** An attribute for inside another one. */
function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
  view.setUint16(0, 4 + value.length, LITTLE);
  view.setUint16(2, type, LITTLE);
  bytes.set(value, 4);
  return bytes;
}
