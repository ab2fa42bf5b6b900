import { copyFileSync, fstatSync, ftruncateSync, statSync, writeSync } from 'node:fs';

/** Priorities of syslog(3). */
const PRIORITY = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;

export type Level = keyof typeof PRIORITY;
export type Fields = Readonly<Record<string, string | number>>;
/** Writes down a line. Never throws. */
export type Log = (message: string, level?: Level, fields?: Fields) => void;

/** Where lines go. */
export interface Sink {
  /** They go to the journal, which knows the time, and wants to know the priority: sd-daemon(3). */
  readonly journal: boolean;
  write(text: string): void;
}

/** How many lines of the same text, and how many of a level, are written in a period (milliseconds). */
export const LIMITS = { period: 60_000, same: 5, all: 200, length: 4000 } as const;

/** How long a log file may get, in bytes. */
const FILE_LIMIT = 4 << 20;

interface Seen {
  level: Level;
  count: number;
}

/**
 * Structured lines: `<time> level message key=value ...`. A message is one line whatever is in it, and those that come
 * again and again are counted instead, so that neither a client nor a failing handler can forge lines or fill the disk.
 */
export class Logger {
  private readonly seen = new Map<string, Seen>();
  /** Of each level, so that chatter does not hide an error. */
  private readonly lines = new Map<Level, number>();
  private leftOut = 0;
  private period: NodeJS.Timeout | undefined;

  constructor(private readonly sink: Sink) {}

  readonly log: Log = (message, level = 'notice', fields = {}) => {
    this.period ??= setTimeout(() => this.flush(), LIMITS.period).unref();
    const text = render(message, fields);
    const seen = this.seen.get(text);
    if (seen !== undefined && ++seen.count > LIMITS.same) return;
    const lines = this.lines.get(level) ?? 0;
    if (lines === LIMITS.all) {
      this.leftOut++;
      return;
    }
    this.lines.set(level, lines + 1);
    if (seen === undefined) this.seen.set(text, { level, count: 1 });
    this.write(level, text);
  };

  /** Tells of what was not written, and begins anew. */
  flush(): void {
    clearTimeout(this.period);
    this.period = undefined;
    for (const [text, { level, count }] of this.seen) {
      const more = count - LIMITS.same;
      if (more > 0) this.write(level, `repeated ${more} times: ${text}`);
    }
    if (this.leftOut > 0) this.write('warning', `left out ${this.leftOut} lines: there were too many`);
    this.seen.clear();
    this.lines.clear();
    this.leftOut = 0;
  }

  private write(level: Level, text: string): void {
    const head = this.sink.journal ? `<${PRIORITY[level]}>` : `${new Date().toISOString()} ${level} `;
    this.sink.write(`${head}${text}\n`);
  }
}

function render(message: string, fields: Fields): string {
  const words = Object.entries(fields).map(([key, value]) => `${key}=${quoted(String(value))}`);
  return printable([message, ...words].join(' '));
}

const quoted = (value: string): string => (/^[^\s"=]+$/.test(value) ? value : JSON.stringify(value));

/** One line that a terminal shows as it is. */
function printable(text: string): string {
  const short = text.length > LIMITS.length ? `${text.slice(0, LIMITS.length)}...` : text;
  return short.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** Whether standard error is the journal: JOURNAL_STREAM of systemd.exec(5). */
function isJournal(): boolean {
  const { dev, ino } = fstatSync(2, { bigint: true });
  return process.env.JOURNAL_STREAM === `${dev}:${ino}`;
}

/**
 * Standard error. When that is the daemon's own log file, which nobody else looks after, it does not grow for ever:
 * the older half is in `<file>.old`.
 */
export function standardError(file: string): Sink {
  const { dev, ino, size } = fstatSync(2);
  const found = statSync(file, { throwIfNoEntry: false });
  const own = found !== undefined && found.dev === dev && found.ino === ino;
  let length = size;
  return {
    journal: isJournal(),
    write(text) {
      // A disk that is full is no reason to fail, nor to complain about it in the log.
      length += Buffer.byteLength(text);
      if (own && length > FILE_LIMIT) {
        attempt(() => copyFileSync(file, oldLog(file)));
        attempt(() => ftruncateSync(2));
        length = 0;
      }
      attempt(() => writeSync(2, text));
    },
  };
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // There is nobody left to tell.
  }
}

export const oldLog = (file: string): string => `${file}.old`;
