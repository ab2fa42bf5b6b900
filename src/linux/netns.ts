/** Network namespaces and their UTS companions as objects: ip-netns(8), namespaces(7). */
import {
  type BigIntStats,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NgError } from '../netgraph/errors.js';
import { attempt, codeOf, native } from './native.js';
import { Rtnetlink } from './rtnetlink.js';

/** Where `ip netns` keeps its names. */
export const NETNS_DIRECTORY = '/run/netns';
/** Where the UTS namespaces (hostnames) that belong to ours are unless said otherwise, by the same names. */
export const UTS_DIRECTORY = '/run/netgraph/uts';

/** A file's identity: two paths with the same lead to the same namespace. */
interface Identity {
  dev: number;
  ino: number;
  /**
   * Its ctime, nanoseconds since 1970. The number of a namespace that is gone is given to the next one; this tells them
   * apart as long as the file is held by a mount. Those of /proc, which are links, come and go, and have none.
   */
  born?: string;
}

/** What a program that starts anew knows of a namespace. JSON. */
export interface NamespaceState {
  readonly name: string;
  readonly path: string;
  readonly utsPath?: string;
  readonly identity: Identity;
  readonly utsIdentity?: Identity;
  readonly pid?: number;
  readonly created: boolean;
}

/** What a namespace is adopted by: a name of `ip netns`, an absolute path, or a process. */
export type NamespaceSpec = string | number;

/** The inode of no namespace. */
const NONE = 0;

/** Index of `lo`, in every namespace. */
const LOOPBACK = 1;

/** Directories that hold namespaces, and the outermost of those around them that was not there before. */
const prepared = new Map<string, string | undefined>();

function prepare(directory: string): void {
  // Once per process, but again if somebody removed it.
  if (prepared.has(directory) && existsSync(directory)) return;
  const made = mkdirSync(dirname(directory), { recursive: true });
  native.prepareHolderDirectory(directory);
  prepared.set(directory, made);
}

/** Goes on with a directory that a program made which was killed, however far it came. */
export function resumeHolderDirectory(directory: string): void {
  if (existsSync(directory)) prepare(directory);
}

/** Takes away a directory that held namespaces, unless it holds any still, and what was made for it. */
export function removeHolderDirectory(directory: string): void {
  if (!prepared.has(directory)) return;
  attempt(directory, () => native.removeHolderDirectory(directory));
  const made = prepared.get(directory);
  if (made !== undefined) removeEmpty(dirname(directory), made);
  prepared.delete(directory);
}

/** Takes away the directory of the names of `ip netns`, unless there are any: they are of others. */
export function removeNetnsDirectory(): void {
  if (!existsSync(NETNS_DIRECTORY) || readdirSync(NETNS_DIRECTORY).length > 0) return;
  attempt(NETNS_DIRECTORY, () => native.removeHolderDirectory(NETNS_DIRECTORY));
}

/** Removes a directory and those around it up to `last`, as far as they are empty. */
export function removeEmpty(directory: string, last: string): void {
  try {
    for (let path = directory; `${path}/`.startsWith(`${last}/`); path = dirname(path)) rmdirSync(path);
  } catch {
    // Somebody else has something there.
  }
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.length > 254 || /[/\0]/.test(name)) {
    throw new NgError('EINVAL', `'${name}' cannot be the name of a namespace`);
  }
}

/** A network namespace, and the UTS namespace beside it if it has one of its own. It holds no descriptor. */
export class Namespace {
  private constructor(
    /** The name under /run/netns; of a process `pid:N`, of another path its last part. */
    readonly name: string,
    /** The file to open it by. */
    readonly path: string,
    readonly utsPath: string | undefined,
    private readonly identity: Identity,
    private readonly utsIdentity: Identity | undefined,
    /** The process it was adopted from. */
    readonly pid: number | undefined,
    /** Whether `remove` may take its files away. */
    private created: boolean,
  ) {}

