import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { NgError } from '../netgraph/errors.js';
import { attempt, type Netns, native } from './native.js';
import { messages } from './nlmsg.js';
import type { Reactor } from './reactor.js';
import {
  type Address,
  type Link,
  parseAddress,
  parseLink,
  parseNsid,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNSID,
  RTM_NEWADDR,
  RTM_NEWLINK,
  Rtnetlink,
} from './rtnetlink.js';

const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;
const RTNLGRP_NSID = 28;

/** After events were lost: how long to look around in one go, and to wait before doing so again, in milliseconds. */
const SLICE = 2;
const PAUSE = 1000;

/** What happens in a namespace. All are told after the fact, in order. */
export interface NamespaceEvents {
  /** An interface came or changed. */
  link?(link: Link): void;
  /** An interface was deleted, or moved to another namespace. */
  linkRemoved?(link: Link): void;
  address?(address: Address): void;
  addressRemoved?(address: Address): void;
  /** Events were lost: read the state anew. */
  overrun?(): void;
  /** The namespace is no more. */
  end?(): void;
}

/**
 * Tells what happens to interfaces and addresses, in any number of namespaces through one socket.
 *
 * The socket is in a namespace of its own, where those that are watched get an ID; sockets in the watched ones would
 * keep them alive, and IDs given in the host's namespace would show up in `ip netns`.
 */
export class Monitor {
  private lookout: number;
  private readonly ids: Rtnetlink;
  private readonly listeners = new Map<number, Set<NamespaceEvents>>();
  private readonly stop: () => void;
  /** Events were lost since everybody was told so the last time. */
  private lost = false;
  private telling = false;

  constructor(reactor: Reactor) {
    const groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID];
    this.lookout = attempt('namespace monitor', () => native.netnsAnonymous());
    this.ids = new Rtnetlink(this.lookout);
    const socket = attempt('namespace monitor', () => native.netlinkMonitor(this.lookout, groups));
    this.stop = reactor.watch(socket, (bytes, nsid, overrun) => {
      if (overrun) void this.tellOverrun();
      else if (bytes !== null) this.tell(bytes, nsid);
    });
  }

  /** Watches a namespace. @returns what ends the watch */
  watch(netns: Netns, events: NamespaceEvents): () => void {
    if (this.lookout < 0) throw new NgError('ESHUTDOWN', 'the namespace monitor is closed');
    const fd = typeof netns === 'number' ? netns : attempt('namespace', () => openSync(netns, 'r'));
    let nsid: number;
    try {
      const { id, isNew } = this.ids.idOf(fd);
      if (isNew) this.end(id); // of another that had it, whose end we have not heard of yet
      nsid = id;
    } finally {
      if (fd !== netns) closeSync(fd);
    }
    const set = this.listeners.get(nsid) ?? new Set();
    this.listeners.set(nsid, set.add(events));
    return () => {
      set.delete(events);
      if (set.size === 0 && this.listeners.get(nsid) === set) this.listeners.delete(nsid);
    };
  }

  close(): void {
    if (this.lookout < 0) return;
    this.stop();
    for (const set of this.listeners.values()) set.clear();
    this.listeners.clear();
    closeSync(this.lookout);
    this.lookout = -1;
  }

  /**
   * Whose events were lost the kernel does not say, so all have to look; but a jail may have it happen as often as it
   * likes, so they do it little by little, and once in a while.
   */
  private async tellOverrun(): Promise<void> {
    this.lost = true;
    if (this.telling) return;
    this.telling = true;
    while (this.lost) {
      this.lost = false;
      let end = performance.now() + SLICE;
      for (const set of [...this.listeners.values()])
        for (const events of [...set]) {
          if (performance.now() > end) {
            await turn();
            end = performance.now() + SLICE;
          }
          if (set.has(events)) events.overrun?.();
        }
      await sleep(PAUSE, undefined, { ref: false });
    }
    this.telling = false;
  }

  private tell(bytes: Uint8Array, nsid: number): void {
    for (const message of messages(bytes)) {
      if (message.type === RTM_DELNSID && nsid === -1) {
        const id = parseNsid(message);
        // By the time one hears of it the ID may be that of another namespace.
        if (!this.ids.hasId(id)) this.end(id);
        continue;
      }
      const set = this.listeners.get(nsid);
      if (set === undefined) continue;
      for (const events of [...set]) {
        if (message.type === RTM_NEWLINK) events.link?.(parseLink(message));
        else if (message.type === RTM_DELLINK) events.linkRemoved?.(parseLink(message));
        else if (message.type === RTM_NEWADDR) events.address?.(parseAddress(message));
        else if (message.type === RTM_DELADDR) events.addressRemoved?.(parseAddress(message));
      }
    }
  }

  private end(nsid: number): void {
    const set = this.listeners.get(nsid);
    this.listeners.delete(nsid);
    for (const events of [...(set ?? [])]) events.end?.();
  }
}
