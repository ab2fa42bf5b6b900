import { nodeTypes } from '../../src/nodes/index.js';
import { simulatedShell } from '../cli/ngctl-shell.js';
import { failed, passed, type Result, skipped } from './result.js';

interface Line {
  line: string;
  output: string;
  rc: number;
}

export interface Session {
  name: string;
  cmds: Line[];
}

type Shell = ReturnType<typeof simulatedShell>;

/** Lines that ours answers as FreeBSD main does, not as 10.4, which was recorded. */
const differences: readonly { reason: string; instead(recorded: Line, shell: Shell): Line | undefined }[] = [
  {
    reason: 'main: a blank line between nodes in list -l',
    instead: ({ line, output, rc }) =>
      /^(list|ls)\s+-\w*l/.test(line)
        ? { line, rc, output: output.replaceAll(/(?<! nodes:)\n {2}Name:/g, '\n\n  Name:') }
        : undefined,
  },
  {
    reason: 'main: giving a node the name that it has is fine',
    instead: ({ line, rc }, { world, socket }) => {
      const [command, path, name] = line.split(/\s+/);
      if (command !== 'name' || rc === 0 || name === undefined) return undefined;
      const same = nameAt(world, socket, path) === name;
      return same ? { line, output: '', rc: 0 } : undefined;
    },
  },
  {
    reason: 'main: no semicolon after the last brace of a drawing',
    instead: ({ line, output, rc }) =>
      /^(dot|graphviz|confdot)\b/.test(line)
        ? { line, rc, output: output.replace(/^};\n$/m, '}\n') }
        : undefined,
  },
];

/** Runs recorded sessions of ngctl, each over a world of its own. */
export async function runSessions(sessions: Session[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const session of sessions) results.push(await runSession(session));
  return results;
}

async function runSession({ name, cmds }: Session): Promise<Result> {
  const missing = [...new Set(cmds.flatMap(typeMade))].filter((type) => !nodeTypes.has(type));
  if (missing.length > 0) return skipped(name, `needs ${missing.join(', ')}`);
  const shell = simulatedShell();
  const reasons = new Set<string>();
  for (const recorded of cmds) {
    const candidates = differences
      .map(({ reason, instead }) => ({ reason, expected: instead(recorded, shell) }))
      .filter(({ expected }) => expected !== undefined);
    const ours = { line: recorded.line, ...(await shell.run(recorded.line)) };
    if (same(recorded, ours)) continue;
    const difference = candidates.find(({ expected }) => same(expected!, ours));
    if (difference === undefined) return failed(name, recorded, ours);
    reasons.add(difference.reason);
  }
  return passed(name, [...reasons].join('; '));
}

const same = (a: Line, b: Line): boolean => a.output === b.output && a.rc === b.rc;

/** The type that a line makes a node of; none when FreeBSD did not know it either. */
function typeMade({ line, output }: Line): string[] {
  const [command, ...args] = line.split(/\s+/);
  if (!/^mk\w*$/.test(command) || output.includes('No such file or directory')) return [];
  return args.length === 3 ? [args[0]] : args.length === 4 ? [args[1]] : [];
}

function nameAt(world: Shell['world'], socket: Shell['socket'], path: string): string | undefined {
  try {
    return world.graph.resolve(socket.control.node!, path).node.name;
  } catch {
    return undefined;
  }
}
