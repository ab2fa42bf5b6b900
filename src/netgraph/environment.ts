import type { Vnet } from '../vnet/index.js';
import type { NodeType } from './define.js';
import type { DeviceProvider } from './device.js';

/** Time as nodes see it, so that a test can turn the hands. */
export interface Clock {
  /** Monotonic time in microseconds. */
  now(): number;
  /** Calls `run` once after so many microseconds; the result stops it. */
  after(microseconds: number, run: () => void): () => void;
}

/** A jail as a wormhole sees it. */
export interface JailInfo {
  readonly id: number;
  readonly vnet: Vnet;
  /** False for a jail that shares the vnet of its parent. */
  readonly ownsVnet: boolean;
}

/** The jails of a world, seen from inside one of their vnets. */
export interface JailDirectory {
  /** The jail of that name (or ID, when all digits) if it is below the jail that has the vnet `from`. */
  find(from: Vnet, nameOrId: string): JailInfo | undefined;
  /** The ID of the jail that owns a vnet; 0 for the host. */
  idOf(vnet: Vnet): number;
  /** The name by which whoever is in `from` finds the jail that owns `vnet`, which is below. */
  nameOf(from: Vnet, vnet: Vnet): string;
  /** Whether whoever is in `from` may act in `to`: it is the same, or below. */
  mayEnter(from: Vnet, to: Vnet): boolean;
}

/** All that a graph and its nodes get from outside. Nothing else in these layers touches the world. */
export interface Environment {
  readonly clock: Clock;
  /** A number from 0 to less than 1. */
  readonly random: () => number;
  readonly devices: DeviceProvider;
  readonly jails: JailDirectory;
  /** Finds a node type that is not loaded yet: kldload of `ng_<name>`. */
  readonly loadType: (name: string) => NodeType | undefined;
  /** Calls `run` soon, after other work got its turn. */
  readonly later: (run: () => void) => void;
  readonly log: (line: string) => void;
  /** Finds out nodes that use a frame after its time. Slow. */
  readonly debug?: boolean;
}
