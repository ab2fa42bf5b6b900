import type { NamespaceState } from '../linux/index.js';
import { nameWithin } from './jail.js';
import type { JailSettings } from './parameters.js';

/** What a program that starts anew knows of a jail. JSON. */
export interface JailState {
  readonly id: number;
  /** ID of the jail it is in, 0 for the host. */
  readonly parent: number;
  readonly settings: JailSettings;
  readonly adopted: boolean;
  /** `making` and `removing`: that was under way. */
  readonly stage: 'making' | 'made' | 'removing';
  readonly namespace?: NamespaceState;
}

/** Of jails by ID, also of those that are gone. */
export function fullNames(states: readonly JailState[]): Map<number, string> {
  const names = new Map<number, string>();
  for (const { id, parent, settings } of outermostFirst(states)) {
    names.set(id, nameWithin(names.get(parent), settings.name));
  }
  return names;
}

/** Those that others are in before those; without what is in itself, by whatever way. */
export function outermostFirst(states: readonly JailState[]): JailState[] {
  const sorted = [...states].sort((a, b) => a.id - b.id);
  const ids = new Set(sorted.map(({ id }) => id));
  const placed = sorted.filter(({ parent }) => !ids.has(parent));
  for (const { id } of placed) placed.push(...sorted.filter(({ parent }) => parent === id));
  return placed;
}
