import { closeSync, fstatSync } from 'node:fs';
import type { DeviceProvider, EthernetEvents } from '../../netgraph/device.js';
import { NgError } from '../../netgraph/errors.js';
import type { Vnet } from '../../vnet/index.js';
import { Batches } from '../batch.js';
import { Lifetimes } from '../lifetime.js';
import { addressBytes, addressNumber, hostId, stableAddress } from '../mac.js';
import { Monitor } from '../monitor.js';
import { attempt, codeOf, native } from '../native.js';
import { Namespace, ownInode } from '../netns.js';
import { Reactor } from '../reactor.js';
import { locate, Removals } from '../removal.js';
import { deleteLinks, type Link, Rtnetlink } from '../rtnetlink.js';
import { type Kept, TapDevice } from './device.js';
import { type OpenTap, Survivors } from './survivors.js';

export interface TapHostOptions {
  /**
   * Where a vnet's interfaces are made: a Namespace, a path, or a descriptor. Through a descriptor alone nobody can
   * notice that the namespace lost its name.
   */
  netnsOf(vnet: Vnet): Namespace | string | number;
  /** Where else an interface may be that outlived this program: all namespaces with interfaces of ours. */
  namespaces?(): Iterable<Namespace | string>;
  /** What a vnet's Ethernet addresses are derived from, better the same after a restart. Default: its id. */
  identityOf?(vnet: Vnet): string;
  /** Goes into each interface's alias, `netgraph:INSTANCE`. Default: the process ID. */
  instance?: string;
  /** Whether the network stacks may hand over large segments and partial checksums. Default: true. */
  offloads?: boolean;
  /** Whether io_uring may move many frames with one system call, where the kernel allows that. Default: true. */
  ioUring?: boolean;
  /** Poisons frames after each batch, so that whoever keeps one without `retain()` is found out. Slow. */
  debug?: boolean;
  /** Runs before interfaces are taken out of the system. */
  beforeRemoval?(): void;
  /** Hears of errors that nobody waits for. Default: throws them as uncaught. */
  report?(error: unknown): void;
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

/** An interface of ours without a device. */
export interface Orphan {
  /** Path of its namespace. */
  netns: string;
  link: Link;
}

/** A namespace with interfaces of ours in it. */
interface Place {
  inode: number;
  devices: Map<number, TapDevice>;
  stop(): void;
}

/**
 * Makes TAPs and moves their frames.
 *
 * A TAP is opened inside its namespace, where it costs 0.3 ms; made elsewhere and moved in, it would cost 16 ms
 * (the kernel waits for RCU callbacks), with the whole program standing still. The price: its descriptor keeps the
 * namespace alive, and the kernel has no news of its end. So that is noticed by `Lifetimes`, and then the descriptors
 * are closed. The end of an interface is noticed by epoll (EPOLLERR) or by write(2) (EBADFD).
 */
export class TapHost implements DeviceProvider {
  /** Tells of any interfaces and addresses, also those of others. */
  readonly monitor: Monitor;
  /** Tells of the end of namespaces. */
  readonly lifetimes: Lifetimes;
  private readonly reactor: Reactor;
  /** @internal */
  readonly report: (error: unknown) => void;
  /** @internal */
  readonly batches: Batches;
  /** @internal */
  readonly removals: Removals;
  /** @internal Ethernet addresses in use. */
  readonly taken = new Set<number>();
  private readonly places = new Map<number, Place>();
  private readonly host = hostId();
  readonly survivors: Survivors;
  /** Interfaces that end with this process so far. */
  private readonly unkept = new Set<TapDevice>();
  private closed = false;

  constructor(private readonly options: TapHostOptions) {
    this.report = options.report?.bind(options) ?? throwLater;
    this.reactor = new Reactor((count) => this.batches.received(count), options.ioUring ?? true);
    this.batches = new Batches(this.reactor.poller, this.report, options.debug ?? false);
    this.removals = new Removals(this.report, () => options.beforeRemoval?.());
    this.monitor = new Monitor(this.reactor);
    this.lifetimes = new Lifetimes(this.reactor);
    this.survivors = new Survivors(`netgraph:${options.instance ?? process.pid}`, options);
  }

  /** @throws NgError EEXIST the name is taken, ENAMETOOLONG over 15 bytes, EPERM not root */
  createEthernet(vnet: Vnet, name: string, events: EthernetEvents): TapDevice {
    if (this.closed) throw new NgError('ESHUTDOWN', `interface ${name}: the TapHost is closed`);
    const spec = this.options.netnsOf(vnet);
    const identity = this.options.identityOf?.(vnet) ?? String(vnet.id);
    return attempt(`interface ${name}`, () =>
      within(spec, (netns) => {
        const opened = this.openTap(netns, name, this.options.offloads ?? true);
        const mac = addressBytes(stableAddress(this.host, identity, name, this.taken));
        return this.makeDevice(vnet, { ...opened, netns, spec, name, mac }, events);
      }),
    );
  }

  names(vnet: Vnet): ReadonlySet<string> {
    return within(
      this.options.netnsOf(vnet),
      (netns) => new Set(new Rtnetlink(netns).links().map(({ name }) => name)),
    );
  }

