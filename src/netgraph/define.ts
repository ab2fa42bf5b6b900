import type { Environment } from './environment.js';
import type { Hook, ReceiveFrame } from './hook.js';
import type { Message } from './message.js';
import type { Node } from './node.js';
import type { ArgType } from './types/index.js';

/** A control message on its way into a node, struct ng_item with a message. */
export interface Delivery {
  /** Whom it is for. */
  readonly node: Node;
  readonly message: Message;
  /** Who sent it: a reply goes there. Undefined when it came along a hook from a node that asks for none. */
  readonly from: Node | undefined;
  /** The hook through which it arrived, when it was addressed by a path of hooks or sent along one. */
  readonly hook: Hook | undefined;
}

/** Handles every message that the declaration of a type does not name. Returns the bytes of the reply, if any. */
export type ReceiveMessage = (delivery: Delivery) => Uint8Array | undefined;

/** Declares one control message of a node type. */
export interface MessageSpec<A = unknown, R = unknown> {
  /** Number of the command, with NGM_READONLY and NGM_HASREPLY where FreeBSD has them. */
  readonly cmd: number;
  readonly args?: ArgType<A>;
  readonly reply?: ArgType<R>;
  /** The name is for people only; ASCII conversion does not know this command. */
  readonly binaryOnly?: true;
  /** One line of help. */
  readonly summary?: string;
}

export type MessageSpecs = Readonly<Record<string, MessageSpec>>;

type ArgsOf<S> = S extends { args: ArgType<infer A> } ? A : undefined;
type ReplyOf<S> = S extends { reply: ArgType<infer R> }
  ? R | Uint8Array | undefined
  : Uint8Array | undefined | void;

/**
 * A handler for each declared message: typed arguments in; out the reply as a value of its type or as bytes,
 * or nothing for no reply. It refuses by throwing NgError.
 */
export type Handlers<M extends MessageSpecs> = {
  [K in keyof M]: (args: ArgsOf<M[K]>, delivery: Delivery) => ReplyOf<M[K]>;
};

/**
 * A message that brings a new node closer to where this one is: its name, its arguments if it has any, and the node
 * that it makes if it makes one.
 */
export type Setting<M extends MessageSpecs = MessageSpecs> = {
  [K in keyof M & string]: readonly [message: K, args?: ArgsOf<M[K]>, makes?: Node];
}[keyof M & string];

/** What one node does. Everything but `receive` has a default. */
export interface Behaviour<M extends MessageSpecs, H extends string> {
  /** Frames, by hook where hooks have different roles. */
  receive: ReceiveFrame | Partial<Record<H, ReceiveFrame>>;
  /** Handlers of the declared messages. */
  on?: Handlers<M>;
  /** Messages of other cookies and of no declared command. Default: EINVAL. */
  message?: ReceiveMessage;
  /** A hook is about to be made. Throws NgError to refuse it. */
  newHook?(hook: Hook): void;
  /** The hook has a peer now, which may be looked at. Throws NgError to refuse the edge. */
  connect?(hook: Hook): void;
  /** The hook is gone, its peer too. */
  disconnect?(hook: Hook): void;
  /** Whether the node stays when its last hook goes. Default: it shuts down. */
  persists?(): boolean;
  /** The messages that bring a new node, with the same hooks, to where this one is. Default: none. */
  configuration?(): readonly Setting<M>[];
  /**
   * What `create` gets as `resume`, instead of a configuration, when the program starts anew and takes up what the
   * system kept for the node meanwhile. JSON.
   */
  resume?(): unknown;
  /** Pre-shutdown: the node is marked as closing but its hooks still work. */
  close?(): void;
  /** All hooks are gone. `node.revive()` in here keeps the node (unless `node.reallyDie`). */
  shutdown?(): void;
}

/** What `create` is given. */
export interface Creation<H extends string> {
  readonly node: Node;
  /** The hooks of declared names that there are now. */
  readonly hooks: Partial<Record<H, Hook>>;
  readonly env: Environment;
  /** What the maker of the node passed along, for types that only the program itself makes. */
  readonly argument: unknown;
  /** What `Behaviour.resume` of the same node gave before the program started anew; undefined for a new node. */
  readonly resume: unknown;
}

/** A node type, struct ng_type. Made by `defineNode`. */
export interface NodeType {
  readonly type: string;
  readonly cookie: number;
  /** Names of the hooks it takes; any when absent. */
  readonly hooks?: readonly string[];
  readonly messages: MessageSpecs;
  /** Names of the messages, by command. */
  readonly commands: ReadonlyMap<number, string>;
  /** What a frame may be that this type handles: see `NodeDeclaration.frames`. */
  readonly frames: 'offload' | 'wire';
  /** Whether its nodes end with the program: nothing that is written down has them. */
  readonly transient: boolean;
  create(creation: Creation<string>): Behaviour<MessageSpecs, string>;
}

interface NodeDeclaration<M extends MessageSpecs, H extends string> {
  /** Name, at most 31 characters: what mkpeer takes, and `ng_<type>` is its module. */
  type: string;
  /** Identifies this type's messages, by custom the time of its invention in seconds since 1970. */
  cookie: number;
  hooks?: readonly H[];
  messages?: M;
  /**
   * `offload`: frames pass as they are, with partial checksums and as large segments (the default).
   * `wire`: the type looks at or changes what is on the wire and wants every frame complete.
   */
  frames?: 'offload' | 'wire';
  /** The nodes are parts of programs, and end with them: they are not saved. Default: false. */
  transient?: boolean;
  /** Makes one node: state in its closure, behaviour as the result. Throws NgError to refuse. */
  create(creation: Creation<H>): Behaviour<M, H>;
}

/** Declares a node type. Everything else (codecs, help, static types of the handlers) follows from this. */
export function defineNode<const M extends MessageSpecs = Record<never, never>, H extends string = string>(
  declaration: NodeDeclaration<M, H>,
): NodeType {
  const messages: MessageSpecs = declaration.messages ?? {};
  // The generics serve whoever writes a type; the graph treats all types alike.
  const create = declaration.create as unknown as NodeType['create'];
  return {
    frames: 'offload',
    transient: false,
    ...declaration,
    messages,
    commands: commandsOf(messages),
    create,
  };
}

/** The names of messages by command. */
export function commandsOf(messages: MessageSpecs): ReadonlyMap<number, string> {
  return new Map(Object.entries(messages).map(([name, { cmd }]) => [cmd, name]));
}
