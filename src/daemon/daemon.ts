import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Jail } from '../jail/index.js';
import { descriptorOf, lockFile, namespaceOfPeer, removeEmpty } from '../linux/index.js';
import { limits, NgError } from '../netgraph/index.js';
import { encodeResult, type InstancePaths, MAX_RECORD, RecordReader } from '../protocol/index.js';
import { Journal } from '../state/index.js';
import {
  checkEntries,
  programEdges,
  type Repairs,
  repair,
  restoreProgramEdges,
  World,
} from '../world/index.js';
import { Account } from './account.js';
import { Connection } from './connection.js';
import { Predecessor, Successor } from './handover.js';
import { type Log, oldLog } from './log.js';
import type { ServiceManager } from './notify.js';
import { admitGroup } from './privileges.js';
import { makeStateDirectory } from './statedir.js';
import { Turns } from './turns.js';

/** How long a client that is refused may take to ask why, in milliseconds. */
const PATIENCE = 10_000;
/** How many there may be of those; more are dropped without a word. */
const MAX_REFUSED = 256;
/** How long a restart waits, in milliseconds: for clients to keep up, to catch up without frames, for their requests. */
const QUIET = 100;
const CATCH_UP = 2000;
const BUSY = 10_000;
/** Bytes of requests that are not done which a restart takes along, for clients of one place. Frames stand still then. */
const TAKEN_ALONG = 2 * MAX_RECORD;

