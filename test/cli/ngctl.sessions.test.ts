import { describe, expect, it } from 'vitest';
import { defineNode, genericMessages } from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { haveVectors, readVectors } from '../vectors/files.js';
import { simulatedShell } from './ngctl-shell.js';

interface Session {
  name: string;
  desc: string;
  cmds: { line: string; output: string; rc: number }[];
}

/** Where FreeBSD main, and so we, answer differently from FreeBSD 10.4, which was recorded: by session and line. */
const differences: Record<string, Record<string, Partial<Session['cmds'][number]>>> = {
  basic: {
    // A blank line between nodes, since FreeBSD 13.
    'list -l': {
      output: `There are 2 total nodes:
  Name: ngctl1          Type: socket          ID: 00000001   Num hooks: 1
  Local hook      Peer name       Peer type    Peer ID         Peer hook      
  ----------      ---------       ---------    -------         ---------      
  h               <unnamed>       hub          00000002        x              

  Name: <unnamed>       Type: hub             ID: 00000002   Num hooks: 1
  Local hook      Peer name       Peer type    Peer ID         Peer hook      
  ----------      ---------       ---------    -------         ---------      
  x               ngctl1          socket       00000001        h              
`,
    },
    // To its own name is no error in main.
    'name hub1: hub1': { output: '', rc: 0 },
  },
};

/** The last line of a drawing: main left out a semicolon, which GraphViz takes for a syntax error. */
const withoutSemicolon = (output: string) => output.replace(/^};\n$/m, '}\n');

const sessions = haveVectors ? readVectors<Session[]>('ngctl_sessions.json') : [];
const generic = new Set(Object.keys(genericMessages));

/** Stands in for a type that is not written yet: takes any hook, knows the generic messages only. */
const standIn = (type: string) => defineNode({ type, cookie: 1, create: () => ({ receive: () => 0 }) });

/** The types that a session makes nodes of and we do not have, with the paths that lead to those nodes. */
function missingTypes({ cmds }: Session) {
  const types = new Set<string>();
  const paths = new Set<string>();
  for (const { line } of cmds) {
    const [command, type, hook, , more] = line.split(' ');
    if (command === 'mkpeer' && more === undefined && !nodeTypes.has(type)) {
      types.add(type);
      paths.add(hook);
    } else if (command === 'name' && paths.has(type)) paths.add(`${hook}:`);
  }
  return { types: [...types], paths };
}

describe.skipIf(!haveVectors)('recorded sessions of ngctl', () => {
  for (const session of sessions) {
    const { name, desc, cmds } = session;
    const { types, paths } = missingTypes(session);
    const needsType = ({ line }: Session['cmds'][number]): boolean => {
      const [command, path, message] = line.split(' ');
      return paths.has(path) && (command === 'status' || (command === 'msg' && !generic.has(message)));
    };
    const left = cmds.filter((recorded) => !needsType(recorded));
    const part = `${left.length} of ${cmds.length} lines, for want of ${types.join(', ')}`;
    it(`${name}: ${desc} (${types.length === 0 ? `${cmds.length} lines` : part})`, async () => {
      const { run } = simulatedShell({}, types.map(standIn));
      for (const recorded of left) {
        const expected = { ...recorded, ...differences[name]?.[recorded.line] };
        if (recorded.line.startsWith('dot')) expected.output = withoutSemicolon(expected.output);
        expect.soft({ line: recorded.line, ...(await run(recorded.line)) }).toEqual(expected);
      }
    });
  }
});
