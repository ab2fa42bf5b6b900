import type { Jail } from '../jail/index.js';
import { NgError } from '../netgraph/index.js';
import { type Calls, type JailStatus, type Method, PROTOCOL_VERSION } from '../protocol/index.js';
import type { Connection } from './connection.js';
import { saveScript } from './save.js';
import { daemonStatus } from './status.js';
import { listSysctls, readSysctl, writeSysctl } from './sysctls.js';
import { loadType, typeList, unloadType } from './types.js';

type Handler<M extends Method> = (
  client: Connection,
  params: Calls[M]['params'],
) => Calls[M]['result'] | Promise<Calls[M]['result']>;

/** What the daemon does for each call. A client acts inside its own jail only. */
const handlers: { [M in Method]: Handler<M> } = {
  hello(client, { version, jail }) {
    if (version !== PROTOCOL_VERSION)
      throw new NgError('EPROTO', `protocol version ${version}, the daemon speaks ${PROTOCOL_VERSION}`);
    if (jail !== undefined) client.enter(jail);
    return { pid: process.pid, version: client.daemon.version, jid: client.jail?.id ?? 0 };
  },
  open: (client, { name }) => ({ id: client.open(name) }),
  'jail.create': async (client, { parameters }) =>
    jailStatus(await client.world.jails.create(parameters, client.jail)),
  'jail.modify': async (client, { jail, parameters }) =>
    jailStatus(await client.world.jails.modify(lookUp(client, jail), parameters, client.jail)),
  async 'jail.remove'(client, { jail }) {
    const found = lookUp(client, jail);
    await client.world.jails.remove(found);
    return jailStatus(found);
  },
  'jail.list': (client) => client.world.jails.list(client.jail).map(jailStatus),
  'type.load': (client, { name }) => loadType(client, name),
  'type.unload': (client, { name }) => unloadType(client, name),
  'type.list': (client) => typeList(client),
  'sysctl.list': (client) => listSysctls(client),
  'sysctl.read': (client, { name }) => readSysctl(client, name),
  'sysctl.write': (client, { name, value }) => writeSysctl(client, name, value),
  save: async (client) => ({ script: await saveScript(client) }),
  status: (client) => daemonStatus(client),
  repair(client, { dryRun }) {
    client.requireHost('repair what is outside of it');
    return client.daemon.repair(dryRun);
  },
  restart(client) {
    client.requireHost('restart the daemon');
    return client.daemon.restart(client);
  },
  async stop(client) {
    client.requireHost('stop the daemon');
    await client.daemon.stop();
    return {};
  },
};

/** Without the types, which `readCall` has checked. */
export const callHandlers = handlers as unknown as Record<
  Method,
  (client: Connection, params: unknown) => unknown
>;

/** A jail that the client may act on. */
function lookUp(client: Connection, name: string): Jail {
  const jail = client.world.jails.lookUp(client.jail, String(name));
  if (jail === undefined) throw new NgError('ENOENT', `jail "${name}" not found`);
  return jail;
}

export function jailStatus(jail: Jail): JailStatus {
  const { settings, namespace } = jail;
  return {
    jid: jail.id,
    name: jail.name,
    parent: jail.parent?.id ?? 0,
    hostname: jail.hostname,
    path: settings.path,
    vnet: settings.vnet,
    persist: settings.persist,
    childrenMax: settings.childrenMax,
    netns: jail.network?.namespace?.path ?? '',
    uts: namespace?.utsPath ?? '',
    adopted: jail.adopted,
  };
}
