import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type ConnectOptions, NetgraphClient, type Transport } from '../../src/client/index.js';
import {
  type ControlRecord,
  encodeRecord,
  Kind,
  MAX_ANSWER,
  RecordReader,
} from '../../src/protocol/index.js';
import { finished, inSandbox, type Outcome } from './sandbox.js';

export const SOCKET = '/run/netgraph/control.sock';

/** Lines in the log of the daemon that tell of a mistake of ours. */
const DEFECTS =
  'if [ -e /run/netgraph/daemon.log ]; then ! grep -E "uncaught|unhandled|TypeError|failed:" /run/netgraph/daemon.log; fi';

/** Joins its standard input and output to a UNIX socket. */
const RELAY = `
const socket = require('net').connect(process.argv[1]);
process.stdin.pipe(socket).pipe(process.stdout);
socket.on('error', ({ code }) => { process.stderr.write(code); process.exit(1); });
socket.on('close', () => process.exit());
process.stdout.on('error', () => process.exit());`;

/**
 * A sandbox that lasts, in which any number of programs can be run beside one another, and with whose daemon tests
 * talk as programs in it would. It ends with us, however we end.
 */
export class Machine {
  private constructor(
    private readonly init: ChildProcessWithoutNullStreams,
    /** As we see it. */
    readonly pid: number,
  ) {}

  static async start(): Promise<Machine> {
    // With SIGCHLD ignored the kernel buries those whose parents are gone, as an init should.
    const { command, args } = inSandbox('sh', '-c', 'echo up; exec env --ignore-signal=CHLD cat');
    const init = spawn(command, args, { stdio: 'pipe' });
    init.stderr.resume();
    await once(init.stdout, 'data');
    const children = readFileSync(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8');
    return new Machine(init, Number(children));
  }

  /** Starts a program in it. */
  spawn(...words: string[]): ChildProcessWithoutNullStreams {
    const enter = ['--target', String(this.pid), '--net', '--mount', '--uts', '--pid', '--'];
    const env: NodeJS.ProcessEnv = { ...process.env, PATH: `/run/bin:${process.env.PATH}` };
    env.NETGRAPH_STATE_DIR = '/run/state';
    delete env.NETGRAPH_RUN_DIR;
    const child = spawn('nsenter', [...enter, ...words], { stdio: 'pipe', env });
    child.stdin.on('error', () => {});
    return child;
  }

  /** Runs a shell script. */
  run(script: string, timeout?: number): Promise<Outcome> {
    const child = this.spawn('sh', '-c', script);
    child.stdin.end();
    return finished(child, timeout);
  }

  /** What a shell script said on both outputs; `(exit N)` behind that when it failed. */
  async sh(script: string, timeout?: number): Promise<string> {
    const { stdout, status } = await this.run(`exec 2>&1; ${script}`, timeout);
    return status === 0 ? stdout : `${stdout}(exit ${status})\n`;
  }

  /** A connection to the daemon from a process in it, started by the words of `as` if there are any. */
  connect(as: readonly string[] = [], socket = SOCKET): RawClient {
    return new RawClient(this.spawn(...as, process.execPath, '-e', RELAY, socket));
  }

  /** A client of the daemon, which is started first if need be. */
  async client(options: ConnectOptions = {}, as: readonly string[] = []): Promise<NetgraphClient> {
    await this.daemon();
    return NetgraphClient.connect({ transport: this.connect(as), ...options });
  }

  /** Makes sure that a daemon runs. */
  async daemon(): Promise<void> {
    const { stderr, status } = await this.run(`test -S ${SOCKET} || jls`);
    if (status !== 0) throw new Error(`the daemon does not start: ${stderr}`);
  }

  /** What `netgraph status --json` says. */
  async status() {
    return JSON.parse((await this.run('netgraph status --json')).stdout);
  }

  async close(): Promise<void> {
    this.init.stdin.end();
    if (this.init.exitCode === null && this.init.signalCode === null) await once(this.init, 'close');
  }
}

/** A client of which nothing is expected, not even good manners. */
export class RawClient extends EventEmitter implements Transport {
  /** Records that came and were not taken. */
  private readonly records: ControlRecord[] = [];
  private readonly reader = new RecordReader(MAX_ANSWER);
  private lastId = 0;
  private wake = (): void => {};
  /** The daemon ended the connection, or nobody listened. */
  closed = false;
  errors = '';

  constructor(private readonly child: ChildProcessWithoutNullStreams) {
    super();
    child.stdout.on('data', (chunk: Buffer) => {
      for (const record of this.reader.push(chunk)) this.records.push(record);
      this.emit('data', chunk);
      this.wake();
    });
    child.stderr.on('data', (text) => {
      this.errors += text;
    });
    child.on('close', () => {
      this.closed = true;
      this.emit('close');
      this.wake();
    });
  }

  /** Stops to read what the daemon says, or goes on. */
  reading(on: boolean): void {
    if (on) this.child.stdout.resume();
    else this.child.stdout.pause();
  }

  write(bytes: Uint8Array): boolean {
    return this.child.stdin.write(bytes);
  }

  get writableLength(): number {
    return this.child.stdin.writableLength;
  }

  end(): void {
    this.child.stdin.end();
  }

  destroy(): void {
    this.child.kill('SIGKILL');
  }

  /** Sends a request and waits for its result: an errno, 0 for success, and the text with it. */
  async request(kind: number, ...parts: (Uint8Array | string)[]): Promise<{ errno: number; text: string }> {
    const id = ++this.lastId;
    this.write(encodeRecord(kind, id, ...parts));
    const { body } = await this.record((record) => record.kind === Kind.RESULT && record.id === id);
    return {
      errno: new DataView(body.buffer, body.byteOffset).getUint32(0, true),
      text: Buffer.from(body.subarray(4)).toString(),
    };
  }

  call(method: unknown, params?: unknown) {
    return this.request(Kind.CALL, JSON.stringify({ method, params }));
  }

  /** The next record that is wanted; those before it are lost. */
  async record(wanted: (record: ControlRecord) => boolean = () => true): Promise<ControlRecord> {
    for (;;) {
      const at = this.records.findIndex(wanted);
      if (at >= 0) return this.records.splice(0, at + 1)[at];
      this.records.length = 0;
      if (this.closed) throw new Error(`the connection was closed ${this.errors}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

/** A Machine for each test of the present describe(). */
export function machine(): { box: Machine } {
  const holder = {} as { box: Machine };
  beforeEach(async () => {
    holder.box = await Machine.start();
  });
  afterEach(async () => {
    expect(await holder.box.sh(DEFECTS)).toBe('');
    await holder.box.close();
  });
  return holder;
}

/** One Machine for all tests of the present describe(). After each of them the same daemon runs, and answers. */
export function sharedMachine(): { box: Machine } {
  const holder = {} as { box: Machine };
  let pid = 0;
  beforeAll(async () => {
    holder.box = await Machine.start();
    await holder.box.daemon();
    ({ pid } = await holder.box.status());
  });
  afterEach(async () => {
    expect(await holder.box.sh(`${DEFECTS}; netgraph status --json | grep '"pid"'`)).toBe(
      `  "pid": ${pid},\n`,
    );
  });
  afterAll(() => holder.box.close());
  return holder;
}

/** Waits until something holds, asking again and again. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${holds}`);
  }
}
