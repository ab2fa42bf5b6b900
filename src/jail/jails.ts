import { existsSync } from 'node:fs';
import {
  inhabited,
  Namespace,
  type NamespaceSpec,
  NETNS_DIRECTORY,
  processOf,
  removeHolderDirectory,
  removeNetnsDirectory,
  resumeHolderDirectory,
  UTS_DIRECTORY,
} from '../linux/index.js';
import { NgError } from '../netgraph/index.js';
import type { VnetSystem } from '../vnet/index.js';
import { Jail, nameWithin } from './jail.js';
import { applyParameters, type JailSettings } from './parameters.js';
import { endProcesses } from './processes.js';
import { type Parameters, Roster, type Viewer } from './roster.js';
import { fullNames, type JailState, outermostFirst } from './state.js';
import { Turns } from './turns.js';

/** Hears of namespaces that others deleted. */
export interface NamespaceWatch {
  /** Returns what ends the watch. */
  watch(namespace: Namespace, events: { unlinked(): void; ended(): void }): () => void;
}

/** Is told what to know of jails when the program ends unexpectedly: before it happens, when that matters. */
export interface JailJournal {
  /** A directory is about to be made. */
  made(path: string): void;
  jail(state: JailState): void;
  jailGone(id: number): void;
  /** Makes sure that what was told is not lost. */
  commit(): void;
}

export interface JailsOptions {
  lifetimes: NamespaceWatch;
  /** Resolves when the interfaces of destroyed nodes are gone. */
  settled(): Promise<void>;
  /** Directory that holds the hostnames. */
  utsDirectory?: string;
  /** Marks our namespaces: becomes the alias of their `lo`. */
  mark?: string;
  log(line: string): void;
}

/** How often is looked whether anybody is left in a jail that need not persist, in milliseconds. */
const EXPIRY = 1000;

const DEFAULTS: Omit<JailSettings, 'name'> = {
  jid: undefined,
  hostname: '',
  path: '/',
  vnet: 'inherit',
  persist: false,
  childrenMax: 0,
  netns: undefined,
};

/** The jails of a world, jail(2): makes and removes them. */
export class Jails extends Roster {
  private readonly watches = new Map<Jail, () => void>();
  private readonly expiring = new Set<Jail>();
  private expiry: NodeJS.Timeout | undefined;
  readonly utsDirectory: string;
  /** Set when jails outlive the program. */
  journal: JailJournal | undefined;
  /** Whether there was no /run/netns before our jails. */
  madeNetns = false;
  private closed = false;
  private readonly turns = new Turns<Jail | undefined>();

  constructor(
    private readonly vnets: VnetSystem,
    private readonly options: JailsOptions,
  ) {
    super();
    this.utsDirectory = options.utsDirectory ?? UTS_DIRECTORY;
  }

  /**
   * Makes a jail inside that of the viewer, or further inside if its name says so: as if made from there.
   * @throws NgError EINVAL a bad parameter, ENOENT there is no jail to make it in, EEXIST the name or ID is taken, EPERM no more jails allowed here, and what
   *   the system says of its namespaces
   */
  async create(parameters: Parameters, viewer?: Viewer): Promise<Jail> {
    const { around = viewer, own } = this.placed(parameters, viewer);
    return this.turns.take(this.queueFor(own, around), () => this.make(own, around));
  }

  /** Changes what can be changed of a jail. Without `persist` it goes when nobody is in it. */
  modify(jail: Jail, parameters: Parameters, viewer?: Viewer): Promise<Jail> {
    return this.turns.take(jail.outermost, async () => {
      if (jail.dying) throw new NgError('ENOENT', `jail ${jail.name} was removed`);
      const { around = jail.parent, own } = this.placed(parameters, viewer);
      if (around !== jail.parent)
        throw new NgError('EINVAL', `jail ${jail.name} cannot become one inside ${around?.name}`);
      const settings = applyParameters(jail.settings, own);
      for (const fixed of ['jid', 'vnet', 'netns', 'path'] as const) {
        if (settings[fixed] !== jail.settings[fixed])
          throw new NgError('EINVAL', `jail ${jail.name}: ${fixed} cannot be changed once it is made`);
      }
      const renamed = settings.name !== jail.settings.name;
      if (renamed) {
        this.checkFree(settings.name, jail.parent);
        this.checkNotAwaited(nameWithin(jail.parent?.name, settings.name));
      }
      if (parameters['host.hostname'] !== undefined) jail.setHostname(settings.hostname);
      if (renamed) {
        // Hostnames do not follow.
        settings.hostname ||= jail.hostname;
        for (const inner of this.list(jail)) this.settle(inner, { hostname: inner.hostname });
      }
      this.settle(jail, settings);
      await this.expire(jail);
      return jail;
    });
  }

