import { chmodSync, chownSync } from 'node:fs';
import { type Capability, keepCapabilities } from '../linux/index.js';

/** All that the daemon needs of root's power, and for what. Without any of them something fails: privileges.test.ts. */
const NEEDED: readonly Capability[] = [
  'CAP_NET_ADMIN', // making TAPs, rtnetlink
  'CAP_NET_BROADCAST', // hearing of changes in other namespaces: NETLINK_LISTEN_ALL_NSID of netlink(7)
  'CAP_SYS_ADMIN', // making and entering namespaces, mounting their names, hostnames
  'CAP_SYS_PTRACE', // seeing in which namespaces clients and the processes of jails are: /proc/PID/ns
  'CAP_KILL', // ending the processes of a jail, which may run as anybody
  'CAP_DAC_OVERRIDE', // directories for run and state, node types and this program itself in a home directory, say
];

/** Gives up what the daemon does not need. May start the program anew: comes first. */
export function dropPrivileges(hasGroup: boolean): void {
  // It takes CAP_CHOWN to give the socket to the group.
  keepCapabilities(hasGroup ? [...NEEDED, 'CAP_CHOWN'] : NEEDED);
}

/** Lets the members of a group use the socket. */
export function admitGroup(socket: string, group: number): void {
  chownSync(socket, -1, group);
  chmodSync(socket, 0o660);
}
