/** Runs the commands of a jail's parameters, inside it or beside it: jail(8), exec.*. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, lstatSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JailStatus } from '../../protocol/index.js';
import { Failure, reasonOf } from '../command.js';
import { account, asUser, cleanEnvironment, loginVariables, planOf } from '../jexec/enter.js';
import type { Parameters } from './parameters.js';

/** The program that becomes the command. */
const CHILD = fileURLToPath(new URL('../jexec/child.js', import.meta.url));
/** With one of these in it, a command needs a shell. */
const SHELL_CHARACTERS = /[!"$&'()*;<>?[\]`{|}~]/;

export interface RunContext {
  parameters: Parameters;
  /** The jail, as soon as there is one. */
  jail: JailStatus | undefined;
  /** Says what is done, `jail -v`. */
  note(text: string): void;
}

/** The phases of a jail's life that have commands, and which of them run in it. */
const IN_JAIL = new Set(['exec.start', 'command', 'exec.stop']);

/**
 * Runs the commands of a parameter, one after the other.
 * @throws Failure at the first that fails
 */
export async function runPhase(phase: string, context: RunContext): Promise<void> {
  for (const command of context.parameters.list(phase)) {
    if (command.trim() !== '') await runCommand(phase, splitCommand(command), context);
  }
}

/** A command line as words, or for a shell if it has anything special in it, like `&` at its end. */
export function splitCommand(text: string): string[] {
  return SHELL_CHARACTERS.test(text) ? ['/bin/sh', '-c', text] : text.trim().split(/\s+/);
}

/** Runs one command. @throws Failure when it fails or takes too long */
export async function runCommand(phase: string, argv: readonly string[], context: RunContext): Promise<void> {
  const { parameters, jail } = context;
  const inJail = IN_JAIL.has(phase) && jail !== undefined;
  const line = argv.join(' ');
  const username = parameters.text(inJail ? 'exec.jail_user' : 'exec.system_user');
  context.note(`run command${inJail ? ' in jail' : ''}${username ? ` as ${username}` : ''}: ${line}`);
  const log = inJail ? parameters.text('exec.consolelog') : undefined;
  const output = log === undefined ? 'inherit' : openLog(log, jail!.path);
  let child: ChildProcess;
  try {
    child = start(argv, context, inJail, username, output);
  } finally {
    if (output !== 'inherit') closeSync(output);
  }
  await ended(child, line, parameters.integer('exec.timeout') ?? 0);
}

/** Opens exec.consolelog. Whoever is in the jail must not choose where it leads. */
function openLog(path: string, root: string): number {
  const wrong = (text: string) => new Failure(1, `exec.consolelog: ${text}`);
  if (!path.startsWith('/')) throw wrong(`${path}: not an absolute pathname`);
  const file = resolve(path);
  let inside = resolve(root);
  const parts = root !== '/' && file.startsWith(`${inside}/`) ? file.slice(inside.length + 1).split('/') : [];
  for (const part of parts) {
    inside += `/${part}`;
    if (lstatSync(inside, { throwIfNoEntry: false })?.isSymbolicLink())
      throw wrong(`${inside} is a symbolic link`);
  }
  try {
    return openSync(file, 'a', 0o644);
  } catch (error) {
    throw new Failure(1, `open ${path}: ${reasonOf(error)}`);
  }
}

function start(
  argv: readonly string[],
  { parameters, jail }: RunContext,
  inJail: boolean,
  username: string | undefined,
  output: 'inherit' | number,
): ChildProcess {
  const root = inJail && !parameters.boolean('exec.system_jail_user') ? jail!.path : undefined;
  const user = username === undefined ? undefined : account(username, root);
  const clean = parameters.boolean('exec.clean');
  const login = user ?? account(String(process.getuid?.() ?? 0));
  const env = clean
    ? cleanEnvironment(login, process.env)
    : { ...process.env, ...(user && loginVariables(user)) };
  const options = {
    stdio: ['inherit', output, output] as ['inherit', typeof output, typeof output],
  };
  if (inJail) {
    const cwd = clean ? login.home : undefined;
    const plan = planOf({ jail: jail!, argv, env, cwd, user });
    // Not with the rest: arguments are for everybody to see, and not as long.
    return spawn(process.execPath, [CHILD, JSON.stringify({ ...plan, env: [] })], { ...options, env });
  }
  // The names that jail.conf(5) gives to what a command may want to know.
  Object.assign(env, {
    JID: jail === undefined ? undefined : String(jail.jid),
    JNAME: jail?.name ?? parameters.text('name'),
    JPATH: jail?.path ?? parameters.text('path'),
  });
  const [program, ...words] = user === undefined ? argv : [...asUser(user), ...argv];
  return spawn(program, words, { ...options, env, cwd: clean ? login.home : undefined });
}

/** Waits for a command. Signals from the terminal are for it, we stay to clean up behind it. */
function ended(child: ChildProcess, line: string, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const ignore = (): void => {};
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', pass).on('SIGHUP', pass);
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        child.kill('SIGTERM');
      },
      timeout > 0 ? timeout * 1000 : 0x7fffffff,
    );
    const done = (error?: Failure): void => {
      clearTimeout(timer);
      process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', pass).off('SIGHUP', pass);
      if (error === undefined) resolve();
      else reject(error);
    };
    child.once('error', (error) => done(new Failure(1, `exec ${line}: ${reasonOf(error)}`)));
    child.once('exit', (code, signal) => {
      if (late) done(new Failure(1, `${line}: timed out`));
      else if (signal !== null)
        done(new Failure(1, `${line}: exited on signal ${constants.signals[signal]}`));
      else done(code === 0 ? undefined : new Failure(1, `${line}: failed`));
    });
  });
}
