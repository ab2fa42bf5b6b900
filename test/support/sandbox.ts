import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Why tests on the real thing cannot run here; undefined when they can. */
export const whyNotReal: string | undefined =
  process.getuid?.() !== 0
    ? 'not root'
    : !existsSync('/dev/net/tun')
      ? 'no /dev/net/tun'
      : spawnSync('unshare', ['--net', '--mount', 'true']).status !== 0
        ? 'unshare(1) is refused'
        : undefined;

/** `describe` for tests that need root, TAPs and namespaces: elsewhere they are skipped, with the reason. */
export const describeReal = (name: string, body: () => void): void => {
  if (whyNotReal === undefined) describe(name, body);
  else describe.skip(`${name} (skipped: ${whyNotReal})`, body);
};

// What follows runs as the first process of the sandbox: when it ends, the kernel takes the rest along.
const ENTER = `
# What others have there now, tests of namespaces say, would vanish from our table of mounts when they take it away.
awk '$2 ~ "^/run/" { print $2 }' /proc/mounts | sort -r | while read -r there; do umount -l "$there"; done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/netgraph 2>/dev/null
mkdir -p /run/netgraph /run/bin
for tool in "$1"/dist/cli/*.js; do
  case $(head -1 "$tool") in '#!'*) printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$2" "$tool" >/run/bin/$(basename "$tool" .js) ;; esac
done
chmod +x /run/bin/*
ip link set lo up
PATH=/run/bin:$PATH NETGRAPH_STATE_DIR=/run/state
export PATH NETGRAPH_STATE_DIR
unset NETGRAPH_RUN_DIR
shift 2
exec "$@"
`;

/**
 * A machine of its own as far as tests can tell: network, hostname, processes and /run are private, so that nothing
 * stays behind and copies do not meet. The tools are on its PATH.
 */
export function inSandbox(...command: string[]): { command: string; args: string[] } {
  const isolate = ['--net', '--mount', '--uts', '--pid', '--fork', '--mount-proc', '--kill-child'];
  return {
    command: 'unshare',
    args: [...isolate, 'sh', '-c', ENTER, 'sandbox', ROOT, process.execPath, ...command],
  };
}

export interface Outcome {
  stdout: string;
  stderr: string;
  status: number | null;
}

/** Runs a shell script in a sandbox of its own. */
export function runInSandbox(script: string): Promise<Outcome> {
  const { command, args } = inSandbox('sh', '-c', script);
  return finished(spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** What a process wrote until its end; it is killed after `timeout` milliseconds, before its test is given up. */
export function finished(child: ChildProcess, timeout = 100_000): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ stdout, stderr, status });
    });
  });
}

/** A shell in a sandbox, which takes one command after the other. */
export class SandboxShell {
  private readonly child: ChildProcessWithoutNullStreams;
  private output = '';
  private wake: () => void = () => {};
  private count = 0;

  /** @param shell what reads the commands, with standard error on standard output */
  constructor(shell: string) {
    const { command, args } = inSandbox('sh', '-c', `exec 2>&1; ${shell}`);
    this.child = spawn(command, args, { stdio: 'pipe' });
    this.child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.output += chunk;
      this.wake();
    });
    this.child.on('close', () => this.wake());
    this.child.stdin.on('error', () => {});
  }

  /**
   * Runs one command and returns what it printed, with a line `(exit N)` if it failed.
   * @param interrupt text on whose appearance the running program gets SIGINT, as by ^C
   */
  async run(command: string, interrupt?: string): Promise<string> {
    const mark = `--- end of command ${++this.count}:`;
    this.child.stdin.write(`${command}\necho "${mark}$?"\n`);
    let interrupted = false;
    for (;;) {
      const at = this.output.indexOf(mark);
      const end = at < 0 ? -1 : this.output.indexOf('\n', at);
      if (end >= 0) {
        const text = this.output.slice(0, at);
        const status = this.output.slice(at + mark.length, end);
        this.output = this.output.slice(end + 1);
        return status === '0' ? text : `${text}(exit ${status})\n`;
      }
      if (interrupt !== undefined && !interrupted && this.output.includes(interrupt)) {
        interrupted = true;
        this.interrupt();
      }
      if (this.child.exitCode !== null) throw new Error(`the shell ended: ${this.output}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  close(): void {
    this.child.kill('SIGKILL');
  }

  /** Signals the process that was started last: the one in the foreground, for the daemon is older. */
  private interrupt(): void {
    const below = (pid: number): number[] => {
      const list = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout;
      return list
        .split('\n')
        .filter(Boolean)
        .flatMap((child) => [Number(child), ...below(Number(child))]);
    };
    process.kill(Math.max(...below(this.child.pid!)), 'SIGINT');
  }
}
