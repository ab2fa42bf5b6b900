import { NgError, strerror } from '../netgraph/errors.js';

/** Exit codes that FreeBSD's tools use, sysexits(3). */
export const EX = {
  OK: 0,
  USAGE: 64,
  DATAERR: 65,
  NOINPUT: 66,
  NOUSER: 67,
  NOHOST: 68,
  UNAVAILABLE: 69,
  SOFTWARE: 70,
  OSERR: 71,
  OSFILE: 72,
  CANTCREAT: 73,
  IOERR: 74,
  TEMPFAIL: 75,
  PROTOCOL: 76,
  NOPERM: 77,
  CONFIG: 78,
} as const;

/** The command line is wrong. Its message is a sentence like those of getopt(3), or empty when usage says it all. */
export class UsageError extends Error {
  override name = 'UsageError';

  constructor(message = '') {
    super(message);
  }
}

/** The tool cannot go on: what to say, and the code to exit with. */
export class Failure extends Error {
  override name = 'Failure';

  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** Ends a tool: `main` says the text behind the tool's name and exits with the code. */
export function fail(exitCode: number, text: string): never {
  throw new Failure(exitCode, text);
}

const CONTROL = /\p{Cc}/gu;
const escaped = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** What somebody else chose, a name say, as a part of a line: what would command the terminal shows as `\x1b`. */
export const printable = (text: string): string => text.replace(CONTROL, escaped);

const lines = (text: string): string =>
  text.replace(CONTROL, (character) => ('\n\t'.includes(character) ? character : escaped(character)));

/** Writes lines to standard output. All tools do it here: what is in the lines cannot command the terminal. */
export const print = (text: string): unknown => process.stdout.write(lines(text));
/** The same to standard error. */
export const complain = (text: string): unknown => process.stderr.write(lines(text));

export interface Parsed {
  /** In the order given, so that an option may come twice. `value` is undefined for one that takes none. */
  readonly options: { readonly option: string; readonly value: string | undefined }[];
  readonly operands: string[];
}

/**
 * Options as getopt(3) of FreeBSD reads them: it stops at the first word that is no option, and after `--`. In
 * `spec` a colon stands behind each letter that takes a value.
 * @throws UsageError with getopt's sentence: `illegal option -- x`, `option requires an argument -- x`
 */
export function getopt(argv: readonly string[], spec: string): Parsed {
  const options: Parsed['options'] = [];
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i];
    if (word === '--') return { options, operands: argv.slice(i + 1) };
    if (word.length < 2 || word[0] !== '-') break;
    for (let at = 1; at < word.length; at++) {
      const option = word[at];
      const known = option === ':' ? -1 : spec.indexOf(option);
      if (known < 0) throw new UsageError(`illegal option -- ${option}`);
      if (spec[known + 1] !== ':') {
        options.push({ option, value: undefined });
        continue;
      }
      // The value is the rest of this word or else the next one, whatever it looks like.
      const value = at + 1 < word.length ? word.slice(at + 1) : argv[++i];
      if (value === undefined) throw new UsageError(`option requires an argument -- ${option}`);
      options.push({ option, value });
      break;
    }
  }
  return { options, operands: argv.slice(i) };
}

/** Whether an error is one of a file, a program or another thing of the system, and not of ours or of netgraph. */
export const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && !(error instanceof NgError);

/** What strerror(3) says of an error of the system. */
export const reasonOf = (error: unknown): string => strerror(NgError.fromSystem(error).errno);

/**
 * Runs a tool: whatever it resolves to is the exit code. A UsageError prints its sentence and the usage lines and
 * exits 64; a Failure, any error with `exitCode`, an NgError and an error of the system print `name: text`. Others are
 * defects and thrown.
 */
export async function runTool(
  name: string,
  usage: string,
  tool: (argv: string[]) => Promise<number>,
): Promise<void> {
  // A reader that went away (`ngctl list | head -1`) is no reason for a stack trace.
  process.stdout.on('error', () => process.exit(EX.OSERR));
  try {
    process.exitCode = await tool(process.argv.slice(2));
  } catch (error) {
    process.exitCode = report(name, usage, error);
  }
}

function report(name: string, usage: string, error: unknown): number {
  if (error instanceof UsageError) {
    if (error.message !== '') complain(`${name}: ${error.message}\n`);
    complain(usage.endsWith('\n') ? usage : `${usage}\n`);
    return EX.USAGE;
  }
  if (!(error instanceof Error)) throw error;
  if (isSystemError(error)) {
    complain(`${name}: ${error.path === undefined ? error.syscall : error.path}: ${reasonOf(error)}\n`);
    return EX.OSERR;
  }
  const { exitCode = error instanceof NgError ? EX.OSERR : undefined } = error as { exitCode?: unknown };
  if (typeof exitCode !== 'number') throw error;
  complain(`${name}: ${error.message}\n`);
  return exitCode;
}
