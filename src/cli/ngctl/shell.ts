import type { NetgraphSocket } from '../../client/index.js';
import { ClientError, DebugLog, NgError, strerror } from '../../client/index.js';
import { UsageError } from '../command.js';

/** What came of a command. */
export const Status = { OK: 0, USAGE: 1, ERROR: 2, QUIT: 3 } as const;
export type Status = (typeof Status)[keyof typeof Status];

/** One command of ngctl(8). */
export interface Command {
  /** Its name and arguments. */
  readonly usage: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /**
   * Carries it out with the words behind its name.
   * @throws UsageError, CommandFailed, NgError for a message that was refused
   */
  run(shell: Shell, args: string[]): Promise<Status | void> | Status | void;
}

export const nameOf = ({ usage }: Command): string => usage.split(' ', 1)[0];

/** A command that did not work: what was tried, and what was in the way if it was a system or the graph. */
export class CommandFailed extends Error {
  constructor(
    readonly what: string,
    readonly reason?: NgError,
  ) {
    super(what);
  }
}

/** Waits for something that the graph may refuse; `what` is said before the error, as warn(3) does. */
export async function during<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof NgError ? new CommandFailed(what, error) : error;
  }
}

export interface ShellOptions {
  /** Where results go. */
  out: (text: string) => void;
  /** Where warnings go. */
  err: (text: string) => void;
  /** Whether to say more about an error than FreeBSD does, on a line of its own. Default: only when debugging. */
  explain?: boolean;
  debug?: number;
}

/** Carries out commands: what ngctl(8) is apart from where its lines come from. */
export class Shell {
  private readonly log: DebugLog;

  constructor(
    readonly socket: NetgraphSocket,
    readonly commands: readonly Command[],
    private readonly options: ShellOptions,
  ) {
    this.log = new DebugLog((line) => this.warn(line), options.debug);
    socket.trace = this.log;
  }

  get debugLevel(): number {
    return this.log.level;
  }

  set debugLevel(level: number) {
    this.log.level = level;
  }

  print(text: string): void {
    this.options.out(text);
  }

  /** warnx(3) */
  warn(text: string): void {
    this.options.err(`ngctl: ${text}\n`);
  }

  /** The only command that starts with `word`, in its name or an alias; upper and lower case are the same. */
  find(word: string): Command | undefined {
    const start = word.toLowerCase();
    const matching = this.commands.filter((command) =>
      [nameOf(command), ...(command.aliases ?? [])].some((name) => name.startsWith(start)),
    );
    if (matching.length === 1) return matching[0];
    this.warn(`"${word}": ${matching.length === 0 ? 'unknown' : 'ambiguous'} command`);
    return undefined;
  }

  /** Words are separated by white space; there is no way to quote it. */
  runLine(line: string): Promise<Status> {
    return this.run(line.split(/[ \t\r\n\v\f]+/).filter((word) => word !== ''));
  }

  /**
   * Carries out one command and tells of its errors.
   * @throws ClientError when the connection is lost
   */
  async run(words: readonly string[]): Promise<Status> {
    const [name = '', ...rest] = words;
    if (name === '') return Status.OK;
    const command = this.find(name);
    if (command === undefined) return Status.ERROR;
    try {
      return (await command.run(this, rest)) ?? Status.OK;
    } catch (error) {
      if (!(error instanceof UsageError)) return this.failed(error);
      if (error.message !== '') this.warn(error.message);
      this.warn(`usage: ${command.usage}`);
      return Status.USAGE;
    }
  }

  /**
   * Carries out commands from a file. Lines that start with # and empty ones are skipped; the first that does not
   * work ends it.
   */
  async runLines(lines: AsyncIterable<string>): Promise<Status> {
    let number = 0;
    for await (const line of lines) {
      number++;
      if (line.startsWith('#')) continue;
      const status = await this.runLine(line);
      if (status === Status.OK) continue;
      if (status !== Status.QUIT) this.warn(`line ${number}: error in file`);
      return status;
    }
    return Status.OK;
  }

  private failed(error: unknown): Status {
    if (error instanceof CommandFailed) {
      const { what, reason } = error;
      this.warn(reason === undefined ? what : `${what}: ${strerror(reason.errno)}`);
      if (reason !== undefined) this.explain(reason);
      return Status.ERROR;
    }
    if (error instanceof NgError) return this.failed(new CommandFailed('send msg', error));
    if (!(error instanceof ClientError) || error.code !== 'ETIMEDOUT') throw error;
    return this.failed(new CommandFailed('recv msg', new NgError('ETIMEDOUT', error.message)));
  }

  private explain({ errno, message }: NgError): void {
    const wanted = this.options.explain || this.debugLevel > 0;
    if (wanted && message !== strerror(errno)) this.warn(`(${message})`);
  }
}
