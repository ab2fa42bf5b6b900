/** The parameters of a running jail, as jls(8) shows them. */
import type { JailStatus } from '../../protocol/index.js';
import { fail } from '../command.js';

export type Value = string | number | boolean | string[];

interface Parameter {
  read(jail: JailStatus): Value;
  /** jail(8) does not take it. */
  readOnly?: true;
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
  // The daemon gives IDs out itself.
  jid: { read: ({ jid }) => jid, readOnly: true },
  name: { read: ({ name }) => name },
  netns: { read: ({ netns }) => netns, readOnly: true },
  parent: { read: ({ parent }) => parent, readOnly: true },
  path: { read: ({ path }) => path },
  persist: { read: ({ persist }) => persist },
  uts: { read: ({ uts }) => uts, readOnly: true },
  vnet: { read: ({ vnet }) => vnet },
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

export const readParameter = (jail: JailStatus, name: string): Value => known(name).read(jail);

/** Whether `jls -s` shows it: what jail(8) could be given to make this jail. */
export function isSettable(jail: JailStatus, name: string): boolean {
  const { readOnly, under, read } = known(name);
  const value = read(jail);
  return !readOnly && !(Array.isArray(value) && value.length === 0) && (under !== 'host' || value !== '');
}
