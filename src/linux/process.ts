/** Processes: who connects to us, becoming another program, being the only one. */
import type { Server, Socket } from 'node:net';
import { NgError } from '../netgraph/errors.js';
import { attempt, native, type Peer } from './native.js';

/** A connected socket, or its descriptor. */
export type Connection = Socket | Server | number;

/** The descriptor of a connected or listening socket. */
export function descriptorOf(connection: Connection): number {
  if (typeof connection === 'number') return connection;
  // Node has no public name for it; the handle has been there since 0.x.
  const { fd } = (connection as unknown as { _handle?: { fd?: number } | null })._handle ?? {};
  if (fd === undefined || fd < 0) throw new NgError('ENOTCONN', 'the connection is closed');
  return fd;
}

/** Who connected a UNIX socket: PID (0 if not visible from here), user and group of that moment. */
export const peerCredentials = (connection: Connection): Peer =>
  attempt('peer', () => native.peerCredentials(descriptorOf(connection)));

/**
 * The same and the namespaces that process is in now, as inodes of /proc/PID/ns/net and uts. A PID that was given to
 * another process meanwhile is not mistaken. @throws NgError ESRCH it ended
 */
export const namespaceOfPeer = (connection: Connection): Peer & { netInode: number; utsInode: number } =>
  attempt('peer', () => native.namespaceOfPeer(descriptorOf(connection)));

/** An exclusive lock of a file or directory that goes with the process, or when the descriptor is closed; null when another has it. */
export const lockFile = (path: string): number | null => attempt(`lock ${path}`, () => native.lockFile(path));

/** Two ends of a connection, over which a process gives descriptors to another. */
export const socketPair = (): [number, number] => attempt('socket pair', () => native.socketPair());
export const sendDescriptors = (socket: number, fds: number[]): void =>
  attempt('descriptors', () => native.sendFds(socket, fds));
/** Waits for so many descriptors. @throws NgError ECONNRESET there are fewer */
export const receiveDescriptors = (socket: number, count: number): number[] =>
  attempt('descriptors', () => native.receiveFds(socket, count));

/** The number of a group, given by name or number; undefined when there is none of that name. */
export function groupId(group: string): number | undefined {
  if (!/^\d+$/.test(group)) return attempt(`group ${group}`, () => native.groupId(group)) ?? undefined;
  return Number(group) < 0xffffffff ? Number(group) : undefined;
}

/** Sends a datagram to a UNIX socket, by path or by `@` and the name of an abstract one. */
export const sendDatagram: typeof native.datagram = native.datagram;

/**
 * Becomes another program, in namespaces given by path. Returns only by throwing, and then the process is half-way
 * there: all it should do is say so and exit.
 */
export const execIn: typeof native.execIn = native.execIn;
