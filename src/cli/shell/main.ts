/** `netgraph shell`: a shell in which FreeBSD's commands for jails and netgraph work. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClientError, NetgraphClient } from '../../client/index.js';
import { complain, EX, fail, getopt, UsageError } from '../command.js';
import { makeTools, removeTools } from './tools.js';

const BOURNE_SHELL = '/bin/sh';
/** What a shell says that cannot find its program. */
const NOT_FOUND = 127;
/** Exit codes of who was killed by a signal begin behind this. */
const SIGNALLED = 128;

/** Runs the shell, or a command (`-c`), or a file of commands. Resolves to its exit code. */
export async function shell(argv: readonly string[]): Promise<number> {
  const { options, operands } = getopt(argv, 'c:');
  const command = options.at(-1)?.value;
  if (command === undefined && operands[0] !== undefined && !existsSync(operands[0]))
    fail(EX.NOINPUT, `${operands[0]}: No such file or directory`);
  if (options.length > 1) throw new UsageError('only one -c');
  const started = await reachDaemon();
  if (started !== EX.OK) return started;
  const tools = makeTools();
  // Whatever ends us, the directory goes.
  process.once('exit', () => removeTools(tools));
  const env = {
    ...process.env,
    PATH: `${tools}${delimiter}${process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin'}`,
    NETGRAPH_SHELL: '1',
  };
  if (command !== undefined) return run(scriptShell(), ['-c', command, ...operands], env);
  if (operands.length > 0) return run(scriptShell(), operands, env);
  return interactive(tools, env);
}

/**
 * Sees to it that the daemon runs. A tool that ends at once starts it, so that it is no child of the shell: it stays
 * when somebody ends the shell and all that it started. Resolves to that tool's exit code.
 */
async function reachDaemon(): Promise<number> {
  try {
    const client = await NetgraphClient.connect({ startDaemon: false });
    await client.close();
    return EX.OK;
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'ENODAEMON') throw error;
  }
  const starter = fileURLToPath(new URL('../jls.js', import.meta.url));
  return spawnSync(process.execPath, [starter, '-c'], { stdio: 'inherit' }).status ?? EX.OSERR;
}

/** bash if there is one: FreeBSD's sh(1) knows `echo -e`, which dash, the sh of many systems, does not. */
function scriptShell(): string {
  return ['/bin/bash', '/usr/bin/bash'].find((path) => existsSync(path)) ?? BOURNE_SHELL;
}

function interactive(tools: string, env: NodeJS.ProcessEnv): Promise<number> {
  const wanted = process.env.SHELL || scriptShell();
  const program = isPlain(wanted) ? scriptShell() : wanted;
  const onTerminal = process.stdin.isTTY === true;
  if (onTerminal)
    complain('netgraph: ngctl, jail, jexec, jls and ifconfig are those of FreeBSD here; exit leaves\n');
  if (basename(program) !== 'bash' || !onTerminal)
    return run(program, [], { ...env, PS1: `(netgraph) ${env.PS1 ?? '$ '}` });
  // Start-up files like to set PATH and PS1 themselves, so what is ours comes behind them.
  const rc = join(tools, '.bashrc');
  const lines = [
    '[ -f /etc/bash.bashrc ] && . /etc/bash.bashrc',
    '[ -f ~/.bashrc ] && . ~/.bashrc',
    `case $PATH in ${tools}:*) ;; *) PATH=${tools}:$PATH ;; esac`,
    'unalias jail jexec jls ifconfig sysctl 2>/dev/null',
    'PS1="(netgraph) $PS1"',
  ];
  writeFileSync(rc, `${lines.join('\n')}\n`);
  return run(program, ['--rcfile', rc], env);
}

/** Whether a shell is one whose echo(1) does not know `-e`. */
function isPlain(path: string): boolean {
  const name = basename(path);
  if (name === 'dash') return true;
  if (name !== 'sh') return false;
  try {
    return basename(readlinkSync(path)) !== 'bash';
  } catch {
    return true;
  }
}

/** Runs a program in the foreground. Signals of the terminal are for it. */
function run(program: string, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, { stdio: 'inherit', env });
    const stay = (): void => {};
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    process.on('SIGINT', stay).on('SIGQUIT', stay).on('SIGTERM', pass).on('SIGHUP', pass);
    child.once('error', (error) => {
      complain(`netgraph: ${program}: ${error.message}\n`);
      resolve(NOT_FOUND);
    });
    child.once('exit', (code, signal) => {
      process.off('SIGINT', stay).off('SIGQUIT', stay).off('SIGTERM', pass).off('SIGHUP', pass);
      resolve(signal === null ? (code ?? 0) : SIGNALLED + constants.signals[signal]);
    });
  });
}
