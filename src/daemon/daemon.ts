import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { lockFile, namespaceOfPeer } from '../linux/index.js';
import { NgError } from '../netgraph/index.js';
import { encodeResult, type InstancePaths, RecordReader } from '../protocol/index.js';
import { Journal, type OpenedJournal } from '../state/index.js';
import { World } from '../world/index.js';
import { Connection } from './connection.js';

/** How long a client that is refused may take to ask why, in milliseconds. */
const PATIENCE = 10_000;

/** The process that owns a world, and serves it to tools over a UNIX socket. */
export class Daemon {
  readonly world: World;
  readonly version: string = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ).version;
  readonly connections = new Set<Connection>();
  /** Of clients that may not be here, and that have yet to ask why. */
  private readonly refused = new Set<Socket>();
  private readonly server: Server;
  private stopping: Promise<void> | undefined;

  private constructor(
    readonly paths: InstancePaths,
    readonly log: (line: string) => void,
    private readonly journal: Journal,
  ) {
    this.world = new World({ log, instance: paths.runDir, utsDirectory: paths.utsDir });
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  /**
   * Starts the daemon of an instance.
   * @returns undefined when one is running already
   */
  static async start(paths: InstancePaths, log: (line: string) => void): Promise<Daemon | undefined> {
    mkdirSync(paths.runDir, { recursive: true, mode: 0o755 });
    // Held until this process ends, however it ends: whoever has it may replace a socket that was left.
    if (lockFile(paths.lock) === null) return undefined;
    rmSync(paths.socket, { force: true });
    const made = mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 });
    const found = Journal.open(paths.journal);
    const daemon = new Daemon(paths, log, found.journal);
    await daemon.takeUp(found, made);
    await daemon.listen();
    return daemon;
  }

  /** Takes the world down and the socket away; `stopped` tells when the last client has left, too. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  async stopped(): Promise<void> {
    await once(this.server, 'close');
  }

  /** Takes up what the daemon before this one left, if it was killed. */
  private async takeUp(found: OpenedJournal, made: string | undefined): Promise<void> {
    const { damage } = found;
    if (damage !== undefined) {
      const { line, offset, reason, keptAs } = damage;
      this.log(
        `state is damaged at line ${line}, byte ${offset}: ${reason}; what is before it is good; see ${keptAs}`,
      );
    }
    for (const what of await this.world.keep(found, made)) this.log(`not taken up: ${what}`);
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      const mask = process.umask(0o177);
      this.server.listen(this.paths.socket, () => {
        process.umask(mask);
        chmodSync(this.paths.socket, 0o600);
        resolve();
      });
    });
  }

  private accept(socket: Socket): void {
    try {
      const peer = namespaceOfPeer(socket);
      this.connections.add(new Connection(this, socket, this.world.jails.locate(peer)));
    } catch (error) {
      this.log(`client refused: ${(error as Error).message}`);
      this.refuse(socket, NgError.fromSystem(error));
    }
  }

  /** Tells a client, in answer to its first request, why it is not served. */
  private refuse(socket: Socket, error: NgError): void {
    const reader = new RecordReader();
    this.refused.add(socket);
    socket.on('end', () => socket.end());
    socket.on('close', () => this.refused.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(PATIENCE, () => socket.destroy());
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
    this.server.close();
    const { socket, lock, log } = this.paths;
    try {
      await this.world.close();
      this.journal.remove();
      for (const made of this.world.made) removeEmpty(this.paths.stateDir, made);
      rmSync(log, { force: true });
    } catch (error) {
      this.log(`shutdown: ${(error as Error).stack}`);
    }
    for (const file of [socket, lock]) rmSync(file, { force: true });
    for (const client of this.refused) client.destroy();
    // After the answer to whoever asked for this.
    setImmediate(() => {
      for (const connection of this.connections) connection.end();
    });
  }
}

/** Removes a directory and those around it up to `last`, as far as they are empty. */
function removeEmpty(directory: string, last: string): void {
  try {
    for (let path = directory; path.startsWith(last); path = dirname(path)) rmdirSync(path);
  } catch {
    // Somebody else has something there.
  }
}