  /**
   * Makes a namespace with `lo` up, known to `ip netns` by this name, with a hostname of its own.
   * @param options.utsDirectory where the hostname is held
   * @param options.mark becomes the alias of `lo`, by which we know it as ours
   * @throws NgError EEXIST the name is taken, EPERM not root
   */
  static create(
    name: string,
    options: { hostname?: string; utsDirectory?: string; mark?: string } = {},
  ): Namespace {
    checkName(name);
    const { hostname = name, utsDirectory = UTS_DIRECTORY, mark } = options;
    const path = join(NETNS_DIRECTORY, name);
    const uts = join(utsDirectory, name);
    return attempt(`namespace ${name}`, () => {
      prepare(NETNS_DIRECTORY);
      prepare(utsDirectory);
      createOrExplain(name, () => native.netnsCreate(path, uts, hostname));
      if (mark !== undefined) new Rtnetlink(path).setLink(LOOPBACK, { alias: mark });
      return new Namespace(name, path, uts, identify(path), identify(uts), undefined, true);
    });
  }

  /**
   * The network namespace that this program is in, with a hostname of its own.
   * @throws NgError EEXIST the name is taken, EPERM not root
   */
  static createHostname(name: string, hostname: string, utsDirectory = UTS_DIRECTORY): Namespace {
    checkName(name);
    const path = '/proc/self/ns/net';
    const uts = join(utsDirectory, name);
    return attempt(`hostname of ${name}`, () => {
      prepare(utsDirectory);
      native.netnsCreate('', uts, hostname);
      return new Namespace(name, path, uts, identify(path), identify(uts), undefined, true);
    });
  }

  /**
   * A namespace that others made. @throws NgError ENOENT no such name or path, ESRCH no such process,
   * EINVAL something else than a network namespace
   */
  static adopt(spec: NamespaceSpec): Namespace {
    const process = processOf(spec);
    if (process > 0) return Namespace.ofProcess(process);
    if (typeof spec === 'number') throw new NgError('ESRCH', `there is no process ${spec}`);
    const absolute = spec.startsWith('/');
    if (!absolute) checkName(spec);
    const path = absolute ? spec : join(NETNS_DIRECTORY, spec);
    const uts = join(UTS_DIRECTORY, spec);
    const identity = attempt(`namespace ${spec}`, () => identifyNetwork(path));
    const utsIdentity = !absolute && isNamespace(uts) ? identify(uts) : undefined;
    return new Namespace(basename(path), path, utsIdentity && uts, identity, utsIdentity, undefined, false);
  }

  private static ofProcess(pid: number): Namespace {
    const path = `/proc/${pid}/ns/net`;
    try {
      const uts = `/proc/${pid}/ns/uts`;
      return new Namespace(`pid:${pid}`, path, uts, identify(path), identify(uts), pid, false);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new NgError('ESRCH', `there is no process ${pid}`);
      throw NgError.fromSystem(error, `namespace of process ${pid}`);
    }
  }

  /** One that a program before this one made or adopted. Whether it is still there, `linked` and `utsLinked` tell. */
  static restore(state: NamespaceState): Namespace {
    const { name, path, utsPath, identity, utsIdentity, pid, created } = state;
    if (created && utsPath !== undefined) prepare(dirname(utsPath));
    // Where it was is something else now, and so may be what has its number.
    const known = leadsTo(path, identity) ? identity : { ...identity, ino: NONE };
    return new Namespace(name, path, utsPath, known, utsIdentity, pid, created);
  }

  /** Takes away what a process left that was killed in the midst of `create` or `createHostname`. */
  static async discard(
    name: string,
    { net, utsDirectory }: { net: boolean; utsDirectory: string },
  ): Promise<void> {
    const path = join(NETNS_DIRECTORY, name);
    const uts = join(utsDirectory, name);
    // The hostname comes first: a network without one is somebody else's.
    const ours = net && (isNamespace(uts) || !isNamespace(path));
    await native.holderRemove(ours ? path : '', uts);
  }

  /** Takes away what a process left that was killed after `create` with this name and mark, or in its midst. */
  static async discardLeft(name: string, utsDirectory: string, mark: string | undefined): Promise<void> {
    if (isLeft(name, utsDirectory, mark)) await Namespace.discard(name, { net: true, utsDirectory });
  }

