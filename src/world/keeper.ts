import { Buffer } from 'node:buffer';
import type { JailJournal, JailState } from '../jail/index.js';
import { type Hook, isLasting, type Node, nodeState, type Observer } from '../netgraph/index.js';
import { type Journal, MustRewrite } from '../state/index.js';
import type { Waiting } from './restore.js';
import { type EdgeState, type Entry, WorldState } from './state.js';
import type { World } from './world.js';

/** A journal is written anew when it is longer than this, in bytes, and than so many times what it was then. */
const LONG = 1 << 20;
const GROWTH = 4;
/** After a write that failed: microseconds to the next try, and entries that may wait for it one by one. */
const RETRY = 1e6;
const MAX_PENDING = 10_000;
/** Longest state of one node, in bytes of JSON: well within a line. */
const MAX_STATE = 8 << 20;

/** An edge as it is in the journal. */
interface KnownEdge {
  readonly hooks: readonly [Hook, Hook];
  readonly edge: EdgeState;
}

/** What it needs of a world. */
export interface Kept {
  readonly graph: World['graph'];
  readonly jails: Pick<World['jails'], 'idOf' | 'journal'>;
  readonly interfaces: Pick<World['interfaces'], 'keepAll'>;
  readonly log: World['log'];
}

/**
 * Writes down what becomes of a world, so that it survives the death of the process. Changes are collected, and written
 * at once as one line: before an answer says that they are done, and before the system sees that something is removed.
 * What the system keeps for us (TUNSETPERSIST) it keeps only when we have it in writing. When a write fails the journal
 * stays as it was, one whole state behind, until a later try brings all of it.
 */
export class Keeper implements Observer, JailJournal {
  /** What is in the journal, or is to be. */
  private readonly state = new WorldState();
  private readonly nodes = new Map<Node, { jail: number; text: string }>();
  private readonly edges = new Map<Hook, KnownEdge>();
  private readonly changedNodes = new Set<Node>();
  private readonly changedHooks = new Set<Hook>();
  /** What `state` has and the journal does not, unless the journal is behind. */
  private readonly pending: Entry[] = [];
  /** What would take away from the journal what could not be taken up. */
  private readonly waiting: Entry[] = [];
  private scheduled = false;
  private keeping = false;
  private rewrittenSize = 0;
  /** Nothing can be appended before the journal is written anew. */
  private isBehind = false;
  private trouble: string | undefined;
  private retrying: (() => void) | undefined;

  constructor(
    private readonly world: Kept,
    private readonly journal: Pick<Journal, 'append' | 'rewrite' | 'compact' | 'size'>,
    /** Tells this start of the system from others. */
    readonly boot: string,
    /** Directories that were not there before. */
    made: Iterable<string>,
  ) {
    this.state.boot = boot;
    for (const path of made) this.state.apply({ made: path });
    world.graph.observer = this;
    world.jails.journal = this;
  }

  /** Why the journal lacks something that is done; undefined: it has everything. */
  get problem(): string | undefined {
    return this.trouble;
  }

  /** From now on the journal tells of the world as it is. */
  start(): void {
    this.keeping = true;
    this.fallBehind();
    this.collect();
    this.write();
  }

  /** As `start`, where another process has the same in the journal already. */
  goOn(): void {
    this.keeping = true;
    this.collect();
    this.pending.length = 0;
    this.rewrittenSize = this.journal.size;
    this.world.interfaces.keepAll();
  }

  /**
   * Leaves the journal, with all that there is, to another process, or until `start`.
   * @throws Error not all of it can be written; nothing has changed
   */
  pause(): void {
    this.collect();
    this.write();
    if (this.trouble !== undefined) throw new Error(this.trouble);
    this.keeping = false;
  }

  /** Notes that everything is being taken down. What comes of it is not written down any more. */
  stop(): void {
    this.add({ stopping: true });
    this.collect();
    this.write();
    this.keeping = false;
    this.world.graph.observer = undefined;
    this.world.jails.journal = undefined;
  }

  node(node: Node): void {
    if (node.type.transient) return;
    this.changedNodes.add(node);
    this.schedule();
  }

  hook(hook: Hook): void {
    if (!isLasting(hook) && !this.edges.has(hook)) return;
    this.changedHooks.add(hook);
    this.schedule();
  }

  made(path: string): void {
    this.push({ made: path });
  }

  jail(state: JailState): void {
    this.push({ jail: state });
  }

  jailGone(id: number): void {
    this.push({ jailGone: id });
  }

  sysctl(jail: number, name: string, value: string | number): void {
    this.push({ sysctl: [jail, name, value] });
  }

  /**
   * Notes what of an earlier world holds for this one, and does not show in its nodes; and what could not be taken up,
   * so that the next start can try it again.
   */
  carryOver(earlier: WorldState, { jails, nodes }: Waiting, isThere: (jail: number) => boolean): void {
    const rebooted = earlier.boot !== this.boot;
    const holds = (jail: number): boolean => isThere(jail) || jails.has(jail);
    for (const sysctl of earlier.sysctls.values()) if (holds(sysctl[0])) this.push({ sysctl });
    for (const lastId of earlier.lastIds) if (holds(lastId[0])) this.push({ lastId });
    for (const [id, jail] of earlier.jails) {
      // Under the numbers of its namespace there is another one now, or none.
      const { namespace, ...rest } = jail;
      if (jails.has(id)) this.wait({ jail: rebooted ? rest : jail }, { jailGone: id });
    }
    const waits = (jail: number, id: number): boolean => jails.has(jail) || nodes.has(`${jail}/${id}`);
    for (const node of earlier.nodes.values()) {
      const [jail, { id }] = node;
      if (waits(jail, id)) this.wait({ node }, { nodeGone: [jail, id] });
    }
    const isKnown = (jail: number, id: number): boolean => holds(jail) && earlier.nodes.has(`${jail}/${id}`);
    for (const edge of earlier.edges.values()) {
      const [a, b] = [edge.slice(0, 2), edge.slice(3, 5)] as [number, number][];
      if ((waits(...a) || waits(...b)) && isKnown(...a) && isKnown(...b))
        this.wait({ edge }, { edgeGone: edge });
    }
  }

