import { Namespace, ownInode } from '../linux/index.js';
import { type JailDirectory, NgError } from '../netgraph/index.js';
import type { Vnet, VnetSystem } from '../vnet/index.js';
import { Jail } from './jail.js';
import { applyParameters, checkJailName, type JailSettings } from './parameters.js';
import { endProcesses } from './processes.js';

/** Where somebody is: on the host, or in a jail. */
export type Viewer = Jail | undefined;

/** Hears of namespaces that others deleted. */
export interface NamespaceWatch {
  /** Returns what ends the watch. */
  watch(namespace: Namespace, events: { unlinked(): void; ended(): void }): () => void;
}

const DEFAULTS: Omit<JailSettings, 'name'> = {
  hostname: '',
  path: '/',
  vnet: 'inherit',
  persist: false,
  childrenMax: 0,
  netns: undefined,
};

/** The jails of a world, jail(2). */
export class Jails implements JailDirectory {
  private readonly jails = new Map<number, Jail>();
  private readonly owners = new Map<Vnet, Jail>();
  private readonly watches = new Map<Jail, () => void>();
  private lastId = 0;
  /** Jails are made and removed one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  /** @param settled resolves when the interfaces of destroyed nodes are gone */
  constructor(
    private readonly vnets: VnetSystem,
    private readonly lifetimes: NamespaceWatch,
    private readonly settled: () => Promise<void>,
    private readonly log: (line: string) => void,
  ) {}

  /**
   * Makes a jail inside that of the viewer.
   * @param parameters in the words of jail(8)
   * @throws NgError EINVAL a bad parameter, EEXIST the name is taken, EPERM no more jails allowed here, and what
   *   the system says of its namespaces
   */
  create(parameters: Readonly<Record<string, string>>, viewer?: Viewer): Promise<Jail> {
    return this.inTurn(() => this.make(parameters, viewer));
  }

  /** Changes what can be changed of a jail. Without `persist` one that nobody is in goes. */
  modify(jail: Jail, parameters: Readonly<Record<string, string>>): Promise<Jail> {
    return this.inTurn(async () => {
      const settings = applyParameters(jail.settings, parameters);
      for (const fixed of ['vnet', 'netns', 'hostname'] as const) {
        if (settings[fixed] !== jail.settings[fixed])
          throw new NgError('EINVAL', `jail ${jail.name}: ${fixed} cannot be changed once it is made`);
      }
      if (settings.name !== jail.settings.name) this.checkFree(settings.name, jail.parent);
      jail.settings = settings;
      if (!settings.persist && this.processes(jail).length === 0) await this.takeDown(jail);
      return jail;
    });
  }

  /**
   * Removes a jail and those inside it: their nodes and interfaces, their processes, their namespaces unless they
   * were adopted. Resolves when nothing is left.
   */
  remove(jail: Jail): Promise<void> {
    return this.inTurn(() => this.takeDown(jail));
  }

  /** Removes all jails, the newest first. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      for (const jail of this.list(undefined).reverse()) await this.takeDown(jail);
    });
  }

  /** The jails inside that of the viewer, by ID. */
  list(viewer: Viewer): Jail[] {
    return [...this.jails.values()].filter((jail) => !jail.dying && jail !== viewer && jail.isWithin(viewer));
  }

  /** A jail by name (as seen by the viewer) or ID. */
  lookUp(viewer: Viewer, nameOrId: string): Jail | undefined {
    if (/^\d+$/.test(nameOrId)) return this.list(viewer).find(({ id }) => id === Number(nameOrId));
    const name = viewer === undefined ? nameOrId : `${viewer.name}.${nameOrId}`;
    return this.list(viewer).find((jail) => jail.name === name);
  }

  /** The jail that owns a vnet; undefined for the host. */
  ownerOf(vnet: Vnet): Jail | undefined {
    return this.owners.get(vnet);
  }

  /**
   * The jail that a process with these namespaces is in.
   * @throws NgError EPERM it is in a network namespace that belongs to no jail
   */
  locate({ netInode, utsInode }: { netInode: number; utsInode: number }): Viewer {
    const here = this.list(undefined).filter((jail) => networkOf(jail) === netInode);
    const jail =
      here.find(({ namespace }) => namespace?.utsInode === utsInode) ?? here.find(({ ownsVnet }) => ownsVnet);
    if (jail === undefined && netInode !== ownInode())
      throw new NgError('EPERM', 'the caller is in a network namespace that is neither the host nor a jail');
    return jail;
  }

