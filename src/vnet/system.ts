import { EventHandlers } from './events.js';
import { Sysctls } from './sysctl.js';
import { type SysinitEntry, SysinitList } from './sysinit.js';
import { Vnet } from './vnet.js';

/** A registered VNET_SYSINIT or VNET_SYSUNINIT, to take back when its module goes. */
export interface Registration {
  unregister(): void;
}

/** All vnets of one world, with what runs when one starts or stops. */
export class VnetSystem implements Iterable<Vnet> {
  private readonly vnets = new Set<Vnet>();
  private readonly inits = new SysinitList();
  private readonly uninits = new SysinitList();
  private nextId = 0;

  readonly events = new EventHandlers(this);
  readonly sysctls = new Sysctls();
  /** The default vnet. */
  readonly vnet0: Vnet;

  /** @param report hears of start-up and teardown functions that threw where nobody can be told */
  constructor(private readonly report: (error: unknown, what: string) => void = () => {}) {
    this.vnet0 = this.alloc();
  }

  /** VNET_FOREACH. Vnets removed meanwhile are left out, ones added meanwhile come too. */
  [Symbol.iterator](): IterableIterator<Vnet> {
    return this.vnets.values();
  }

  /**
   * vnet_alloc: a new vnet, for which every VNET_SYSINIT has run. If one throws, nothing stays.
   * @param outer the one in which it is made
   */
  alloc(outer?: Vnet): Vnet {
    const vnet = new Vnet(this, this.nextId++, outer?.isDefault ? undefined : outer);
    this.vnets.add(vnet);
    const done = new Set<string>();
    try {
      for (const entry of this.inits.forward()) {
        done.add(entry.ident);
        entry.run(vnet);
      }
    } catch (error) {
      this.tearDown(vnet, (entry) => done.has(entry.ident));
      throw error;
    }
    vnet.state = 'up';
    return vnet;
  }

  /** vnet_destroy: runs every VNET_SYSUNINIT in reverse order. One that throws does not stop the others. */
  destroy(vnet: Vnet): void {
    if (vnet.isDefault) throw new Error('the default vnet cannot be destroyed');
    if (vnet.state === 'gone' || vnet.state === 'stopping') return;
    this.tearDown(vnet, () => true);
  }

  /**
   * VNET_SYSINIT: `run` is called for every vnet there is now, and for each new one at its place in the order
   * (subsystem, order). If it throws for one there is now, it is not registered. `ident` ties it to the VNET_SYSUNINIT of the same name.
   */
  sysinit(ident: string, subsystem: number, order: number, run: (vnet: Vnet) => void): Registration {
    const entry = { ident, subsystem, order, run };
    this.inits.add(entry);
    try {
      for (const vnet of this.vnets) run(vnet);
    } catch (error) {
      this.inits.remove(entry);
      throw error;
    }
    return { unregister: () => void this.inits.remove(entry) };
  }

  /** VNET_SYSUNINIT: `run` is called when a vnet is destroyed; and, on unregistering, for every vnet. */
  sysuninit(ident: string, subsystem: number, order: number, run: (vnet: Vnet) => void): Registration {
    const entry = { ident, subsystem, order, run };
    this.uninits.add(entry);
    return {
      unregister: () => {
        if (this.uninits.remove(entry)) for (const vnet of this.vnets) this.attempt(entry, vnet);
      },
    };
  }

  private tearDown(vnet: Vnet, wanted: (entry: SysinitEntry) => boolean): void {
    vnet.state = 'stopping';
    for (const entry of this.uninits.backward()) if (wanted(entry)) this.attempt(entry, vnet);
    vnet.state = 'gone';
    vnet.slots.length = 0;
    this.vnets.delete(vnet);
  }

  private attempt(entry: SysinitEntry, vnet: Vnet): void {
    try {
      entry.run(vnet);
    } catch (error) {
      this.report(error, `teardown of ${entry.ident} in ${vnet}`);
    }
  }
}