/** The process that owns a world, and serves it to tools over a UNIX socket. */
export class Daemon {
  readonly world: World;
  readonly version: string = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ).version;
  readonly connections = new Set<Connection>();
  readonly turns = new Turns();
  private readonly accounts = new Map<Jail | undefined, Account>();
  /** Of clients that may not be here, and that have yet to ask why. */
  private readonly refused = new Set<Socket>();
  private readonly server: Server;
  private stopping: Promise<void> | undefined;
  private restarting: Promise<unknown> | undefined;
  /** Clients that come while this process stands still and another is about to go on: not a byte of theirs is read. */
  private late: Socket[] | undefined;
  /** Hears when another process goes on, or none. */
  manager: ServiceManager | undefined;
  /** Another process is about to go on in our place: clients have to wait. */
  handingOver = false;
  /** No frames for clients that have not read those before. */
  quieting = false;
  /** What went wrong at the start, in sentences. */
  readonly notices: string[] = [];
  /** Of the run directory and of the state directory. */
  private locks!: readonly [number, number];
  private journal!: Journal;

  private constructor(
    readonly paths: InstancePaths,
    readonly log: Log,
  ) {
    this.world = new World({
      log: (line) => log(line, 'warning'),
      instance: paths.runDir,
      utsDirectory: paths.utsDir,
    });
    const { sysctls } = this.world.vnets;
    sysctls.proc('net.graph.maxrecord', 'uint', 'Maximum size of a record from a client', () => MAX_RECORD);
    const options = { allowHalfOpen: true, pauseOnConnect: true };
    this.server = createServer(options, (socket) => this.accept(socket));
  }

  /**
   * Starts the daemon of an instance.
   * @returns undefined when one is running already
   */
  static async start(paths: InstancePaths, log: Log, group?: number): Promise<Daemon | undefined> {
    const predecessor = Predecessor.find();
    if (predecessor !== undefined) {
      const daemon = new Daemon(paths, log);
      await daemon.takeOver(predecessor);
      return daemon;
    }
    const runDir = mkdirSync(paths.runDir, { recursive: true, mode: 0o755 });
    // Held until this process ends, however it ends: whoever has it may replace a socket that was left.
    const lock = lockFile(paths.lock);
    if (lock === null) return undefined;
    rmSync(paths.socket, { force: true });
    const made = makeStateDirectory(paths, runDir);
    const stateLock = lockFile(realpathSync(paths.stateDir));
    if (stateLock === null) {
      rmSync(paths.lock);
      throw new NgError(
        'EBUSY',
        `the state directory ${paths.stateDir} is that of another daemon, which runs`,
      );
    }
    const daemon = new Daemon(paths, log);
    daemon.locks = [lock, stateLock];
    await daemon.takeUp({ made });
    daemon.world.prune();
    const mask = process.umask(0o177);
    await daemon.listen({ path: paths.socket }).finally(() => process.umask(mask));
    chmodSync(paths.socket, 0o600);
    if (group !== undefined) admitGroup(paths.socket, group);
    return daemon;
  }

  /**
   * Takes the world down and the socket away; `stopped` tells when the last client has left, too.
   * @throws NgError EBUSY what of the world is still there; the journal stays then, for the next daemon to try it again
   */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  async stopped(): Promise<void> {
    await once(this.server, 'close');
  }

  /**
   * Has a new process go on with everything: interfaces, clients, the socket. This one ends then.
   * @param requester whom the new process answers
   * @throws NgError it could not; this one goes on
   */
  restart(requester: Connection): Promise<never> {
    if (this.stopping || this.handingOver) throw new NgError('EBUSY', 'the daemon is about to end already');
    const restart = this.replace(requester);
    this.restarting = restart.catch(() => {});
    return restart;
  }

  private async replace(requester: Connection): Promise<never> {
    this.handingOver = true;
    let successor: Successor | undefined;
    let release = (): void => {};
    try {
      successor = await Successor.start();
      await this.world.checkpoint();
      release = await this.quiet(requester);
      this.checkNotStopping();
      await this.giveAway(successor);
    } catch (error) {
      await successor?.abandon();
      this.handingOver = false;
      this.quieting = false;
      release();
      for (const connection of this.connections) connection.takeBack();
      throw NgError.fromSystem(error, 'the old daemon goes on');
    }
    this.manager?.handOver(successor.pid);
    this.log(`process ${successor.pid} goes on`);
    // Whoever wants this one to stop means the daemon.
    if (this.stopping) process.kill(successor.pid, 'SIGTERM');
    // exit(3) without closing anything in good order, as Node's exit would: all of it is in use.
    return (process as unknown as { reallyExit(code: number): never }).reallyExit(0);
  }

  private checkNotStopping(): void {
    if (this.stopping) throw new NgError('EBUSY', 'the daemon was told to stop');
  }

  /** Resolves when nothing is under way; what ends that state. */
  private async quiet(requester: Connection): Promise<() => void> {
    const all = () => [...this.connections];
    for (let waited = 0; all().some((one) => one !== requester && one.isBusy); waited++) {
      if (waited > BUSY) throw new NgError('EBUSY', 'a request of another client takes too long');
      this.checkNotStopping();
      await sleep(1);
    }
    const release = await this.world.jails.hold();
    await this.world.settled();
    // Frames keep coming. Who cannot keep up gets none for a moment; who reads nothing even then is left behind.
    let behind = new Map<Connection, number>(); // and since when
    for (let waited = 0; waited < BUSY; waited++) {
      const now = all().filter(({ isBehind }) => isBehind);
      behind = new Map(now.map((one) => [one, behind.get(one) ?? waited]));
      if ([...behind.values()].every((since) => waited - since >= CATCH_UP)) break;
      this.quieting = waited > QUIET;
      await sleep(1);
    }
    return release;
  }

  /** Stands still, and has another process go on. When it does not, it is ended, and this one goes on. */
  private async giveAway(successor: Successor): Promise<void> {
    const taps = this.world.handOver();
    const late: Socket[] = [];
    this.late = late;
    try {
      const edges = programEdges(this.world);
      const clients = this.movable().flatMap((connection) => connection.handOver() ?? []);
      const parcel = { taps: [...taps.keys()], clients: clients.map(({ state }) => state), edges };
      const fds = [...taps.values(), ...clients.map(({ fd }) => fd)];
      await successor.handOver(parcel, [...this.locks, descriptorOf(this.server), ...fds]);
    } catch (error) {
      // One world is no place for two.
      await successor.abandon();
      this.world.takeBack();
      this.late = undefined;
      for (const socket of late) this.accept(socket);
      throw error;
    }
    // From here to the end of this process nothing more is accepted.
    successor.handOverLate(late.map(descriptorOf));
  }

  /** Clients that a new process can go on with: of each place those with the least that is not done. */
  private movable(): Connection[] {
    const sums = new Map<Account, number>();
    return [...this.connections]
      .sort((a, b) => a.undone - b.undone)
      .filter(({ account, undone }) => {
        const sum = (sums.get(account) ?? 0) + undone;
        sums.set(account, sum);
        return sum <= TAKEN_ALONG;
      });
  }

  /** Goes on in the place of another process. */
  private async takeOver(predecessor: Predecessor): Promise<void> {
    const { parcel, fds } = predecessor.receive();
    const [lock, stateLock, listening, ...others] = fds;
    this.locks = [lock, stateLock];
    await this.takeUp({ taps: new Map(parcel.taps.map((key, i) => [key, others[i]])) });
    await this.listen({ fd: listening });
    const clients = parcel.clients.flatMap((state, i) => {
      const socket = new Socket({ fd: others[parcel.taps.length + i], allowHalfOpen: true });
      // Whose jail is gone is not on the host for that.
      if (![state.home, state.jail].every((id) => id === 0 || this.world.jails.byId(id) !== undefined)) {
        socket.destroy();
        return [];
      }
      const home = this.world.jails.byId(state.home);
      const connection = new Connection(this, socket, home, this.accountOf(home));
      this.connections.add(connection);
      connection.takeUp(state);
      return { connection, state };
    });
    restoreProgramEdges(this.world, parcel.edges);
    this.world.prune();
    const late = predecessor.done();
    this.world.interfaces.release();
    for (const { connection, state } of clients) connection.goOn(state);
    for (const fd of late) this.accept(new Socket({ fd, allowHalfOpen: true }));
  }

  /** Takes up what the daemon before this one left. */
  private async takeUp(how: Parameters<World['keep']>[1]): Promise<void> {
    const found = Journal.open(this.paths.journal, checkEntries);
    this.journal = found.journal;
    const { damage } = found;
    if (damage !== undefined) {
      const { line, offset, reason, keptAs } = damage;
      this.notices.push(
        `state is damaged at line ${line}, byte ${offset}: ${reason}; what is before it is good; see ${keptAs}`,
      );
    }
    for (const what of await this.world.keep(found, how)) this.notices.push(`not taken up: ${what}`);
    for (const notice of this.notices) this.log(notice, 'warning');
  }

  /** Removes what an earlier daemon of this instance left. */
  repair(dryRun: boolean): Promise<Repairs> {
    return repair(this.world, [`${this.paths.journal}.new`], dryRun);
  }

  private async listen(where: { path: string } | { fd: number }): Promise<void> {
    this.server.listen(where);
    await once(this.server, 'listening'); // or its error
  }

  private accept(socket: Socket): void {
    if (this.late !== undefined) {
      this.late.push(socket);
      return;
    }
    try {
      const home = this.world.jails.locate(namespaceOfPeer(socket));
      this.checkRoom(home);
      this.connections.add(new Connection(this, socket, home, this.accountOf(home)));
    } catch (error) {
      this.log(`client refused: ${(error as Error).message}`, 'warning');
      this.refuse(socket, NgError.fromSystem(error));
    }
  }

  private accountOf(home: Jail | undefined): Account {
    const known = this.accounts.get(home);
    if (known !== undefined) return known;
    for (const [jail, { isUnused }] of this.accounts) if (isUnused) this.accounts.delete(jail);
    const outer = home?.parent && this.accountOf(home.parent);
    const account = new Account(home?.vnet ?? this.world.vnet0, outer);
    this.accounts.set(home, account);
    return account;
  }

  /** @throws NgError ENOBUFS the jail, or one around it, has as many clients as it may; the host may have any number */
  private checkRoom(home: Jail | undefined): void {
    for (let jail = home; jail !== undefined; jail = jail.parent)
      if (this.accountOf(jail).clients.size >= limits.maxClients.get(jail.vnet))
        throw new NgError(
          'ENOBUFS',
          `jail ${home!.name} has as many connections as net.graph.maxclients allows`,
        );
  }

  /** Tells a client, in answer to its first request, why it is not served. */
  private refuse(socket: Socket, error: NgError): void {
    if (this.refused.size >= MAX_REFUSED) {
      socket.destroy();
      return;
    }
    const reader = new RecordReader();
    this.refused.add(socket);
    socket.on('end', () => socket.end());
    socket.on('close', () => this.refused.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(PATIENCE, () => socket.destroy());
    socket.resume();
    socket.on('data', (chunk: Buffer) => {
      try {
        const [first] = reader.push(chunk);
        if (first !== undefined) socket.end(encodeResult(first.id, error));
      } catch {
        socket.destroy();
      }
    });
  }

  private async shutDown(): Promise<void> {
    // It gives up soon, or this process ends with it.
    await this.restarting;
    this.manager?.stopping();
    this.server.close();
    const { socket, lock, log, stateDir, runDir } = this.paths;
    try {
      await this.world.close();
      this.journal.remove();
      for (const file of [log, oldLog(log)]) rmSync(file, { force: true });
    } catch (error) {
      this.log(`shutdown: ${(error as Error).stack}`, 'error');
      throw new NgError('EBUSY', `not all is gone, stop again to try it again: ${(error as Error).message}`);
    } finally {
      for (const file of [socket, lock]) rmSync(file, { force: true });
      for (const directory of [stateDir, runDir])
        for (const made of this.world.made) removeEmpty(directory, made);
      for (const client of this.refused) client.destroy();
      // After the answer to whoever asked for this.
      setImmediate(() => {
        for (const connection of this.connections) connection.end();
      });
    }
  }
}