  // JailDirectory

  find(from: Vnet, nameOrId: string): Jail | undefined {
    return this.lookUp(this.owners.get(from), nameOrId);
  }

  idOf(vnet: Vnet): number {
    return this.owners.get(vnet)?.id ?? 0;
  }

  mayEnter(from: Vnet, to: Vnet): boolean {
    if (from === to || from.isDefault) return true;
    return this.owners.get(to)?.isWithin(this.owners.get(from)) ?? false;
  }

  private async make(parameters: Readonly<Record<string, string>>, viewer: Viewer): Promise<Jail> {
    const name = parameters.name ?? `jail${this.lastId + 1}`;
    checkJailName(name);
    const settings = applyParameters({ ...DEFAULTS, name }, parameters);
    this.checkFree(name, viewer);
    this.checkRoom(viewer);
    if (viewer?.dying) throw new NgError('ENXIO', `jail ${viewer.name} is being removed`);
    const fullName = viewer === undefined ? name : `${viewer.name}.${name}`;
    const namespace = openNamespace(fullName, settings);
    const adopted = settings.netns !== undefined;
    let vnet: Vnet;
    try {
      if (adopted) this.checkNotAdopted(namespace!);
      vnet = settings.vnet === 'new' ? this.vnets.alloc() : (viewer?.vnet ?? this.vnets.vnet0);
    } catch (error) {
      await namespace?.remove();
      throw error;
    }
    const jail = new Jail(++this.lastId, viewer, vnet, namespace, settings, adopted);
    this.jails.set(jail.id, jail);
    if (jail.ownsVnet) this.owners.set(vnet, jail);
    if (jail.ownsVnet && namespace !== undefined) this.watch(jail, namespace);
    return jail;
  }

  private watch(jail: Jail, namespace: Namespace): void {
    const gone = (): void => {
      if (jail.dying) return;
      this.log(`jail ${jail.name}: somebody deleted its network namespace`);
      this.remove(jail).catch((error: Error) => this.log(`jail ${jail.name}: ${error.message}`));
    };
    this.watches.set(jail, this.lifetimes.watch(namespace, { unlinked: gone, ended: gone }));
  }

  private async takeDown(jail: Jail): Promise<void> {
    if (jail.dying) return;
    for (const inner of this.list(jail).reverse()) await this.takeDown(inner);
    jail.dying = true;
    this.watches.get(jail)?.();
    this.watches.delete(jail);
    if (jail.ownsVnet) {
      this.vnets.destroy(jail.vnet);
      this.owners.delete(jail.vnet);
    }
    try {
      await this.settled();
      if (!jail.adopted) await endProcesses(() => this.processes(jail));
      await jail.namespace?.remove();
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

  private checkFree(name: string, parent: Viewer): void {
    const taken = [...this.jails.values()].find(
      (jail) => jail.settings.name === name && jail.parent === parent,
    );
    if (taken !== undefined) throw new NgError('EEXIST', `jail ${name} exists, it has jid ${taken.id}`);
  }

  private checkRoom(viewer: Viewer): void {
    for (let outer = viewer; outer !== undefined; outer = outer.parent) {
      if (this.list(outer).length >= outer.settings.childrenMax)
        throw new NgError('EPERM', `jail ${outer.name} may have ${outer.settings.childrenMax} jails inside`);
    }
  }

  private checkNotAdopted(namespace: Namespace): void {
    if (namespace.inode === ownInode())
      throw new NgError('EINVAL', `namespace ${namespace.name} is that of the host`);
    const owner = [...this.jails.values()].find(
      (jail) => jail.ownsVnet && jail.namespace?.inode === namespace.inode,
    );
    if (owner !== undefined)
      throw new NgError('EBUSY', `namespace ${namespace.name} is jail ${owner.name} already`);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => {});
    return result;
  }
}

/** The inode of the network namespace that a jail is in. */
const networkOf = (jail: Jail): number => jail.network?.namespace?.inode ?? ownInode();

function openNamespace(name: string, settings: JailSettings): Namespace | undefined {
  const { hostname, netns } = settings;
  if (netns !== undefined) return Namespace.adopt(/^\d+$/.test(netns) ? Number(netns) : netns);
  if (settings.vnet === 'new') return Namespace.create(name, { hostname: hostname || name });
  return Namespace.createHostname(name, hostname || name);
}