  /** @throws NgError as `createEthernet`; EEXIST also when the name is that of an interface of others by now */
  resumeEthernet(vnet: Vnet, kept: unknown, events: EthernetEvents): TapDevice {
    const { name, mac, offloads } = kept as Kept;
    return attempt(`interface ${name}`, () => {
      const found = this.survivors.find(vnet, kept as Kept);
      const spec = found?.spec ?? this.options.netnsOf(vnet);
      return within(spec, (netns) => {
        if (found !== undefined) {
          const opened = this.survivors.open(netns, found, offloads);
          return this.makeDevice(vnet, { ...opened, netns, spec, name: found.link.name }, events);
        }
        const opened = this.openTap(netns, name, offloads);
        const address = Uint8Array.from(Buffer.from(mac, 'hex'));
        const device = this.makeDevice(vnet, { ...opened, netns, spec, name, mac: address }, events);
        this.survivors.missed.push({ vnet, name, mac });
        return device;
      });
    });
  }

  /** Makes the interfaces that there are outlive this process, however it ends: TUNSETPERSIST. */
  keepAll(): void {
    for (const device of this.unkept) {
      try {
        native.tapSetPersist(device.fd, true);
      } catch (error) {
        if (codeOf(error) !== 'EBADFD') this.report(error); // else it was deleted meanwhile
      }
    }
    this.unkept.clear();
  }

  /**
   * Stops moving frames, so that another process can go on with the descriptors. What the network stacks send meanwhile
   * waits in the interfaces (500 frames each).
   * @returns the descriptors, under the names by which that process gives them to `Survivors.inherit`
   */
  handOver(): Map<string, number> {
    this.flush();
    return new Map(this.list().map((device) => [device.detach(), device.fd]));
  }

  /** Leaves what the network stacks send in the interfaces, as long as not all is there that it may go to. */
  hold(): void {
    this.reactor.poller.hold(true);
  }

  /** Ends `hold`. */
  release(): void {
    this.reactor.poller.hold(false);
  }

  /** Goes on after all. */
  takeBack(): void {
    for (const device of this.list()) device.attach();
  }

  /** Interfaces with our mark that belong to no device, in all namespaces that we know or in some. */
  *orphans(where = this.options.namespaces?.() ?? []): Iterable<Orphan> {
    for (const spec of where)
      for (const { inode, link } of this.survivors.markedIn(spec))
        if (!this.places.get(inode)?.devices.has(link.index))
          yield { netns: spec instanceof Namespace ? spec.path : spec, link };
  }

  /** Deletes interfaces that are left of an earlier process. */
  removeOrphans(orphans: Orphan[]): Promise<void> {
    return deleteLinks(orphans.map(({ netns, link }) => ({ netns, indexes: [link.index] })));
  }

  /** Whether io_uring moves the frames. */
  get usesIoUring(): boolean {
    return this.reactor.poller.usesIoUring();
  }

  /** All interfaces there are. */
  list(): TapDevice[] {
    return [...this.places.values()].flatMap(({ devices }) => [...devices.values()]);
  }

  /** Writes frames that wait, instead of a moment later. */
  flush(): void {
    this.batches.flush();
  }

  /** Resolves when all interfaces that were destroyed are gone from the system. */
  settled(): Promise<void> {
    return this.removals.settled();
  }

  /** Destroys all interfaces. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { devices } of [...this.places.values()])
      for (const device of [...devices.values()]) device.destroy();
    this.monitor.close();
    this.lifetimes.close();
    this.reactor.close();
    await this.settled();
  }

  private openTap(netns: number, name: string, offloads: boolean): OpenTap {
    try {
      return native.tapOpen(netns, name, offloads);
    } catch (error) {
      const { code, syscall, message } = error as NodeJS.ErrnoException;
      if (syscall === 'open') throw new NgError('ENXIO', `${name}: this system has no TAPs: ${message}`);
      if (code !== 'EEXIST' || !this.removals.makeWay(fstatSync(netns).ino, name)) throw error;
      return native.tapOpen(netns, name, offloads);
    }
  }

  /** Takes over the descriptor; without `mac` the interface keeps the address that it has. */
  private makeDevice(vnet: Vnet, tap: Tap, events: EthernetEvents): TapDevice {
    try {
      return this.settleIn(vnet, tap, events);
    } catch (error) {
      if (tap.mac !== undefined) this.removals.add(tap.fd);
      else closeSync(tap.fd); // it was there before, and stays
      throw error;
    }
  }

  private settleIn(vnet: Vnet, tap: Tap, events: EthernetEvents): TapDevice {
    const { fd, netns, spec, name, mac } = tap;
    const rtnetlink = new Rtnetlink(netns);
    if (mac !== undefined) native.tapSetAddress(fd, mac);
    const address = addressNumber(mac ?? native.tapAddress(fd));
    // Watched before it is looked at, so that no change falls between.
    const place = this.place(netns, spec);
    try {
      const link = rtnetlink.link(name);
      if (link === undefined) throw new NgError('ENXIO', `${name} was deleted while it was made`);
      try {
        const { survivors } = this;
        if (!survivors.isMarked(link))
          rtnetlink.setLink(link.index, { alias: `${survivors.mark} ${link.alias}`.trimEnd() });
      } catch {
        // A courtesy, which not every kernel has room for.
      }
      const device = new TapDevice(this, vnet, fd, name, address, tap.offloads !== 0, events);
      this.pick(device);
      this.taken.add(address);
      this.unkept.add(device);
      this.settle(device, place.inode, link);
      return device;
    } finally {
      this.abandon(place);
    }
  }

