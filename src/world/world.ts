import { resolve } from 'node:path';
import { Jail, Jails } from '../jail/index.js';
import { bootId, NETNS_DIRECTORY, TapHost, UTS_DIRECTORY } from '../linux/index.js';
import { Netgraph, NgError, type Node, removeUnused } from '../netgraph/index.js';
import type { OpenedJournal } from '../state/index.js';
import { type Vnet, VnetSystem } from '../vnet/index.js';
import { systemClock } from './clock.js';
import { Keeper } from './keeper.js';
import { ModuleLoader } from './modules.js';
import { clearAway, leftovers } from './repair.js';
import { finishRemovals, restore } from './restore.js';
import { LocalSocket } from './socket.js';
import { type Entry, WorldState } from './state.js';

export interface WorldOptions {
  /** Directories with modules `ng_<type>.js`. Default: those in NETGRAPH_MODULE_PATH, separated by colons. */
  modulePath?: readonly string[];
  /** Hears of what nobody waits for. Default: standard error. */
  log?: (line: string) => void;
  /** Source of numbers from 0 to less than 1, for the nodes that need chance. Default: Math.random. */
  random?: () => number;
  /** Whether large segments and partial checksums pass the graph as they are, by default. Default: true. */
  offloads?: boolean;
  /** Finds out nodes that use a frame after its time. Slow. Default: NETGRAPH_DEBUG is set. */
  debug?: boolean;
  /** Directory that holds the hostnames of jails, of this world only. Default: /run/netgraph/uts-PID. */
  utsDirectory?: string;
  /** Marks our interfaces (their alias is `netgraph:INSTANCE`). Default: the process ID. */
  instance?: string;
}

/**
 * Vnets, graph, jails and interfaces in this process. What the daemon owns, and what a program makes that embeds
 * netgraph. Needs root: it makes namespaces and interfaces.
 */
export class World {
  readonly vnets: VnetSystem;
  readonly graph: Netgraph;
  readonly jails: Jails;
  readonly interfaces: TapHost;
  readonly log: (line: string) => void;
  /** Directories that were made for this world, or for one that it took up. */
  made: readonly string[] = [];
  /** What could not be taken up and is tried again at each start, in words. */
  waiting: readonly string[] = [];
  private keeper: Keeper | undefined;
  /** Nodes that lack hooks to what could not be taken up. */
  private bereft: ReadonlySet<Node> = new Set();

  constructor(options: WorldOptions = {}) {
    const log = options.log ?? ((line: string) => console.error(`netgraph: ${line}`));
    this.log = log;
    const debug = options.debug ?? Boolean(process.env.NETGRAPH_DEBUG);
    const report = (error: unknown) => log(String((error as Error)?.stack ?? error));
    const modulePath =
      options.modulePath ?? (process.env.NETGRAPH_MODULE_PATH ?? '').split(':').filter(Boolean);
    const modules = new ModuleLoader(modulePath.map((directory) => resolve(directory)));
    this.vnets = new VnetSystem((error, what) => log(`${what}: ${error}`));
    this.interfaces = new TapHost({
      netnsOf: (vnet) => this.namespaceOf(vnet),
      namespaces: () => this.namespaces(),
      beforeRemoval: () => this.keeper?.commit(),
      identityOf: (vnet) => this.jails.ownerOf(vnet)?.name ?? '',
      instance: options.instance,
      offloads: options.offloads,
      debug,
      report,
    });
    this.jails = new Jails(this.vnets, {
      lifetimes: this.interfaces.lifetimes,
      settled: () => this.settled(),
      utsDirectory: options.utsDirectory ?? `${UTS_DIRECTORY}-${process.pid}`,
      mark: this.interfaces.survivors.mark,
      log,
    });
    this.graph = new Netgraph(this.vnets, {
      clock: systemClock,
      random: options.random ?? Math.random,
      devices: this.interfaces,
      jails: this.jails,
      loadType: (name) => modules.load(name),
      later: setImmediate,
      log,
      debug,
    });
  }

  /** The vnet of the host. */
  get vnet0(): Vnet {
    return this.vnets.vnet0;
  }

  /**
   * Makes a socket node in the vnet of a jail, or in that of the host.
   * @param options.jail one of `jails`, or its name or ID
   * @throws NgError ENOENT there is no such jail, EADDRINUSE the name is taken
   */
  socket({ jail, name }: { jail?: Jail | string | number; name?: string } = {}): LocalSocket {
    return new LocalSocket(this, jail === undefined ? this.vnet0 : this.jailOf(jail).vnet, name);
  }

  private jailOf(given: Jail | string | number): Jail {
    const jail = given instanceof Jail ? given : this.jails.lookUp(undefined, String(given));
    if (jail === undefined) throw new NgError('ENOENT', `there is no jail ${given}`);
    return jail;
  }

  /** Resolves when what was taken down is gone from the system, too. */
  settled(): Promise<void> {
    return this.interfaces.settled();
  }