  private settle(jail: Jail, settings: Partial<JailSettings>): void {
    jail.settings = { ...jail.settings, ...settings };
    this.journal?.jail(jail.state());
  }

  /**
   * Removes a jail and those inside it: their nodes and interfaces, their processes, their namespaces unless they
   * were adopted. Resolves when nothing is left.
   */
  remove(jail: Jail): Promise<void> {
    return this.turns.take(jail.outermost, () => this.takeDown(jail));
  }

  /**
   * Removes all jails, the newest first. There are no new ones from now on.
   * @returns what could not be removed, in sentences
   */
  async close(): Promise<string[]> {
    this.closed = true;
    const failures: string[] = [];
    const failed = (jail: Jail, error: Error): void => {
      failures.push(`jail ${jail.name}: ${error.message}`);
    };
    const release = await this.hold();
    const outermost = this.list(undefined).filter(({ parent }) => parent === undefined);
    await Promise.all(
      outermost.reverse().map((jail) => this.takeDown(jail, failed).catch((error) => failed(jail, error))),
    );
    try {
      removeHolderDirectory(this.utsDirectory);
      if (this.madeNetns) removeNetnsDirectory();
    } catch (error) {
      failures.push((error as Error).message);
    }
    release();
    return failures;
  }

  /** Resolves when nothing is under way; whatever comes then waits until the result is called. */
  hold(): Promise<() => void> {
    return this.turns.hold();
  }

  private async make(parameters: Parameters, viewer: Viewer): Promise<Jail> {
    if (this.closed) throw new NgError('ESHUTDOWN', 'no more jails: all of them are being removed');
    const settings = applyParameters({ ...DEFAULTS, name: '' }, parameters);
    if (viewer !== undefined && settings.netns !== undefined)
      throw new NgError('EPERM', `jail ${viewer.name} may not adopt namespaces: they are not its own`);
    const id = settings.jid ?? this.nextId();
    const name = settings.name || `jail${id}`;
    Object.assign(settings, { jid: id, name });
    this.checkFree(name, viewer);
    this.checkFreeId(id, viewer);
    this.checkRoom(viewer);
    if (viewer?.dying) throw new NgError('ENXIO', `jail ${viewer.name} is being removed`);
    const fullName = nameWithin(viewer?.name, name);
    this.checkNotHeld(fullName);
    this.checkNotAwaited(fullName);
    const adopted = settings.netns !== undefined;
    if (!adopted && settings.vnet === 'new' && !existsSync(NETNS_DIRECTORY)) {
      this.madeNetns = true;
      this.journal?.made(NETNS_DIRECTORY);
    }
    this.journal?.jail({ id, parent: viewer?.id ?? 0, settings, adopted, stage: 'making' });
    this.journal?.commit();
    try {
      const namespace = this.openNamespace(fullName, settings);
      try {
        return this.add(id, viewer, namespace, settings);
      } catch (error) {
        await namespace.remove();
        throw error;
      }
    } catch (error) {
      this.journal?.jailGone(id);
      throw error;
    } finally {
      if (parameters.jid === undefined && this.jails.has(id)) this.lastId = id;
    }
  }

  private add(id: number, parent: Viewer, namespace: Namespace, settings: JailSettings): Jail {
    if (settings.netns !== undefined) this.checkNotAdopted(namespace);
    const vnet =
      settings.vnet === 'new' ? this.vnets.alloc(parent?.vnet) : (parent?.vnet ?? this.vnets.vnet0);
    const jail = new Jail(id, parent, vnet, namespace, settings, settings.netns !== undefined);
    if (jail.ownsVnet) {
      try {
        this.watch(jail, namespace);
      } catch (error) {
        this.vnets.destroy(vnet);
        throw error;
      }
      this.owners.set(vnet, jail);
    }
    this.jails.set(id, jail);
    this.journal?.jail(jail.state());
    return jail;
  }

