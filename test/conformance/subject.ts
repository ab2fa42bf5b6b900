import {
  GENERIC_COOKIE,
  genericMessages,
  Message,
  NgError,
  type Node,
  type NodeType,
} from '../../src/netgraph/index.js';
import type { ArgType } from '../../src/netgraph/types/index.js';
import { defaultOf } from '../../src/netgraph/types/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

/** Every type that comes with the program; the suite asks nothing of a new one but to be in this list. */
export const types: [string, NodeType][] = [...nodeTypes];

/** Types whose nature it is to take any message: one sends it back, the other hands it to its program. */
export const takesAnyMessage: ReadonlySet<string> = new Set(['echo', 'socket']);

/** What types that declare no hooks may take. */
const guesses = [
  'x',
  'link1',
  'many0',
  'one',
  'in',
  'out',
  'left',
  'upper',
  'lower',
  'source0',
  'inet/dgram/udp',
];

/** A world with one node of a type, where the type lets itself be made; `me` is a program beside it. */
export class Subject {
  readonly world;
  readonly me: Program;
  readonly node: Node | undefined;

  constructor(
    readonly type: NodeType,
    helpers: NodeType[] = [],
  ) {
    this.world = simulatedWorld({ types: helpers });
    this.me = new Program(this.world);
    this.node = type.type === 'socket' ? new Program(this.world).node : this.made();
  }

  get path(): string {
    return `[${this.node!.id.toString(16)}]:`;
  }

  /** Names of hooks that the node takes, all those it declares or the first one of those that many types take. */
  hookNames(): string[] {
    return this.type.hooks === undefined ? this.acceptedGuess() : [...this.type.hooks];
  }

  /** Connects a hook of the program, called like that of the node. Undefined when the node refuses. */
  connect(hook: string, from = hook): string | 0 {
    return this.me.refusal('.', 'connect', `{ path="${this.path}" ourhook="${from}" peerhook="${hook}" }`);
  }

  /** Sends a message in binary: 0, or the name of the errno with which it is refused. */
  send(cookie: number, cmd: number, data: Uint8Array = new Uint8Array(0)): string | 0 {
    return this.sendTo(this.path, new Message(cookie, cmd, data));
  }

  mkpeer(type: string, ourhook: string, peerhook: string): string | 0 {
    return this.me.refusal('.', 'mkpeer', `{ type="${type}" ourhook="${ourhook}" peerhook="${peerhook}" }`);
  }

  shutdown(): string | 0 {
    return this.send(GENERIC_COOKIE, genericMessages.shutdown.cmd);
  }

  private sendTo(path: string, message: Message): string | 0 {
    try {
      this.me.control.send(path, message);
      return 0;
    } catch (error) {
      if (error instanceof NgError) return error.code;
      throw error;
    }
  }

  /** Some types are made by the program only, when the system has something for them. */
  private made(): Node | undefined {
    try {
      return this.world.graph.makeNode(this.world.vnet0, this.type.type);
    } catch (error) {
      if (error instanceof NgError && error.code === 'EINVAL') return undefined;
      throw error;
    }
  }

  private acceptedGuess(): string[] {
    for (const name of guesses) {
      const scratch = new Subject(this.type);
      if (scratch.connect(name) === 0) return [name];
    }
    return [];
  }
}

/** Arguments to try a message with: its default, if it has one. */
export function someArguments(type: ArgType | undefined): Uint8Array {
  if (type === undefined) return new Uint8Array(0);
  try {
    return defaultOf(type);
  } catch (error) {
    if (error instanceof NgError) return new Uint8Array(type.size ?? 0);
    throw error;
  }
}