  /**
   * Makes this world survive the end of the program, and takes up what an earlier one left: its jails, its nodes
   * under their IDs, its interfaces with all that the system knows of them.
   * @param options.made directories that were made for this world just now
   * @param options.taps descriptors of the interfaces, if the earlier one handed them over: then frames wait in these
   *   until `interfaces.release()`
   * @returns what there was but could not be taken up, in sentences
   */
  async keep(
    { journal, entries, damage }: OpenedJournal,
    { made = [], taps }: { made?: readonly string[]; taps?: ReadonlyMap<string, number> } = {},
  ): Promise<string[]> {
    const state = new WorldState();
    if (taps !== undefined) {
      this.interfaces.hold();
      this.interfaces.survivors.inherit(taps);
    }
    for (const entry of (entries as Entry[]).flat()) state.apply(entry);
    const boot = bootId();
    const rebooted = state.boot !== boot;
    // It was empty then: what is there now others made.
    if (rebooted) {
      for (const path of state.made) if (path.startsWith('/run/')) state.made.delete(path);
      this.interfaces.survivors.expectNone();
    }
    for (const path of made) state.apply({ made: path });
    const complete = damage === undefined && entries.length > 0;
    if (state.stopping && complete) state.end();
    const keeper = new Keeper(this, journal, boot, state.made);
    const { lost, waiting, waitingInWords, bereft, removing } = await restore(this, state, rebooted);
    keeper.carryOver(state, waiting, (jail) => jail === 0 || this.jails.byId(jail) !== undefined);
    this.keeper = keeper;
    this.waiting = waitingInWords;
    this.bereft = bereft;
    const goesOn = taps !== undefined && lost.length === 0;
    if (goesOn) keeper.goOn(); // at once: what happens from here on the journal has not
    // An interface without a node may be that of one that has to wait.
    lost.push(...(await finishRemovals(this, removing, complete && this.waiting.length === 0)));
    this.interfaces.survivors.close();
    if (state.stopping) await this.clear();
    if (!goesOn) keeper.start();
    this.made = [...state.made];
    this.jails.madeNetns = state.made.has(NETNS_DIRECTORY);
    return lost;
  }

  /** Takes away what hung on programs that are gone: nodes without hooks that nothing keeps. */
  prune(): void {
    for (const vnet of this.vnets)
      for (const node of this.graph.nodes(vnet)) if (!this.bereft.has(node)) removeUnused(node);
  }

  /** Writes down what is done: it survives from now on. */
  commit(): void {
    this.keeper?.commit();
  }

  /** Gives up what `keep` could not take up: it is not tried again. */
  forget(): void {
    this.jails.forget();
    this.keeper?.forget();
    this.waiting = [];
    for (const node of this.bereft) removeUnused(node);
    this.bereft = new Set();
  }

  /** Why what is done may not survive, in sentences. */
  get notices(): string[] {
    return this.keeper?.problem === undefined ? [] : [this.keeper.problem];
  }

  /** Makes the journal short, so that it is soon read. @throws Error it cannot be written */
  async checkpoint(): Promise<void> {
    await this.keeper?.compact();
  }

  /**
   * Stands still, so that another process can go on with this world: with `keep`, and what this returns.
   * @returns descriptors of the interfaces
   * @throws Error not all of it can be written down; it does not stand still
   */
  handOver(): ReadonlyMap<string, number> {
    this.keeper?.pause();
    return this.interfaces.handOver();
  }

  /** Goes on after all. */
  takeBack(): void {
    this.interfaces.takeBack();
    this.keeper?.start();
  }

  /** Sets a sysctl of a vnet. @throws SysctlError */
  setSysctl(vnet: Vnet, name: string, value: string): void {
    this.vnets.sysctls.write(vnet, name, value);
    this.keeper?.sysctl(this.jails.idOf(vnet), name, value);
  }

  /** Takes down jails, nodes and interfaces. @throws NgError EBUSY what of it is still there, in sentences */
  async close(): Promise<void> {
    const isWaiting = this.waiting.length > 0;
    this.keeper?.stop();
    this.keeper = undefined;
    const failures = await this.jails.close();
    this.graph.close();
    await this.interfaces.close();
    // What could not be taken up, with all else that is nobody's now.
    if (isWaiting) failures.push(...(await clearAway(leftovers(this))).left);
    if (failures.length > 0) throw new NgError('EBUSY', failures.join('; '));
  }

  /** Takes down everything, and is ready for more. */
  private async clear(): Promise<void> {
    for (const jail of this.jails.list(undefined).filter(({ parent }) => parent === undefined))
      await this.jails.remove(jail);
    for (const node of this.graph.nodes(this.vnet0)) {
      node.reallyDie = true;
      this.graph.removeNode(node);
    }
    await this.settled();
  }

  /** All namespaces that our interfaces may be in. */
  private *namespaces() {
    yield '/proc/self/ns/net';
    for (const { ownsVnet, namespace } of this.jails.list(undefined)) if (ownsVnet) yield namespace!;
  }

  private namespaceOf(vnet: Vnet) {
    const jail = this.jails.ownerOf(vnet);
    if (jail === undefined) return '/proc/self/ns/net';
    return jail.namespace!;
  }
}
