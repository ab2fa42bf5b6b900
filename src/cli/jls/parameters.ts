/** The parameters of a running jail, as jls(8) shows them. */
import type { JailStatus } from '../../protocol/index.js';
import { fail } from '../command.js';

export type Value = string | number | boolean | string[];

/** A jail, and how many there are inside. */
export interface ListedJail extends JailStatus {
  childrenCur: number;
}

export function withChildren(jails: readonly JailStatus[]): ListedJail[] {
  const byId = new Map(jails.map((jail) => [jail.jid, { ...jail, childrenCur: 0 }]));
  for (const { parent } of jails) {
    for (let outer = byId.get(parent); outer !== undefined; outer = byId.get(outer.parent))
      outer.childrenCur++;
  }
  return [...byId.values()];
}

interface Parameter {
  read(jail: ListedJail): Value;
  /** jail(8) does not take it, or not for such a jail. */
  readOnly?: true | ((jail: ListedJail) => boolean);
  /** Counts only when this other parameter is `new`. */
  under?: 'host' | 'ip4' | 'ip6';
}

/** In jls's order: those without a dot first. `netns`, `uts` and `adopted` are our own. */
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  adopted: { read: ({ adopted }) => adopted, readOnly: true },
  dying: { read: () => false, readOnly: true },
  host: { read: () => 'new' },
  ip4: { read: ({ vnet }) => vnet },
  ip6: { read: ({ vnet }) => vnet },
  jid: { read: ({ jid }) => jid },
  name: { read: ({ name }) => name },
  netns: { read: ({ netns }) => netns, readOnly: ({ adopted }) => !adopted },
  parent: { read: ({ parent }) => parent, readOnly: true },
  path: { read: ({ path }) => path },
  persist: { read: ({ persist }) => persist },
  uts: { read: ({ uts }) => uts, readOnly: true },
  vnet: { read: ({ vnet }) => vnet },
  'children.cur': { read: ({ childrenCur }) => childrenCur, readOnly: true },
  'children.max': { read: ({ childrenMax }) => childrenMax },
  'cpuset.id': { read: () => 0, readOnly: true },
  'host.hostname': { read: ({ hostname }) => hostname, under: 'host' },
  'ip4.addr': { read: () => [], under: 'ip4' },
  'ip6.addr': { read: () => [], under: 'ip6' },
};

/** Names of all parameters; IP addresses of a vnet jail are its own affair, so `jls -s` leaves them out. */
export const allParameters = (): string[] => Object.keys(PARAMETERS);

const known = (name: string): Parameter =>
  Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : fail(1, `unknown parameter: ${name}`);

/** @throws Failure when there is no such parameter */
export const checkParameter = (name: string): void => void known(name);

export const readParameter = (jail: ListedJail, name: string): Value => known(name).read(jail);

/** Whether `jls -s` shows it: what jail(8) could be given to make this jail. */
export function isSettable(jail: ListedJail, name: string): boolean {
  const { readOnly, under, read } = known(name);
  const value = read(jail);
  const settable = typeof readOnly === 'function' ? !readOnly(jail) : !readOnly;
  return settable && !(Array.isArray(value) && value.length === 0) && (under !== 'host' || value !== '');
}
