import { type Namespace, ownInode } from '../linux/index.js';
import { type JailDirectory, NgError } from '../netgraph/index.js';
import type { Vnet } from '../vnet/index.js';
import { type Jail, nameWithin } from './jail.js';

/** Where somebody is: on the host, or in a jail. */
export type Viewer = Jail | undefined;

/** In the words of jail(8). */
export type Parameters = Readonly<Record<string, string>>;

/** Which jails there are, and who is where. */
export class Roster implements JailDirectory {
  /** By ID, also those that are being removed. */
  protected readonly jails = new Map<number, Jail>();
  protected readonly owners = new Map<Vnet, Jail>();
  /** Full names of jails that could not be taken up, by ID. */
  protected readonly waiting = new Map<number, string>();
  protected lastId = 0;

  /** The jails inside that of the viewer, by ID. */
  list(viewer: Viewer): Jail[] {
    const jails = [...this.jails.values()].sort((a, b) => a.id - b.id);
    return jails.filter((jail) => !jail.dying && jail !== viewer && jail.isWithin(viewer));
  }

  /** A jail by name (as seen by the viewer) or ID. */
  lookUp(viewer: Viewer, nameOrId: string): Jail | undefined {
    if (/^\d+$/.test(nameOrId)) return this.list(viewer).find(({ id }) => id === Number(nameOrId));
    return this.named(viewer, nameOrId);
  }

  private named(viewer: Viewer, name: string): Jail | undefined {
    const fullName = nameWithin(viewer?.name, name);
    return this.list(viewer).find((jail) => jail.name === fullName);
  }

  byId(id: number): Jail | undefined {
    return this.jails.get(id);
  }

  /** The jail that owns a vnet; undefined for the host. */
  ownerOf(vnet: Vnet): Jail | undefined {
    return this.owners.get(vnet);
  }

  /**
   * The jail that a process with these namespaces is in.
   * @throws NgError EPERM it is in a network namespace that belongs to no jail, ENXIO the jail is being removed
   */
  locate({ netInode, utsInode }: { netInode: number; utsInode: number }): Viewer {
    const here = [...this.jails.values()].filter((jail) => networkOf(jail) === netInode);
    const jail =
      here.find(({ namespace }) => namespace?.utsInode === utsInode) ?? here.find(({ ownsVnet }) => ownsVnet);
    if (jail?.dying) throw new NgError('ENXIO', `jail ${jail.name} is being removed`);
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

  nameOf(from: Vnet, vnet: Vnet): string {
    const { name } = this.owners.get(vnet)!;
    const outer = this.owners.get(from);
    return outer === undefined ? name : name.slice(outer.name.length + 1);
  }

  mayEnter(from: Vnet, to: Vnet): boolean {
    if (from === to || from.isDefault) return true;
    return this.owners.get(to)?.isWithin(this.owners.get(from)) ?? false;
  }

  /**
   * Of parameters with a name like `outer.inner`, as seen by the viewer: the jail `outer`, and the same with `inner`.
   * @throws NgError ENOENT there is no such jail
   */
  protected placed(parameters: Parameters, viewer: Viewer): { around?: Jail; own: Parameters } {
    const [, outer, name] = /^([^.]+(?:\.[^.]+)*)\.([^.]+)$/.exec(parameters.name ?? '') ?? [];
    if (outer === undefined) return { own: parameters };
    const around = this.named(viewer, outer);
    if (around === undefined) throw new NgError('ENOENT', `jail "${outer}" not found`);
    return { around, own: { ...parameters, name } };
  }

  protected checkFree(name: string, parent: Viewer): void {
    const taken = [...this.jails.values()].find(
      (jail) => jail.settings.name === name && jail.parent === parent,
    );
    if (taken !== undefined) throw new NgError('EEXIST', `jail ${name} exists, it has jid ${taken.id}`);
  }

  /** One that was renamed has its files under the name that it began with. */
  protected checkNotHeld(name: string): void {
    const holder = [...this.jails.values()].find(({ namespace }) => namespace?.holds(name));
    if (holder !== undefined)
      throw new NgError(
        'EEXIST',
        `jail ${holder.name} was made as ${name}, its namespaces still have that name`,
      );
  }

  protected checkNotAwaited(fullName: string): void {
    for (const [id, name] of this.waiting)
      if (name === fullName)
        throw new NgError('EEXIST', `jail ${name} has to wait for the next start, it has jid ${id}`);
  }

  protected checkFreeId(id: number, viewer: Viewer): void {
    const taken = this.jails.get(id);
    if (taken === undefined && !this.waiting.has(id)) return;
    // Whose it is outside is no business of those inside.
    const whose = taken?.isWithin(viewer) ? ` by jail ${taken.name}` : '';
    throw new NgError('EEXIST', `jid ${id} is taken${whose}`);
  }

  protected nextId(): number {
    let id = this.lastId + 1;
    while (this.jails.has(id)) id++;
    return id;
  }

  protected checkRoom(viewer: Viewer): void {
    for (let outer = viewer; outer !== undefined; outer = outer.parent) {
      if (this.list(outer).length >= outer.settings.childrenMax)
        throw new NgError('EPERM', `jail ${outer.name} may have ${outer.settings.childrenMax} jails inside`);
    }
  }

  protected checkNotAdopted(namespace: Namespace): void {
    if (namespace.inode === ownInode())
      throw new NgError('EINVAL', `namespace ${namespace.name} is that of the host`);
    const owner = [...this.jails.values()].find(
      (jail) => jail.ownsVnet && jail.namespace?.inode === namespace.inode,
    );
    if (owner !== undefined)
      throw new NgError('EBUSY', `namespace ${namespace.name} is jail ${owner.name} already`);
  }
}

/** The inode of the network namespace that a jail is in. */
const networkOf = (jail: Jail): number => jail.network?.namespace?.inode ?? ownInode();