  private openNamespace(name: string, { netns, vnet, hostname }: JailSettings): Namespace {
    const { mark } = this.options;
    const { utsDirectory } = this;
    if (netns !== undefined) return Namespace.adopt(specOf(netns));
    if (vnet === 'new') return Namespace.create(name, { hostname: hostname || name, utsDirectory, mark });
    return Namespace.createHostname(name, hostname || name, utsDirectory);
  }

  /**
   * Takes up jails that outlived the program that made them.
   * @param rebooted whether the system was started anew since, so that what is gone is to be made again
   * @returns what became of those that are no more, in sentences; the jails whose removal was under way; and the IDs of
   *   those that cannot be taken up now, but perhaps another time
   */
  async restore(
    states: readonly JailState[],
    rebooted: boolean,
  ): Promise<{ lost: string[]; removing: Jail[]; waiting: ReadonlyMap<number, string> }> {
    const lost: string[] = [];
    const removing: Jail[] = [];
    resumeHolderDirectory(this.utsDirectory);
    const names = fullNames(states);
    for (const state of outermostFirst(states)) {
      const name = names.get(state.id)!;
      try {
        if (state.stage === 'making') {
          if (!state.adopted) await this.discard(name, state);
          continue; // nobody has heard of its ID
        }
        this.lastId = Math.max(this.lastId, state.id);
        const jail = await this.takeUp(name, state, rebooted);
        if (typeof jail === 'string') lost.push(`jail ${name} is gone: ${jail}`);
        if (!(jail instanceof Jail)) continue;
        const { utsPath } = state.namespace ?? {};
        if (!jail.settings.persist) this.expireLater(jail);
        if (state.stage === 'removing') {
          this.unwatch(jail);
          removing.push(jail);
        } else if (!rebooted && utsPath !== undefined && jail.namespace?.utsPath === undefined)
          lost.push(`the hostname of jail ${name}: ${utsPath} is not what it was`);
      } catch (error) {
        lost.push(`jail ${name} has to wait: ${(error as Error).message}`);
        this.waiting.set(state.id, name);
      }
    }
    return { lost, removing, waiting: this.waiting };
  }

  /** Gives up those that `restore` could not take up. */
  forget(): void {
    this.waiting.clear();
  }

  /**
   * @returns why it is a jail no more; nothing when it was being removed, and nothing is left of it
   * @throws Error why it cannot be one now
   */
  private async takeUp(
    name: string,
    state: JailState,
    rebooted: boolean,
  ): Promise<Jail | string | undefined> {
    const { id, settings, adopted, stage } = state;
    const parent = state.parent === 0 ? undefined : this.jails.get(state.parent);
    // Numbers of namespaces and processes mean something else after a restart of the system.
    const namespace = rebooted || !state.namespace ? undefined : Namespace.restore(state.namespace);
    const isThere = settings.vnet === 'new' ? namespace?.linked : namespace?.utsLinked;
    if (parent === undefined && state.parent !== 0) {
      if (this.waiting.has(state.parent)) throw new Error('the jail around it has to wait');
      return `the jail around it is gone${isThere ? `; ${namespace?.path} stays` : ''}`;
    }
    if (namespace === undefined)
      return stage === 'removing' ? undefined : this.makeAgain(name, parent, state);
    if (isThere || (stage === 'removing' && !adopted))
      return this.add(id, parent, await namespace.withOwnHostname(), settings);
    await namespace.remove();
    return 'somebody deleted its namespace';
  }

  private async makeAgain(name: string, parent: Viewer, state: JailState): Promise<Jail | string> {
    const { id, settings } = state;
    if (settings.netns !== undefined && processOf(specOf(settings.netns)) > 0)
      return `process ${settings.netns}, whose namespace it was, ended with the system`;
    // A start that was killed before it could write anything down may have made it already.
    if (settings.vnet === 'new' && settings.netns === undefined)
      await Namespace.discardLeft(name, this.utsDirectory, this.options.mark);
    return this.add(id, parent, this.openNamespace(name, settings), settings);
  }

