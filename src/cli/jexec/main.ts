import { native } from '../../linux/native.js';
import { fail, getopt, reasonOf, UsageError } from '../command.js';
import { findJail } from '../system.js';
import { type Account, account, cleanEnvironment, loginVariables, planOf } from './enter.js';

export const USAGE =
  'usage: jexec [-l] [-d working_directory] [-e name=value] [-u username | -U username] jail [command ...]\n';

export interface JexecOptions {
  jail: string;
  command: string[];
  clean: boolean;
  cwd?: string;
  env: Record<string, string>;
  user?: string;
  /** `-U`: the user is one of the jail's. */
  jailUser: boolean;
}

/** What the command line asks for, jexec(8). */
export function parseJexec(argv: readonly string[]): JexecOptions {
  const { options, operands } = getopt(argv, 'd:e:lnu:U:');
  const [jail, ...command] = operands;
  if (jail === undefined) throw new UsageError('');
  const result: JexecOptions = { jail, command, clean: false, env: {}, jailUser: false };
  for (const { option, value = '' } of options) {
    if (option === 'l') result.clean = true;
    else if (option === 'd') result.cwd = value;
    else if (option === 'e') {
      const at = value.indexOf('=');
      if (at < 1) throw new UsageError(`-e ${value}: not name=value`);
      result.env[value.slice(0, at)] = value.slice(at + 1);
    } else if (option === 'u' || option === 'U') {
      if (result.user !== undefined) throw new UsageError('');
      result.user = value;
      result.jailUser = option === 'U';
    }
  }
  return result;
}

/** jexec(8). Becomes the command; returns only by throwing. */
export async function jexec(argv: readonly string[]): Promise<number> {
  const options = parseJexec(argv);
  const jail = await findJail(options.jail);
  const root = options.jailUser ? jail.path : undefined;
  const user: Account | undefined = options.user === undefined ? undefined : account(options.user, root);
  const login = user ?? account(String(process.getuid?.() ?? 0));
  let env: NodeJS.ProcessEnv = { ...process.env };
  if (options.clean) env = cleanEnvironment(login, env);
  else if (user !== undefined) Object.assign(env, loginVariables(user));
  Object.assign(env, options.env);
  const shell = (options.clean || user !== undefined ? login.shell : process.env.SHELL) || '/bin/sh';
  const command = options.command.length > 0 ? options.command : [shell, '-i'];
  const cwd = options.cwd ?? (options.clean ? login.home : undefined);
  try {
    return native.execIn(planOf({ jail, argv: command, env, cwd, user }));
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException;
    const what = syscall === 'chdir' ? `chdir(): ${cwd}` : `execvp(): ${command[0]}`;
    return fail(1, `${what}: ${reasonOf(error)}`);
  }
}
