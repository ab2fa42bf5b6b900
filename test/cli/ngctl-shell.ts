import { commands } from '../../src/cli/ngctl/commands.js';
import { Shell, type ShellOptions } from '../../src/cli/ngctl/shell.js';
import type { NodeType } from '../../src/netgraph/index.js';
import { GraphSocket } from '../client/graph-socket.js';
import { simulatedWorld } from '../support/world.js';

/** An ngctl over a simulated world. */
export function simulatedShell(options: Partial<ShellOptions> = {}, types: NodeType[] = []) {
  const world = simulatedWorld({ types });
  const socket = new GraphSocket(world.graph, world.vnet0, 'ngctl1');
  const printed: string[] = [];
  const print = (text: string) => printed.push(text);
  const shell = new Shell(socket, commands, { out: print, err: print, ...options });
  /** What was printed since it was last asked for, warnings included. */
  const output = () => printed.splice(0).join('');
  /** Runs a line: what it printed, and its status. */
  const run = async (line: string): Promise<{ output: string; rc: number }> => {
    const rc = await shell.runLine(line);
    return { output: output(), rc };
  };
  return { world, socket, shell, run, output };
}