  private wait(entry: Entry, gone: Entry): void {
    this.push(entry);
    this.waiting.push(gone);
  }

  /** Gives up what could not be taken up. */
  forget(): void {
    for (const gone of this.waiting.splice(0)) this.push(gone);
  }

  /** Writes what has changed. When that fails it is tried again in a while. */
  readonly commit = (): void => {
    if (!this.keeping) return;
    this.collect();
    if (this.trouble === undefined) this.write();
    else if (!this.isBehind && this.pending.length > MAX_PENDING) this.fallBehind();
  };

  /** Makes the journal as short as it can be, without keeping anybody waiting. @throws Error it cannot be written */
  async compact(): Promise<void> {
    this.collect();
    const catchUp = this.isBehind;
    if (catchUp) this.pending.length = 0;
    this.rewrittenSize = Number.POSITIVE_INFINITY;
    try {
      if (!(await this.journal.compact([...this.state.entries()]))) return;
    } finally {
      this.rewrittenSize = this.journal.size;
    }
    if (!catchUp) return;
    this.isBehind = false;
    if (this.pending.length > 0) this.write();
    else this.written();
  }

  private write(): void {
    if (this.pending.length === 0 && !this.isBehind) return;
    try {
      if (!this.isBehind) this.append();
      if (this.isBehind) this.rewrite();
      this.written();
    } catch (error) {
      this.failed(error);
      return;
    }
    const { size } = this.journal;
    if (size > LONG && size > GROWTH * this.rewrittenSize)
      this.compact().catch((error) => this.world.log(`state: ${(error as Error).message}`));
  }

  private append(): void {
    try {
      this.journal.append(this.pending);
    } catch (error) {
      if (!(error instanceof MustRewrite)) throw error;
      this.fallBehind();
    }
  }

  private rewrite(): void {
    this.journal.rewrite(this.state.entries());
    this.isBehind = false;
    this.rewrittenSize = this.journal.size;
  }

  private fallBehind(): void {
    this.isBehind = true;
    this.pending.length = 0;
  }

  private written(): void {
    this.pending.length = 0;
    if (this.trouble !== undefined) this.world.log('state: all of it is on disk again');
    this.trouble = undefined;
    this.world.interfaces.keepAll();
  }

  private failed(error: unknown): void {
    const trouble = `the state on disk is behind: ${(error as Error).message}`;
    if (trouble !== this.trouble) this.world.log(trouble);
    this.trouble = trouble;
    this.retrying ??= this.world.graph.env.clock.after(RETRY, () => {
      this.retrying = undefined;
      this.retry().catch((failure) => this.failed(failure));
    });
  }

  private async retry(): Promise<void> {
    if (!this.keeping || this.trouble === undefined) return;
    this.collect();
    if (this.isBehind) await this.compact();
    else this.write();
  }

  private push(entry: Entry): void {
    this.add(entry);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || !this.keeping) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.commit();
    });
  }

  private collect(): void {
    for (const hook of this.changedHooks) this.collectGone(hook);
    for (const node of this.changedNodes) this.collectNode(node);
    for (const hook of this.changedHooks) this.collectEdge(hook);
    this.changedNodes.clear();
    this.changedHooks.clear();
  }

  private add(entry: Entry): void {
    this.pending.push(entry);
    this.state.apply(entry);
  }

  private collectNode(node: Node): void {
    const known = this.nodes.get(node);
    if (!this.world.graph.has(node)) {
      if (known === undefined) return; // it came and went
      this.nodes.delete(node);
      this.add({ nodeGone: [known.jail, node.id] });
      return;
    }
    let text: string;
    try {
      text = JSON.stringify(nodeState(node));
      const length = Buffer.byteLength(text);
      if (length > MAX_STATE) throw new Error(`its ${length} bytes are more than ${MAX_STATE}`);
    } catch (error) {
      this.world.log(`state of node ${node} is not on disk: ${(error as Error)?.message ?? error}`);
      return;
    }
    if (text === known?.text) return;
    const jail = this.world.jails.idOf(node.vnet);
    this.nodes.set(node, { jail, text });
    // As it is now: what a type gave may be its own to change.
    this.add({ node: [jail, JSON.parse(text)] });
  }

  /** Notes that an edge is not there any more as it was. */
  private collectGone(hook: Hook): void {
    const known = this.edges.get(hook);
    if (known === undefined || isSame(known, hook)) return;
    for (const end of known.hooks) this.edges.delete(end);
    this.add({ edgeGone: known.edge });
  }

  private collectEdge(hook: Hook): void {
    if (!isLasting(hook) || this.edges.has(hook)) return;
    const { peer } = hook;
    const known: KnownEdge = { hooks: [hook, peer], edge: [...this.end(hook), ...this.end(peer)] };
    this.edges.set(hook, known);
    this.edges.set(peer, known);
    this.add({ edge: known.edge });
  }

  private end({ node, name }: Hook): [number, number, string] {
    return [this.world.jails.idOf(node.vnet), node.id, name];
  }
}

/** Whether the edge that a hook is one end of now is the one that we know. */
function isSame({ hooks: [a, b], edge }: KnownEdge, hook: Hook): boolean {
  const other = hook === a ? b : a;
  return isLasting(hook) && hook.peer === other && a.name === edge[2] && b.name === edge[5];
}
