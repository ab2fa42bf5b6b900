/** Processes: who connects to us, becoming another program, being the only one. */
import type { Socket } from 'node:net';
import { NgError } from '../netgraph/errors.js';
import { attempt, native, type Peer } from './native.js';

/** A connected socket, or its descriptor. */
export type Connection = Socket | number;

function descriptorOf(connection: Connection): number {
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

/** An exclusive lock that goes with the process, or when the descriptor is closed; null when another has it. */
export const lockFile = (path: string): number | null => attempt(`lock ${path}`, () => native.lockFile(path));

/**
 * Becomes another program, in namespaces given by path. Returns only by throwing, and then the process is half-way
 * there: all it should do is say so and exit.
 */
export const execIn: typeof native.execIn = native.execIn;
