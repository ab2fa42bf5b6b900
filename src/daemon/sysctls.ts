import { NgError } from '../netgraph/index.js';
import { type Sysctl, SysctlError, type SysctlValue } from '../vnet/index.js';
import type { Connection } from './connection.js';

/** Structures have no place in text: they show as hexadecimal. */
const shown = (value: SysctlValue): string | number =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;

function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SysctlError) throw new NgError(error.code, error.message);
    throw error;
  }
}

/** The sysctls of the client's vnet. */
export const listSysctls = ({ world, vnet }: Connection) =>
  world.vnets.sysctls.list().map(({ name, description, read, write }: Sysctl) => ({
    name,
    value: shown(read(vnet)),
    description,
    writable: write !== undefined,
  }));

export const readSysctl = ({ world, vnet }: Connection, name: string) =>
  translated(() => ({ value: shown(world.vnets.sysctls.read(vnet, name)) }));

/** Limits protect the host from a jail, so only those outside may change them. */
export function writeSysctl(client: Connection, name: string, value: string) {
  if (client.home !== undefined) throw new NgError('EPERM', `a jail cannot set ${name}`);
  return translated(() => {
    client.world.setSysctl(client.vnet, name, value);
    return readSysctl(client, name);
  });
}
