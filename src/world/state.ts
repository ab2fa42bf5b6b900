import type { JailState } from '../jail/index.js';
import type { NodeState } from '../netgraph/index.js';

/** Jail, node and hook at both ends of an edge. */
export type EdgeState = readonly [
  jail: number,
  node: number,
  hook: string,
  jail: number,
  node: number,
  hook: string,
];

/** Something that changed in a world. Jail 0 is the host. JSON. */
export type Entry =
  | { readonly boot: string }
  /** A directory that was not there before. */
  | { readonly made: string }
  | { readonly jail: JailState }
  | { readonly jailGone: number }
  | { readonly node: readonly [jail: number, state: NodeState] }
  | { readonly nodeGone: readonly [jail: number, id: number] }
  | { readonly edge: EdgeState }
  | { readonly edgeGone: EdgeState }
  /** IDs up to this one were given to nodes. */
  | { readonly lastId: readonly [jail: number, id: number] }
  | { readonly sysctl: readonly [jail: number, name: string, value: string | number] }
  /** Everything was being taken down. */
  | { readonly stopping: true };

/** A world as data. */
export class WorldState {
  /** Tells one start of the system from others. */
  boot = '';
  stopping = false;
  readonly made = new Set<string>();
  readonly jails = new Map<number, JailState>();
  readonly nodes = new Map<string, readonly [jail: number, state: NodeState]>();
  readonly edges = new Map<string, EdgeState>();
  readonly sysctls = new Map<string, readonly [jail: number, name: string, value: string | number]>();
  /** The highest ID of a node that there was, by jail. */
  readonly lastIds = new Map<number, number>();

  apply(entry: Entry): void {
    if ('boot' in entry) this.boot = entry.boot;
    else if ('made' in entry) this.made.add(entry.made);
    else if ('stopping' in entry) this.stopping = true;
    else if ('jail' in entry) this.jails.set(entry.jail.id, entry.jail);
    else if ('jailGone' in entry) this.removeJail(entry.jailGone);
    else if ('node' in entry) this.addNode(...entry.node);
    else if ('nodeGone' in entry) this.nodes.delete(entry.nodeGone.join('/'));
    else if ('edge' in entry) this.edges.set(keyOf(entry.edge), entry.edge);
    else if ('edgeGone' in entry) this.edges.delete(keyOf(entry.edgeGone));
    else if ('lastId' in entry) this.reserve(...entry.lastId);
    else if ('sysctl' in entry) this.sysctls.set(`${entry.sysctl[0]}/${entry.sysctl[1]}`, entry.sysctl);
  }

  /** Everything is on its way out. */
  end(): void {
    for (const map of [this.nodes, this.edges]) map.clear();
    for (const [id, jail] of this.jails)
      if (jail.stage === 'made') this.jails.set(id, { ...jail, stage: 'removing' });
  }

  /** What would bring an empty world here. */
  *entries(): Iterable<Entry> {
    yield { boot: this.boot };
    for (const made of this.made) yield { made };
    if (this.stopping) yield { stopping: true };
    for (const jail of this.jails.values()) yield { jail };
    for (const sysctl of this.sysctls.values()) yield { sysctl };
    for (const node of this.nodes.values()) yield { node };
    for (const lastId of this.lastIds) yield { lastId };
    for (const edge of this.edges.values()) yield { edge };
  }

  private addNode(jail: number, state: NodeState): void {
    this.nodes.set(`${jail}/${state.id}`, [jail, state]);
    this.reserve(jail, state.id);
  }

  private reserve(jail: number, id: number): void {
    if (id > (this.lastIds.get(jail) ?? 0)) this.lastIds.set(jail, id);
  }

  private removeJail(id: number): void {
    this.jails.delete(id);
    this.lastIds.delete(id);
    for (const [key, [jail]] of this.sysctls) if (jail === id) this.sysctls.delete(key);
    // Those that could not be taken up: all others are gone before their jail.
    for (const [key, [jail]] of this.nodes) if (jail === id) this.nodes.delete(key);
  }
}

/** The same whichever end comes first, as another process may have written it the other way round. */
const keyOf = (edge: EdgeState): string =>
  [edge.slice(0, 3).join('/'), edge.slice(3).join('/')].sort().join(' ');
