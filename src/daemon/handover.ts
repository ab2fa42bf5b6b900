import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { receiveDescriptors, sendDescriptors, socketPair } from '../linux/index.js';
import type { EdgeState } from '../world/index.js';
import type { ClientState } from './connection.js';

/** Where a successor finds its end of the connection: the number is in this variable. */
const VARIABLE = 'NETGRAPH_HANDOVER';
const DESCRIPTOR = 3;
/** How long a successor may take for each step, in milliseconds. */
const PATIENCE = 10_000;

/** What a successor is given, beside the journal. Its descriptors come in this order: two locks, socket, taps, clients. */
export interface Parcel {
  /** Names the interfaces, see TapHost.handOver. */
  readonly taps: readonly string[];
  readonly clients: readonly ClientState[];
  /** Hooks of the clients' nodes. */
  readonly edges: readonly EdgeState[];
}

/** How many descriptors come before those of taps. */
const FIXED = 3;
const LENGTH = 4;

function lengthOf({ length }: { readonly length: number }): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  bytes.writeUInt32LE(length);
  return bytes;
}

/** The process that is to take over from this one. */
export class Successor {
  private heard = '';
  private readonly socket: Socket;
  private wake = (): void => {};

  private constructor(
    private readonly child: ChildProcess,
    private readonly end: number,
  ) {
    this.socket = new Socket({ fd: end });
    this.socket.on('error', () => {}).on('close', () => this.wake());
    this.socket.on('data', (chunk) => {
      this.heard += chunk;
      this.wake();
    });
    child.on('error', () => this.wake());
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Starts one. It has loaded what it needs, and done nothing yet. @throws Error it does not come up */
  static async start(): Promise<Successor> {
    const [ours, theirs] = socketPair();
    const command = fileURLToPath(new URL('../cli/netgraph.js', import.meta.url));
    const child = spawn(process.execPath, [command, 'daemon'], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', theirs],
      env: { ...process.env, [VARIABLE]: String(DESCRIPTOR) },
    });
    child.unref();
    closeSync(theirs);
    const successor = new Successor(child, ours);
    try {
      await successor.hears('ready\n');
      return successor;
    } catch (error) {
      await successor.abandon();
      throw error;
    }
  }

  /** Gives it everything. Resolves when it has taken over. @throws Error it did not */
  async handOver(parcel: Parcel, fds: number[]): Promise<void> {
    const text = Buffer.from(JSON.stringify(parcel));
    this.socket.write(Buffer.concat([lengthOf(text), text]));
    await this.hears('parcel\n');
    sendDescriptors(this.end, fds);
    await this.hears('done\n');
  }

  /** Gives it the clients that came meanwhile; it waits for that. */
  handOverLate(fds: number[]): void {
    try {
      writeSync(this.end, lengthOf(fds));
      sendDescriptors(this.end, fds);
    } catch {
      // It has ended, and with it all that it had taken over.
    }
  }

  /** Ends it: this process goes on. Resolves when it is no more. */
  async abandon(): Promise<void> {
    const { child } = this;
    this.socket.destroy();
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  private async hears(word: string): Promise<void> {
    const timer = setTimeout(() => this.socket.destroy(), PATIENCE);
    while (this.heard.length < word.length && !this.socket.closed)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    clearTimeout(timer);
    if (!this.heard.startsWith(word)) throw new Error(`the new daemon failed before it was ${word.trim()}`);
    this.heard = this.heard.slice(word.length);
  }
}

/** The process that hands over to this one. */
export class Predecessor {
  static isThere(): boolean {
    return process.env[VARIABLE] !== undefined;
  }

  /** Present when this process was started to take over. */
  static find(): Predecessor | undefined {
    const text = process.env[VARIABLE];
    delete process.env[VARIABLE];
    return text === undefined ? undefined : new Predecessor(Number(text));
  }

  private constructor(private readonly fd: number) {}

  /** Waits for what it has to give: blocks, as there is nothing else to do yet. */
  receive(): { parcel: Parcel; fds: number[] } {
    writeSync(this.fd, 'ready\n');
    const parcel = JSON.parse(this.read(this.read(LENGTH).readUInt32LE()).toString('utf8')) as Parcel;
    writeSync(this.fd, 'parcel\n');
    return { parcel, fds: receiveDescriptors(this.fd, FIXED + parcel.taps.length + parcel.clients.length) };
  }

  /** Lets it go. @returns descriptors of clients that came meanwhile */
  done(): number[] {
    writeSync(this.fd, 'done\n');
    try {
      return receiveDescriptors(this.fd, this.read(LENGTH).readUInt32LE());
    } catch {
      return []; // it was killed just now
    } finally {
      closeSync(this.fd);
    }
  }

  private read(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const count = readSync(this.fd, bytes, at, length - at, null);
      if (count === 0) throw new Error('the daemon that was to hand over is gone');
      at += count;
    }
    return bytes;
  }
}