  private discard(name: string, { settings }: JailState): Promise<void> {
    return Namespace.discard(name, { net: settings.vnet === 'new', utsDirectory: this.utsDirectory });
  }

  private watch(jail: Jail, namespace: Namespace): void {
    const gone = (): void => {
      this.unwatch(jail);
      this.log(jail, new Error('somebody deleted its network namespace'));
      this.remove(jail).catch((error: Error) => this.log(jail, error));
    };
    this.watches.set(jail, this.options.lifetimes.watch(namespace, { unlinked: gone, ended: gone }));
  }

  private unwatch(jail: Jail): void {
    this.watches.get(jail)?.();
    this.watches.delete(jail);
  }

  /** Takes a jail down that need not persist, now or when nobody is in it any more. */
  private async expire(jail: Jail): Promise<void> {
    if (jail.settings.persist || jail.dying || this.expiring.has(jail)) return;
    const isEmpty = this.list(jail).length === 0 && this.processes(jail).length === 0;
    if (isEmpty) return this.takeDown(jail);
    this.expireLater(jail);
  }

  private expireLater(jail: Jail): void {
    this.expiring.add(jail);
    this.expiry ??= setTimeout(() => this.expireAll(), EXPIRY).unref();
  }

  /** All of them with one look at the processes, of which there may be many. */
  private expireAll(): void {
    const jails = [...this.expiring];
    this.expiring.clear();
    this.expiry = undefined;
    const used = inhabited();
    for (const jail of jails) {
      const { inode = 0, utsInode = 0 } = jail.namespace ?? {};
      if (used.has(utsInode) || (jail.ownsVnet && used.has(inode))) this.expireLater(jail);
      else
        this.turns
          .take(jail.outermost, () => this.expire(jail))
          .catch((error: Error) => this.log(jail, error));
    }
  }

  /** @param failed hears of jails inside that could not be taken down */
  private async takeDown(jail: Jail, failed = this.log.bind(this)): Promise<void> {
    if (jail.dying) return;
    const inside = this.list(jail).reverse();
    // From here on there is no way back, for those inside either.
    jail.dying = true;
    this.unwatch(jail);
    this.journal?.jail(jail.state());
    this.journal?.commit();
    try {
      for (const inner of inside)
        await this.takeDown(inner, failed).catch((error: Error) => failed(inner, error));
      if (jail.ownsVnet) {
        this.vnets.destroy(jail.vnet);
        this.owners.delete(jail.vnet);
      }
      await this.options.settled();
      if (!jail.adopted) await endProcesses(() => this.processes(jail));
      await jail.namespace?.remove();
      this.journal?.jailGone(jail.id);
    } finally {
      this.jails.delete(jail.id);
    }
  }

  /** What runs in a jail. Every jail that we make has a hostname of its own, which tells its processes. */
  private processes(jail: Jail): number[] {
    const { namespace } = jail;
    if (namespace === undefined) return [];
    const inNetwork = jail.ownsVnet ? namespace.processes() : [];
    return [...new Set([...inNetwork, ...namespace.utsProcesses()])].filter((pid) => pid !== process.pid);
  }

  private log(jail: Jail, error: Error): void {
    this.options.log(`jail ${jail.name}: ${error.message}`);
  }

  /**
   * Behind what a new jail has to wait: what happens to those around it, or to one that has the name or the ID and may
   * be about to go; otherwise only behind others that are made.
   */
  private queueFor({ name, jid }: Parameters, viewer: Viewer): Jail | undefined {
    if (viewer !== undefined) return viewer.outermost;
    const jails = [...this.jails.values()];
    const same = jails.find(
      (jail) => (jail.parent === undefined && jail.settings.name === name) || String(jail.id) === jid,
    );
    return same?.outermost;
  }
}

/** Digits alone are a process. */
const specOf = (netns: string): NamespaceSpec => (/^\d+$/.test(netns) ? Number(netns) : netns);