  /** What `restore` takes. */
  state(): NamespaceState {
    const { name, path, utsPath, identity, utsIdentity, pid, created } = this;
    return { name, path, utsPath, identity: { ...identity }, utsIdentity, pid, created };
  }

  /** As /proc/PID/ns/net shows it; another namespace may get the number when this one is gone. */
  get inode(): number {
    return this.identity.ino;
  }

  /** Inode of the UTS namespace beside it; undefined when there is none, or none that is held any more. */
  get utsInode(): number | undefined {
    return this.utsLinked ? this.utsIdentity?.ino : undefined;
  }

  /** Whether its path still leads to it. When not, processes may still live in it. */
  get linked(): boolean {
    return leadsTo(this.path, this.identity);
  }

  /** Whether the hostname that it had of its own is still held. */
  get utsLinked(): boolean {
    return (
      this.utsPath !== undefined && this.utsIdentity !== undefined && leadsTo(this.utsPath, this.utsIdentity)
    );
  }

  /** A descriptor, for the caller to close soon: it keeps the namespace alive. @throws NgError ENOENT */
  open(): number {
    return openThat(this.name, this.path, this.identity);
  }

  /**
   * Changes the hostname beside it.
   * @throws NgError EPERM the namespace was adopted, its hostname is that of others; ENOENT it is gone
   */
  setHostname(hostname: string): void {
    const { name, utsPath, utsIdentity } = this;
    if (!this.created || utsPath === undefined || utsIdentity === undefined)
      throw new NgError('EPERM', `namespace ${name} was there before, its hostname cannot be changed`);
    const fd = openThat(name, utsPath, utsIdentity);
    try {
      attempt(`hostname of ${name}`, () => native.setHostname(fd, hostname));
    } finally {
      closeSync(fd);
    }
  }

  /** Whether it was made under this name, and has files with it. */
  holds(name: string): boolean {
    return this.created && basename(this.utsPath ?? this.path) === name;
  }

  /** PIDs of the processes in it. Takes some 10 µs per process of the system. */
  processes(): number[] {
    return processesIn('net', this.inode);
  }

  /** PIDs of the processes with its hostname. */
  utsProcesses(): number[] {
    const inode = this.utsInode;
    return inode === undefined ? [] : processesIn('uts', inode);
  }

  /** The file of its hostname, unless that is of others by now; empty when there is none. */
  private get ownUts(): string {
    const { utsPath } = this;
    return utsPath !== undefined && (this.utsLinked || isBare(utsPath)) ? utsPath : '';
  }

  /** The same, without the hostname beside it if that is not held any more. */
  async withOwnHostname(): Promise<Namespace> {
    const { name, path, utsPath, identity, pid, created } = this;
    if (utsPath === undefined || this.utsLinked) return this;
    if (created) await native.holderRemove('', this.ownUts);
    return new Namespace(name, path, undefined, identity, undefined, pid, created);
  }

  /** Takes its name away; it ends with its last process. Does nothing to one that was adopted. */
  async remove(): Promise<void> {
    if (!this.created) return;
    this.created = false;
    // What others made under our name meanwhile is theirs.
    const net = this.path.startsWith(NETNS_DIRECTORY) && (this.linked || isBare(this.path)) ? this.path : '';
    try {
      await native.holderRemove(net, this.ownUts);
    } catch (error) {
      throw NgError.fromSystem(error, `namespace ${this.name}`);
    }
  }
}

/** One under /run/netns. */
export interface NamedNamespace {
  path: string;
  inode: number;
}

/** What is held under /run/netns: network namespaces, unless somebody has put something else there. */
export function namedNamespaces(): NamedNamespace[] {
  if (statSync(NETNS_DIRECTORY, { throwIfNoEntry: false }) === undefined) return [];
  const paths = readdirSync(NETNS_DIRECTORY).map((name) => join(NETNS_DIRECTORY, name));
  return paths.filter(isNamespace).map((path) => ({ path, inode: statSync(path).ino }));
}

