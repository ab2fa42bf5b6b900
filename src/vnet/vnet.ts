import type { VnetSystem } from './system.js';

/** Where a vnet is in its life: only `up` ones take new work, variables are there until `gone`. */
export type VnetState = 'starting' | 'up' | 'stopping' | 'gone';

/**
 * One virtual network stack instance, struct vnet of vnet(9). It holds a copy of every per-vnet variable and
 * nothing else; what a vnet *is* (a jail, a network namespace) is for those who allocate it to say.
 */
export class Vnet {
  /** @internal by index of the variable; a hole means: still at its initial value */
  readonly slots: unknown[] = [];
  state: VnetState = 'starting';

  /** Made by `VnetSystem.alloc()` only. */
  constructor(
    readonly system: VnetSystem,
    /** Counts up from 0, the default vnet, and is never used again. */
    readonly id: number,
    /** That of the jail around it; undefined where that is the base system, which bounds nobody. */
    readonly outer?: Vnet,
  ) {}

  /** IS_DEFAULT_VNET: whether this is the unrestricted stack of the base system. */
  get isDefault(): boolean {
    return this.id === 0;
  }

  toString(): string {
    return `vnet${this.id}`;
  }
}

/** Whatever belongs to one vnet: a jail, a socket, an interface, a node (pr_vnet, so_vnet, if_vnet). */
export interface InVnet {
  readonly vnet: Vnet;
}

/** Selects the vnet of a jail, socket, interface or node: CRED_TO_VNET and its like. */
export const vnetOf = (owner: InVnet): Vnet => owner.vnet;

let debug = false;

/** `options VNET_DEBUG`: makes `vnetAssert` check. Returns the earlier setting. */
export function vnetDebug(on: boolean): boolean {
  const before = debug;
  debug = on;
  return before;
}

/** VNET_ASSERT: throws with `message` when the condition is false and assertions are on, see `vnetDebug`. */
export function vnetAssert(condition: boolean, message: string): asserts condition {
  if (debug && !condition) throw new Error(`vnet assertion failed: ${message}`);
}
