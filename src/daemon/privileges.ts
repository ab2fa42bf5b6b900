import { chmodSync, chownSync } from 'node:fs';
import { type Capability, keepCapabilities } from '../linux/index.js';

/** All that the daemon needs, of root's power, and for what. */
const NEEDED: Readonly<Partial<Record<Capability, string>>> = {
  CAP_NET_ADMIN: 'making TAPs, rtnetlink',
  CAP_NET_BROADCAST: 'hearing of changes in other namespaces: NETLINK_LISTEN_ALL_NSID of netlink(7)',
  CAP_SYS_ADMIN: 'making and entering namespaces, mounting their names, hostnames',
  CAP_SYS_PTRACE: 'seeing in which namespaces a client and the processes of a jail are: /proc/PID/ns',
  CAP_KILL: 'ending the processes of a jail, which may run as anybody',
  CAP_DAC_OVERRIDE: 'run and state directory, node types and this program in a home directory, say',
};

/** The same, of the daemon whose socket a group may use. */
const NEEDED_FOR_GROUP: typeof NEEDED = { ...NEEDED, CAP_CHOWN: 'giving the socket to the group' };

/** Gives up what the daemon does not need. May start the program anew: comes first. */
export function dropPrivileges(hasGroup: boolean): void {
  keepCapabilities(Object.keys(hasGroup ? NEEDED_FOR_GROUP : NEEDED) as Capability[]);
}

/** Lets the members of a group use the socket. */
export function admitGroup(socket: string, group: number): void {
  chownSync(socket, -1, group);
  chmodSync(socket, 0o660);
}
