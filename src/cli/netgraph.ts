#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { NetgraphClient } from '../client/index.js';
import { type DaemonStatus, instancePaths } from '../protocol/index.js';
import { EX, Failure, getopt, print, runTool, UsageError } from './command.js';

const usage = `usage: netgraph daemon                           own the world, until stopped
       netgraph status [--json]                  what the daemon has
       netgraph restart                          have a new process go on with everything
       netgraph stop                             take everything down and end the daemon
       netgraph save [-j jail]                   print the ngctl script that makes the graph
       netgraph restore [-j jail] [file]         carry it out, jails included, or leave all as it was
       netgraph repair [-n]                      remove what a crash left; -n only tells
       netgraph types [type]                     node types, and the messages of one
       netgraph shell [-c command | file]        a shell with FreeBSD's commands: jail, jexec, jls, ifconfig ...
`;

/** One subcommand: its words in, its exit code out. */
type Command = (words: string[]) => Promise<number>;

const commands: Record<string, Command> = {
  async daemon(words) {
    expectNone(words);
    // Loaded here only: the tools must start fast, and need no addon.
    const { runDaemon } = await import('../daemon/main.js');
    return runDaemon();
  },

  async status(words) {
    const json = words[0] === '--json';
    expectNone(json ? words.slice(1) : words);
    const status = await ask((client) => client.call('status', {}));
    if (json) print(`${JSON.stringify({ running: status !== undefined, ...status }, null, 2)}\n`);
    else print(`${status === undefined ? `not running (${instancePaths().socket})` : describe(status)}\n`);
    return status === undefined ? 1 : EX.OK;
  },

  async stop(words) {
    expectNone(words);
    // What one left that was killed, another has to take up before it can take it down.
    const { journal, lock, log } = instancePaths();
    const startDaemon = [journal, lock, log].some((file) => existsSync(file));
    let pid: number | undefined;
    const failure = await ask((client) => {
      pid = client.daemon.pid;
      return client.call('stop', {});
    }, startDaemon).then(
      () => undefined,
      (error) => error,
    );
    // With EBUSY it ends, too, but not all of what it had is gone.
    if (pid !== undefined && (failure === undefined || failure.code === 'EBUSY')) await ended(pid);
    if (failure !== undefined) throw failure;
    return EX.OK;
  },

  async repair(words) {
    const { options, operands } = getopt(words, 'n');
    expectNone(operands);
    const dryRun = options.length > 0;
    const { removed, forgotten, left } = (await ask((client) => client.call('repair', { dryRun }), true))!;
    for (const what of removed) print(`${dryRun ? 'would remove' : 'removed'} ${what}\n`);
    for (const what of forgotten) print(`${dryRun ? 'would give up' : 'gave up'} ${what}\n`);
    for (const what of left) print(`left ${what}\n`);
    return left.length > 0 ? 1 : EX.OK;
  },

  async restart(words) {
    expectNone(words);
    const restarted = await ask((client) => client.call('restart', {}), true);
    print(`process ${restarted!.pid}\n`);
    return EX.OK;
  },

  async save(words) {
    const { save } = await import('./netgraph/save.js');
    return save(words);
  },

  async restore(words) {
    const { restore } = await import('./netgraph/restore.js');
    return restore(words);
  },

  async types(words) {
    const { types } = await import('./types.js');
    return types(words);
  },

  async shell(words) {
    const { shell } = await import('./shell/main.js');
    return shell(words);
  },
};

/** Asks the running daemon; undefined when there is none. */
async function ask<T>(
  question: (client: NetgraphClient) => Promise<T>,
  startDaemon = false,
): Promise<T | undefined> {
  let client: NetgraphClient;
  try {
    client = await NetgraphClient.connect({ startDaemon });
  } catch (error) {
    if ((error as { code?: string }).code === 'ENODAEMON' && !startDaemon) return undefined;
    throw error;
  }
  try {
    return await question(client);
  } finally {
    await client.close();
  }
}

/** Waits until a process is gone, so that its interfaces and files surely are. */
async function ended(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (!isAlive(pid)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Failure(EX.OSERR, `the daemon (process ${pid}) was told to stop but is still there`);
}

/** A zombie is not: in many a container there is no init that would bury it. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function describe(status: DaemonStatus): string {
  const { memory } = status;
  const lines = [
    `netgraph ${status.version}, process ${status.pid}, up ${status.uptime} s`,
    [
      count(status.jails, 'jail'),
      count(status.nodes, 'node'),
      count(status.interfaces.length, 'interface'),
    ].join(', '),
    `${memory ? `memory ${(memory.rss / 2 ** 20).toFixed(0)} MiB, ` : ''}socket ${status.socket}`,
    ...status.notices,
    `capabilities ${status.capabilities.join(' ') || 'none'}`,
    `io_uring ${status.ioUring ? 'in use' : 'not available, so that small frames cost more'}`,
  ];
  for (const { name, jid, up, counters } of status.interfaces) {
    const counts = Object.entries(counters)
      .filter(([, count]) => count > 0)
      .map(([what, count]) => `${what} ${count}`);
    lines.push(
      `  ${name} in jail ${jid}, ${up ? 'up' : 'down'}${counts.map((count) => `, ${count}`).join('')}`,
    );
  }
  return lines.join('\n');
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

function expectNone(words: string[]): void {
  const { operands } = getopt(words, '');
  if (operands.length > 0) throw new UsageError(`too many words: ${operands.join(' ')}`);
}

await runTool('netgraph', usage, async ([name, ...words]) => {
  if (name === undefined) throw new UsageError('');
  if (name === 'help' || name === '--help' || name === '-h') {
    print(usage);
    return EX.OK;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(`unknown command "${name}"`);
  return command(words);
});
