/**
 * The native part. Only src/linux uses it. Functions throw Errors of Linux system calls as Node's own do:
 * `code` ('EBUSY'), `errno` (negative), `syscall`, and a message that names the object.
 * A `Netns` is an open descriptor or a path (/run/netns/NAME, /proc/PID/ns/net).
 */
export type Netns = number | string;

/**
 * Opens a new TAP interface, non-blocking and with 12-byte vnet headers. The descriptor keeps its namespace alive.
 * @throws EEXIST an interface has the name already, ENAMETOOLONG, EINVAL not a name, EPERM not root
 */
export function tapOpen(netns: Netns, name: string, offloads: boolean): { fd: number; offloads: number };
/** Attaches to the TAP interface of that name, which outlived its process. @throws EBUSY it is in use */
export function tapAttach(netns: Netns, name: string, offloads: boolean): { fd: number; offloads: number };
/** Whether the interface stays when its descriptor is closed. */
export function tapSetPersist(fd: number, on: boolean): void;
/** Present name of the interface. @throws EBADFD the interface was deleted */
export function tapName(fd: number): string;
/** A new descriptor of the namespace that the interface is in now. @throws EBADFD it was deleted */
export function tapNetns(fd: number): number;
export function tapSetCarrier(fd: number, on: boolean): void;
/** Lets the network stack hand over large segments and partial checksums, or not. @returns the TUN_F_ flags */
export function tapSetOffloads(fd: number, on: boolean): number;
export function tapAddress(fd: number): Uint8Array;
export function tapSetAddress(fd: number, address: Uint8Array): void;
/** Closes TAPs on the pool, which takes some 20 ms each unless the link was deleted before. None is persistent then. */
export function closeFds(fds: number[]): Promise<void>;

/** Reads all TAPs in batches, and netlink monitors and pidfds beside them, under one epoll. */
export class Poller {
  /**
   * @param onFrames gets the number of entries in `frames`; once per batch
   * @param onEvent a watched netlink socket's datagram and the ID of its namespace (-1: the socket's own);
   *   overrun: some were lost; bytes null otherwise: the process ended, the slot is free
   * @param ioUring whether io_uring may read and write many frames with one system call; by default it may
   */
  constructor(
    onFrames: (count: number) => void,
    onEvent: (slot: number, bytes: Uint8Array | null, nsid: number, overrun: boolean) => void,
    ioUring?: boolean,
  );
  /** Storage of read frames, valid until `onFrames` returns, and from `scratch` on the caller's own. */
  readonly slab: ArrayBuffer;
  readonly scratch: number;
  /**
   * [slot, offset, length] of each frame, its vnet header before offset. Length < 0: the interface is gone, -errno, told
   * once; 0: the kernel had a frame that it could not hand over.
   */
  readonly frames: Int32Array;
  /** What flush() writes: [slot, pairs of its batch] of each TAP. */
  readonly list: Int32Array;
  /** Why the last failing flush dropped frames, of each TAP of `list`: [down, no buffer, gone, invalid, octets of all]. */
  readonly failures: Int32Array;
  /** @returns its slot */
  add(tap: number): number;
  /** The slot's own [offset, length] pairs of the slab, vnet headers included, for flush() to write. */
  batch(slot: number): Int32Array;
  /** Whether TCP segments that nothing is left to do to may be written to the TAP as fewer large ones. */
  merge(slot: number, on: boolean): void;
  /** Whether frames stay in the TAPs for now. That an interface is gone is told all the same. */
  hold(on: boolean): void;
  /** Takes ownership of a netlinkMonitor or pidfdOpen descriptor. */
  watch(fd: number): number;
  remove(slot: number): void;
  /** Writes to the first `taps` of `list`. @returns how many frames were dropped */
  flush(taps: number): number;
  /** Whether io_uring is in use: the kernel has it, and no filter of system calls is in the way. */
  usesIoUring(): boolean;
  close(): void;
}

/** Makes namespaces held by new files, `lo` up; utsPath '' makes none of that kind. @throws EEXIST */
export function netnsCreate(netPath: string, utsPath: string, hostname: string): void;
/** Changes the hostname of a UTS namespace. */
export function setHostname(uts: number, hostname: string): void;
/** A descriptor of a new namespace that has no name and goes with its last user. */
export function netnsAnonymous(): number;
/** Makes a directory for namespace files, mounted on itself and shared as ip-netns(8) does. */
export function prepareHolderDirectory(path: string): void;
/** Takes such a directory away, unless there is anything in it. */
export function removeHolderDirectory(path: string): void;
/** Unmounts and unlinks on the pool; '' is skipped, what is gone already too. */
export function holderRemove(netPath: string, utsPath: string): Promise<void>;

/** Sends rtnetlink requests (each with NLM_F_ACK or a dump), returns all messages of the answer, errors included. */
export function netlinkRequest(netns: Netns, requests: Uint8Array): Uint8Array;
/** The same for several namespaces at a time, on the pool, for what takes long: deleting, moving. */
export function netlinkRequestAsync(list: { netns: Netns; requests: Uint8Array }[]): Promise<Uint8Array[]>;
/** A socket for Poller.watch that hears all namespaces with an ID in `netns`, keeping none of them alive. */
export function netlinkMonitor(netns: Netns, groups: number[]): number;

export interface Peer {
  pid: number;
  uid: number;
  gid: number;
}
/** Who connected to or created this end of a UNIX socket. */
export function peerCredentials(fd: number): Peer;
/** The same and that process's present namespaces; not fooled by reused PIDs. @throws ESRCH it ended */
export function namespaceOfPeer(fd: number): Peer & { netInode: number; utsInode: number };
/** A descriptor of a process. @throws ESRCH */
export function pidfdOpen(pid: number): number;
/** Takes an exclusive lock; null: another has it. The lock goes when the descriptor is closed. */
export function lockFile(path: string): number | null;

/**
 * Takes all other capabilities away from this thread, and so from the program that it executes next: other threads
 * of this one keep theirs.
 */
export function keepCapabilities(numbers: number[]): void;
/** The number of a group by its name, or null. */
export function groupId(name: string): number | null;
/** Sends a datagram to a UNIX socket; a path that begins with `@` is the name of an abstract one. */
export function datagram(path: string, text: string): void;

/** Two ends of a connection, for descriptors to pass between processes. Reading from it blocks. */
export function socketPair(): [number, number];
export function sendFds(socket: number, fds: number[]): void;
/** Waits until so many descriptors have come. @throws ECONNRESET there are fewer, EMFILE */
export function receiveFds(socket: number, count: number): number[];

/**
 * Becomes another program in these namespaces. `mounts` names the namespace when /sys and /etc/netns/NAME shall be
 * shown as `ip netns exec` does. On an error the process is left half-way: it should only report it and end.
 */
export function execIn(options: {
  netns?: string;
  uts?: string;
  mounts?: string;
  cwd?: string;
  env: string[];
  argv: string[];
}): never;
