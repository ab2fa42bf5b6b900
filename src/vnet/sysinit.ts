import type { Vnet } from './vnet.js';

/** When a subsystem starts, relative to others; teardown runs from the last to the first. */
export const Subsystem = {
  /** Variables and limits that everything else needs. */
  TUNABLES: 0x0100,
  /** The netgraph framework. */
  NETGRAPH: 0x0200,
  /** Pseudo interfaces and the node types that make them. */
  PSEUDO: 0x0300,
  /** After everything. */
  VNET_DONE: 0x0f00,
} as const;

/** Order within a subsystem. */
export const Order = { FIRST: 0, SECOND: 1, THIRD: 2, MIDDLE: 0x1000000, ANY: 0xfffffff } as const;

/** One VNET_SYSINIT or VNET_SYSUNINIT. */
export interface SysinitEntry {
  readonly ident: string;
  readonly subsystem: number;
  readonly order: number;
  readonly run: (vnet: Vnet) => void;
}

/** Entries in the order (subsystem, order, registration). */
export class SysinitList {
  private readonly entries: SysinitEntry[] = [];

  add(entry: SysinitEntry): void {
    let at = this.entries.length;
    while (at > 0 && after(this.entries[at - 1], entry)) at--;
    this.entries.splice(at, 0, entry);
  }

  remove(entry: SysinitEntry): boolean {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
    return at >= 0;
  }

  forward(): SysinitEntry[] {
    return [...this.entries];
  }

  backward(): SysinitEntry[] {
    return [...this.entries].reverse();
  }
}

const after = (a: SysinitEntry, b: SysinitEntry): boolean =>
  a.subsystem > b.subsystem || (a.subsystem === b.subsystem && a.order > b.order);
