/** What FreeBSD's system tools (jail, jls, jexec, ifconfig, kldload, sysctl) have in common here. */
import type { NetgraphClient } from '../client/client.js';
import { NgError } from '../netgraph/errors.js';
import type { JailStatus } from '../protocol/index.js';
import { complain, Failure, fail, runTool, UsageError } from './command.js';

/** These tools exit 1 for whatever is wrong, a wrong command line included. */
const EXIT_FAILURE = 1;

/** What a user is told of an error: a refusal of the daemon or of the system. Others are bugs and stay as they are. */
export function asFailure(error: unknown): unknown {
  if (error instanceof NgError) return new Failure(EXIT_FAILURE, error.message);
  const { code, exitCode, message } = error as NodeJS.ErrnoException & { exitCode?: number };
  const isSystem = exitCode === undefined && typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
  return isSystem ? new Failure(EXIT_FAILURE, message) : error;
}

/** Runs a tool of FreeBSD's base system: like `runTool`, but with its exit codes. */
export function runSystemTool(
  name: string,
  usage: string,
  tool: (argv: string[]) => Promise<number>,
): Promise<void> {
  return runTool(name, usage, async (argv) => {
    try {
      return await tool(argv);
    } catch (error) {
      if (error instanceof UsageError) {
        if (error.message !== '') complain(`${name}: ${error.message}\n`);
        complain(usage);
        return EXIT_FAILURE;
      }
      throw asFailure(error);
    }
  });
}

/** Talks with the daemon, which is started if need be. What needs no daemon need not wait for its client to load. */
export async function withDaemon<T>(work: (client: NetgraphClient) => Promise<T>): Promise<T> {
  const { NetgraphClient } = await import('../client/client.js');
  const client = await NetgraphClient.connect();
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/**
 * Jails as they are called where the caller is: inside a jail its own part of their names is left out, and it is
 * nobody's parent.
 * @param own jid of the jail that the caller is in
 */
export function seenFrom(jails: readonly JailStatus[], own: number): JailStatus[] {
  const depth = (jid: number): number => {
    const jail = jails.find((one) => one.jid === jid);
    return jail === undefined ? 0 : 1 + depth(jail.parent);
  };
  return jails.map((jail) => ({
    ...jail,
    name: own === 0 ? jail.name : jail.name.split('.').slice(-depth(jail.jid)).join('.'),
    parent: jail.parent === own ? 0 : jail.parent,
  }));
}

/** The jails that the caller can see. */
export const listJails = async (client: NetgraphClient): Promise<JailStatus[]> =>
  seenFrom(await client.call('jail.list', {}), client.jid);

/** The jail of a name or ID. */
export const pickJail = <J extends JailStatus>(jails: readonly J[], nameOrId: string): J | undefined =>
  jails.find(({ jid, name }) => (/^\d+$/.test(nameOrId) ? jid === Number(nameOrId) : name === nameOrId));

/** Says so in the words of jail_get(2), which quotes names only. */
export const notFound = (nameOrId: string): never =>
  fail(EXIT_FAILURE, `jail ${/^\d+$/.test(nameOrId) ? nameOrId : `"${nameOrId}"`} not found`);

/** The jail of a name or ID. @throws Failure there is none */
export const findJail = (nameOrId: string): Promise<JailStatus> =>
  withDaemon(async (client) => pickJail(await listJails(client), nameOrId) ?? notFound(nameOrId));

/** Path of the network namespace of a jail; of one that shares the host's, our own. */
export const netnsOf = ({ netns }: JailStatus): string => netns || '/proc/self/ns/net';