  private place(netns: number, spec?: Namespace | string | number): Place {
    const inode = fstatSync(netns).ino;
    const known = this.places.get(inode);
    if (known !== undefined) return known;
    const devices = new Map<number, TapDevice>();
    const stopMonitor = this.monitor.watch(netns, {
      link: (link) => devices.get(link.index)?.changed(link),
      linkRemoved: (link) => this.moved(devices.get(link.index)),
      overrun: () => this.lookAgain(devices),
    });
    let stopLifetime = (): void => {};
    if (spec !== undefined && typeof spec !== 'number' && inode !== ownInode()) {
      const namespace = spec instanceof Namespace ? spec : Namespace.adopt(spec);
      stopLifetime = this.lifetimes.watch(namespace, {
        ended: () => {
          for (const device of [...devices.values()]) device.lost();
        },
      });
    }
    const place = {
      inode,
      devices,
      stop: () => {
        stopMonitor();
        stopLifetime();
      },
    };
    this.places.set(inode, place);
    return place;
  }

  /** Notes where a device is. */
  private settle(device: TapDevice, inode: number, link: Link): void {
    const moved = device.index !== 0 && (inode !== device.inode || link.index !== device.index);
    device.inode = inode;
    device.index = link.index;
    this.places.get(inode)!.devices.set(link.index, device);
    device.changed(link, moved);
  }

  /** @internal Notes that a device is in its place no more. */
  leave(device: TapDevice): void {
    const place = this.places.get(device.inode);
    if (place === undefined || place.devices.get(device.index) !== device) return;
    place.devices.delete(device.index);
    this.abandon(place);
  }

  private abandon(place: Place): void {
    if (place.devices.size > 0) return;
    this.places.delete(place.inode);
    place.stop();
  }

  /** @internal Begins to move its frames. */
  pick(device: TapDevice): void {
    const { queue } = device;
    queue.slot = this.reactor.poller.add(device.fd);
    queue.pairs = this.reactor.poller.batch(queue.slot);
    this.merge(device);
    this.batches.ports[queue.slot] = device;
  }

  /** @internal A stack that takes large segments gets small ones as large ones. */
  merge(device: TapDevice): void {
    this.reactor.poller.merge(device.queue.slot, device.offloads);
  }

  /** @internal */
  drop(device: TapDevice): void {
    const { slot } = device.queue;
    this.batches.ports[slot] = undefined;
    this.reactor.poller.remove(slot);
    this.unkept.delete(device);
  }

  /** News of a place was lost: asks for its interfaces all at once, and where those are that it has no more. */
  private lookAgain(devices: Map<number, TapDevice>): void {
    try {
      const links = new Map(linksBeside(devices).map((link) => [link.index, link]));
      for (const device of [...devices.values()]) {
        const link = links.get(device.index);
        if (link?.kind === 'tun') device.changed(link);
        else this.moved(device);
      }
    } catch (error) {
      this.report(error);
    }
  }

  /** Somebody deleted an interface, or moved it to another namespace, as `ifconfig vnet` does: looks where it is. */
  private moved(device: TapDevice | undefined): void {
    if (device === undefined) return;
    const place = locate(device.fd);
    if (place === undefined) {
      device.lost();
      return;
    }
    try {
      const link = new Rtnetlink(place.netns).link(place.name);
      if (link === undefined) return; // deleted just now: another event says so
      const { inode } = this.place(place.netns);
      if (inode !== device.inode || link.index !== device.index) this.leave(device);
      this.settle(device, inode, link);
    } finally {
      closeSync(place.netns);
    }
  }
}

/** A TAP that is to become a device. */
interface Tap extends OpenTap {
  netns: number;
  spec: Namespace | string | number;
  name: string;
  /** Of one that was made just now. */
  mac?: Uint8Array;
}

/** The interfaces in the namespace that devices are in, as far as the first of them still is. */
function linksBeside(devices: Map<number, TapDevice>): Link[] {
  const [first] = devices.values();
  const here = first && locate(first.fd);
  if (here === undefined) return [];
  try {
    return fstatSync(here.netns).ino === first.inode ? new Rtnetlink(here.netns).links() : [];
  } finally {
    closeSync(here.netns);
  }
}

/** Does something with a descriptor of a namespace. */
function within<T>(spec: Namespace | string | number, work: (netns: number) => T): T {
  if (typeof spec === 'number') return work(spec);
  const netns = (spec instanceof Namespace ? spec : Namespace.adopt(spec)).open();
  try {
    return work(netns);
  } finally {
    closeSync(netns);
  }
}