/** Unmounts files that hold namespaces, and takes them away. */
export async function removeHolders(paths: readonly string[]): Promise<void> {
  for (const path of paths) await native.holderRemove(path, '');
}

/** Whose the namespace is that has the name, that of a daemon that was killed say, only the user can know. */
function createOrExplain(name: string, create: () => void): void {
  try {
    create();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    const ways = `netns=${name} adopts it, "ip netns del ${name}" removes it`;
    throw new NgError('EEXIST', `there is a namespace ${name} already: ${ways}`);
  }
}

/** The process that a namespace is adopted by; NaN when it is adopted by something else. */
export const processOf = (spec: NamespaceSpec): number =>
  typeof spec === 'number' ? spec : Number(/^\/proc\/(\d+)\/ns\/net$/.exec(spec)?.[1]);

/** The device number of namespace files, which tells them from files left where one was mounted. */
const nsfs = statSync('/proc/self/ns/net').dev;

const isNamespace = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.dev === nsfs;

/** Whether a file held a namespace that was unmounted, by somebody who was killed then. */
function isBare(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.dev !== nsfs && found.size === 0;
}

function isLeft(name: string, utsDirectory: string, mark: string | undefined): boolean {
  const path = join(NETNS_DIRECTORY, name);
  if (!isNamespace(path)) return isBare(path);
  // The hostname alone tells nothing: somebody may have made another network under the name since.
  if (mark === undefined || !isNamespace(join(utsDirectory, name))) return false;
  return new Rtnetlink(path).link('lo')?.alias === mark;
}

function leadsTo(path: string, identity: Identity): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && isThat(found, identity);
}

function openThat(name: string, path: string, identity: Identity): number {
  const fd = attempt(`namespace ${name}`, () => openSync(path, 'r'));
  if (isThat(fstatSync(fd, { bigint: true }), identity)) return fd;
  closeSync(fd);
  throw new NgError('ENOENT', `namespace ${name} is gone, ${path} is another one now`);
}

const isThat = (found: BigIntStats, { dev, ino, born }: Identity): boolean =>
  Number(found.dev) === dev &&
  Number(found.ino) === ino &&
  (born === undefined || String(found.ctimeNs) === born);

function identify(path: string): Identity {
  const { dev, ino, ctimeNs } = statSync(path, { bigint: true });
  if (Number(dev) !== nsfs) throw new NgError('EINVAL', `${path} is not a namespace`);
  const identity = { dev: Number(dev), ino: Number(ino) };
  return lstatSync(path).isSymbolicLink() ? identity : { ...identity, born: String(ctimeNs) };
}

/** Which kind of namespace a file is, only the kernel can tell: every network has interfaces to ask for. */
function identifyNetwork(path: string): Identity {
  const identity = identify(path);
  if (/^\/proc\/[^/]+\/ns\/net$/.test(path)) return identity;
  try {
    new Rtnetlink(path).link('lo');
    return identity;
  } catch (error) {
    throw codeOf(error) === 'EINVAL' ? new NgError('EINVAL', `${path} is not a network namespace`) : error;
  }
}

/** PIDs of all processes in the namespace with this inode. */
export function processesIn(kind: 'net' | 'uts', inode: number): number[] {
  const pids: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d/.test(entry)) continue;
    try {
      if (statSync(`/proc/${entry}/ns/${kind}`).ino === inode) pids.push(Number(entry));
    } catch {
      // It ended meanwhile, or is a kernel thread.
    }
  }
  return pids;
}

/** Inodes of the namespaces, of both kinds, that processes besides this one are in: one look for any number of them. */
export function inhabited(): Set<number> {
  const inodes = new Set<number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d/.test(entry) || Number(entry) === process.pid) continue;
    try {
      for (const kind of ['net', 'uts']) inodes.add(statSync(`/proc/${entry}/ns/${kind}`).ino);
    } catch {
      // As above.
    }
  }
  return inodes;
}

/** The inode of the network namespace that this program runs in. */
export const ownInode = (): number => statSync('/proc/self/ns/net').ino;
