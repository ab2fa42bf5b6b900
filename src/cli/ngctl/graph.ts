import { UsageError } from '../command.js';
import { type Command, during } from './shell.js';

const local = 'Without a path it is the local node, ".".';

/** The arguments with the path before them, which may be left out. */
function withPath(args: string[], count: number): string[] {
  if (args.length === count) return ['.', ...args];
  if (args.length === count + 1) return args;
  throw new UsageError();
}

export const mkpeer: Command = {
  usage: 'mkpeer [path] <type> <hook> <peerhook>',
  summary: 'Make a node and connect it to the node at path',
  description: `Makes a node of the type and connects its hook peerhook to hook of the node at path, both or neither. ${local}`,
  run({ socket }, args) {
    const [path, type, hook, peerhook] = withPath(args, 3);
    return socket.mkpeer(path, type, hook, peerhook);
  },
};

export const connect: Command = {
  usage: 'connect [path] <relpath> <hook> <peerhook>',
  aliases: ['join'],
  summary: 'Connect two nodes that are there',
  description:
    'Connects hook of the node at path to peerhook of the node at relpath. A relpath without a node name starts ' +
    `at the node at path. ${local}`,
  run({ socket }, args) {
    const [path, relpath, hook, peerhook] = withPath(args, 3);
    return socket.connectNodes(path, relpath, hook, peerhook);
  },
};

export const rmhook: Command = {
  usage: 'rmhook [path] <hook>',
  aliases: ['disconnect'],
  summary: 'Break the connection of a hook',
  description: `Breaks the connection of a hook of the node at path. A hook that is not there is no error. ${local}`,
  run({ socket }, args) {
    const [path, hook] = withPath(args, 1);
    return socket.rmhook(path, hook);
  },
};

export const name: Command = {
  usage: 'name <path> <name>',
  summary: 'Give the node at path a name',
  run({ socket }, args) {
    if (args.length !== 2) throw new UsageError();
    return socket.name(args[0], args[1]);
  },
};

export const shutdown: Command = {
  usage: 'shutdown <path>',
  aliases: ['kill', 'rmnode'],
  summary: 'Shut down the node at path',
  run({ socket }, args) {
    if (args.length !== 1) throw new UsageError();
    return during('shutdown', socket.shutdown(args[0]));
  },
};
