/** What it takes to run a program in a jail: namespaces, root directory, user, environment. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { JailStatus } from '../../protocol/index.js';
import { fail } from '../command.js';

/** A line of passwd(5). */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
}

export interface Entry {
  jail: JailStatus;
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Where to begin, as seen from inside. Default: its root. */
  cwd?: string;
  user?: Account;
}

/** What the addon's execIn takes. */
export interface ExecPlan {
  netns?: string;
  uts?: string;
  mounts?: string;
  cwd?: string;
  env: string[];
  argv: string[];
}

const BOURNE_SHELL = '/bin/sh';
/** As login.conf(5) has it for who is not said to be different. */
const CLEAN_PATH = '/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin';
/** What our own tools need to find the same daemon again. */
const OWN_VARIABLES = ['NETGRAPH_RUN_DIR', 'NETGRAPH_STATE_DIR', 'NETGRAPH_SHELL'];

/** How to become a program in a jail. */
export function planOf({ jail, argv, env, cwd, user }: Entry): ExecPlan {
  const netns = isOwnNetns(jail.netns) ? undefined : jail.netns;
  let command = [...argv];
  if (user !== undefined) command = [...asUser(user), ...command];
  const rooted = jail.path !== '/';
  if (rooted) command = chrooted(jail.path, cwd ?? '/', command);
  return {
    netns,
    uts: jail.uts || undefined,
    // /sys and /etc/netns/NAME, as `ip netns exec` shows them; a root of its own has its own.
    mounts: netns === undefined || rooted ? undefined : basename(netns),
    cwd: rooted ? '/' : (cwd ?? '/'),
    env: Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
    argv: command,
  };
}

function isOwnNetns(path: string): boolean {
  if (path === '') return true;
  const [own, its] = ['/proc/self/ns/net', path].map((one) => statSync(one, { throwIfNoEntry: false }));
  return its !== undefined && own?.ino === its.ino && own.dev === its.dev;
}

/** setpriv(1) and chroot(8) replace themselves by what they run. */
export const asUser = ({ uid, gid }: Account): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--init-groups',
  '--',
];

function chrooted(root: string, cwd: string, command: string[]): string[] {
  if (cwd === '/') return ['chroot', root, ...command];
  return ['chroot', root, BOURNE_SHELL, '-c', 'cd "$0" && exec "$@"', cwd, ...command];
}

/**
 * A user by name, or by ID.
 * @param root of the jail whose passwd(5) counts; without one the system's directory service is asked
 */
export function account(nameOrId: string, root?: string): Account {
  const lines = root === undefined ? getent(nameOrId) : readFileSync(join(root, 'etc/passwd'), 'utf8');
  for (const line of lines.split('\n')) {
    const [name, , uid, gid, , home, shell] = line.split(':');
    if (gid === undefined || (name !== nameOrId && uid !== nameOrId)) continue;
    return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || BOURNE_SHELL };
  }
  return fail(1, `${nameOrId}: no such user`);
}

function getent(key: string): string {
  try {
    return execFileSync('getent', ['passwd', key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // Not there, or a system without it.
    return readFileSync('/etc/passwd', 'utf8');
  }
}

/** The environment of a fresh login: jexec(8) -l, jail(8) exec.clean. */
export function cleanEnvironment(user: Account, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ['TERM', ...OWN_VARIABLES].map((name) => [name, env[name]]);
  // In `netgraph shell` our tools take the place of a system's own: they stay in sight.
  const tools = env.NETGRAPH_SHELL === undefined ? '' : `${env.PATH?.split(':')[0]}:`;
  return { PATH: `${tools}${CLEAN_PATH}`, ...Object.fromEntries(kept), ...loginVariables(user) };
}

export const loginVariables = ({ name, home, shell }: Account): NodeJS.ProcessEnv => ({
  HOME: home,
  SHELL: shell,
  USER: name,
});
