import {
  type Clock,
  type DeviceProvider,
  EINVAL,
  ENETDOWN,
  type Environment,
  type EthernetDevice,
  type EthernetEvents,
  Frame,
  type InterfaceAddress,
  type JailDirectory,
  type JailInfo,
  Netgraph,
  NgError,
  type NodeType,
  newCounters,
} from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { type Vnet, VnetSystem } from '../../src/vnet/index.js';

/** A clock whose hands a test turns. */
export class ManualClock implements Clock {
  private time = 0;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(microseconds: number, run: () => void): () => void {
    const timer = { at: this.time + microseconds, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass: timers fire in order, each at its own time. */
  advance(microseconds: number): void {
    const end = this.time + microseconds;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = due.at;
      due.run();
    }
    this.time = end;
  }
}

/** An interface that is only pretended. */
export class SimulatedDevice implements EthernetDevice {
  carrier = false;
  mac: Uint8Array;
  addressList: InterfaceAddress[] = [];
  offloads = true;
  readonly counters = newCounters();
  /** What the graph gave to the network stack. */
  readonly received: Uint8Array[] = [];

  constructor(
    public name: string,
    readonly vnet: Vnet,
    readonly events: EthernetEvents,
    public up: boolean,
    private readonly onDestroy: (device: SimulatedDevice) => void,
  ) {
    this.mac = new Uint8Array([0x58, 0x9c, 0xfc, 0, vnet.id, name.charCodeAt(name.length - 1)]);
  }

  address(): Uint8Array {
    return this.mac;
  }

  setAddress(address: Uint8Array): void {
    this.mac = address.slice();
  }

  setCarrier(on: boolean): void {
    this.carrier = on;
  }

  addresses(): InterfaceAddress[] {
    return this.addressList;
  }

  transmit(frame: Frame): number {
    if (!this.up) return ENETDOWN;
    if (frame.length < 14) return EINVAL;
    this.received.push(frame.view().slice());
    return 0;
  }

  setOffloads(on: boolean): void {
    this.offloads = on;
  }

  setName(name: string): void {
    this.name = name;
    this.events.changed?.();
  }

  resume(): unknown {
    return { name: this.name, mac: [...this.mac], offloads: this.offloads };
  }

  /** As with real ones it is fine to do this twice. */
  destroy(): void {
    this.onDestroy(this);
  }

  /** Somebody deletes the interface behind the graph's back. */
  remove(): void {
    this.onDestroy(this);
    this.events.gone();
  }

  /** The network stack sends a frame. */
  inject(bytes: Uint8Array): void {
    this.events.receive(new Frame(bytes));
  }
}

export class SimulatedDevices implements DeviceProvider {
  readonly all: SimulatedDevice[] = [];

  /** @param up whether new interfaces are up at once */
  constructor(private readonly up: boolean) {}

  /** How often an interface was to be made. */
  attempts = 0;

  names(vnet: Vnet): ReadonlySet<string> {
    return new Set(this.all.filter((device) => device.vnet === vnet).map(({ name }) => name));
  }

  createEthernet(vnet: Vnet, name: string, events: EthernetEvents): EthernetDevice {
    this.attempts++;
    if (this.find(vnet, name) !== undefined) throw new NgError('EEXIST', `interface ${name} exists`);
    const device = new SimulatedDevice(name, vnet, events, this.up, (gone) => {
      const at = this.all.indexOf(gone);
      if (at >= 0) this.all.splice(at, 1);
    });
    this.all.push(device);
    return device;
  }

  resumeEthernet(vnet: Vnet, kept: unknown, events: EthernetEvents): EthernetDevice {
    const { name, mac, offloads } = kept as { name: string; mac: number[]; offloads: boolean };
    const device = this.createEthernet(vnet, name, events);
    device.setAddress(Uint8Array.from(mac));
    device.setOffloads(offloads);
    return device;
  }

  find(vnet: Vnet, name: string): SimulatedDevice | undefined {
    return this.all.find((device) => device.vnet === vnet && device.name === name);
  }
}

/** A jail that is only pretended. */
export interface SimulatedJail extends JailInfo {
  readonly name: string;
  readonly parent: Vnet;
}

export class SimulatedJails implements JailDirectory {
  readonly all: SimulatedJail[] = [];
  private nextId = 1;

  constructor(private readonly vnets: VnetSystem) {}

  create(name: string, options: { vnet?: boolean; parent?: Vnet; id?: number } = {}): SimulatedJail {
    const { vnet: ownsVnet = true, parent = this.vnets.vnet0, id = this.nextId++ } = options;
    const jail = { id, name, parent, ownsVnet, vnet: ownsVnet ? this.vnets.alloc(parent) : parent };
    this.all.push(jail);
    return jail;
  }

  remove(jail: SimulatedJail): void {
    this.all.splice(this.all.indexOf(jail), 1);
    if (jail.ownsVnet) this.vnets.destroy(jail.vnet);
  }

  find(from: Vnet, nameOrId: string): SimulatedJail | undefined {
    const wanted = (jail: SimulatedJail) =>
      /^\d+$/.test(nameOrId) ? jail.id === Number(nameOrId) : jail.name === nameOrId;
    return this.all.find((jail) => wanted(jail) && this.mayEnter(from, jail.parent));
  }

  idOf(vnet: Vnet): number {
    return this.all.find((jail) => jail.ownsVnet && jail.vnet === vnet)?.id ?? 0;
  }

  nameOf(_from: Vnet, vnet: Vnet): string {
    return this.all.find((jail) => jail.ownsVnet && jail.vnet === vnet)!.name;
  }

  mayEnter(from: Vnet, to: Vnet): boolean {
    if (from === to) return true;
    const owner = this.all.find((jail) => jail.ownsVnet && jail.vnet === to);
    return owner !== undefined && this.mayEnter(from, owner.parent);
  }
}

/** A whole world without a system below it: pure, deterministic, and done when the test is. */
export function simulatedWorld(
  options: { types?: Iterable<NodeType>; seed?: number; devicesUp?: boolean; debug?: boolean } = {},
) {
  const log: string[] = [];
  const clock = new ManualClock();
  const vnets = new VnetSystem((error, what) => log.push(`${what}: ${error}`));
  const devices = new SimulatedDevices(options.devicesUp ?? true);
  const jails = new SimulatedJails(vnets);
  const extra = new Map([...(options.types ?? [])].map((type) => [type.type, type]));
  const pending: (() => void)[] = [];
  const env: Environment = {
    clock,
    random: randomFrom(options.seed ?? 1),
    devices,
    jails,
    loadType: (name) => extra.get(name) ?? nodeTypes.get(name),
    later: (run) => pending.push(run),
    log: (line) => log.push(line),
    debug: options.debug,
  };
  const graph = new Netgraph(vnets, env);
  /** Gives postponed work its turns, at most so many. Says whether all of it is done. */
  const settle = (turns = 1000): boolean => {
    while (pending.length > 0 && turns-- > 0) pending.shift()!();
    return pending.length === 0;
  };
  return { graph, vnets, vnet0: vnets.vnet0, clock, devices, jails, env, log, settle };
}

export type SimulatedWorld = ReturnType<typeof simulatedWorld>;

/** A small generator of numbers that are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}
