/** A jail as tools see it. */
export interface JailStatus {
  jid: number;
  name: string;
  /** jid of the jail it is in, 0 for the host. */
  parent: number;
  hostname: string;
  path: string;
  vnet: 'new' | 'inherit';
  persist: boolean;
  /** How many jails may be made inside. */
  childrenMax: number;
  /** Path of the network namespace it is in (its own or that of an ancestor); what nsenter(1) takes. */
  netns: string;
  /** Path of its UTS namespace; empty for an adopted one without. */
  uts: string;
  /** Whether the namespace was there before us, so that removal leaves it. */
  adopted: boolean;
}

/** Parameters of jail(8) that we know, in the words of `jail -c`. A name without a value is 'true'. */
export type JailParameters = Readonly<{ [name: string]: string }>;

export interface DaemonStatus {
  pid: number;
  version: string;
  /** Seconds since its start. */
  uptime: number;
  socket: string;
  stateDir: string;
  /** What went wrong when the daemon took up what the one before it left, in sentences. */
  notices: string[];
  /** What the daemon has of root's power, in the words of capabilities(7). */
  capabilities: string[];
  /** Whether io_uring moves the frames: the kernel has it, and no filter of system calls is in the way. */
  ioUring: boolean;
  jails: number;
  /** Over all vnets the caller may see. */
  nodes: number;
  interfaces: InterfaceStatus[];
  types: { name: string; nodes: number }[];
  /** Of the whole daemon: the host's business. */
  memory?: { rss: number; heapUsed: number };
  /** Frames lost in the graph, by reason, in all vnets the caller may see. */
  counters: { [reason: string]: number };
}

export interface InterfaceStatus {
  name: string;
  jid: number;
  up: boolean;
  counters: { [name: string]: number };
}

/** The calls of the control protocol: what each takes and gives. */
export interface Calls {
  /** Must come first. `jail` enters a jail (name or ID) below the caller's own: `ngctl -j`. */
  hello: {
    params: { version: number; jail?: string };
    result: { pid: number; version: string; jid: number };
  };
  /** Makes the socket node of this connection. Result: its node ID. */
  open: { params: { name?: string }; result: { id: number } };
  'jail.create': { params: { parameters: JailParameters }; result: JailStatus };
  'jail.modify': { params: { jail: string; parameters: JailParameters }; result: JailStatus };
  /** Resolves when nothing of it is left. */
  'jail.remove': { params: { jail: string }; result: JailStatus };
  'jail.list': { params: Record<string, never>; result: JailStatus[] };
  /** Loads a node type: kldload(8). `name` with or without `ng_`. */
  'type.load': { params: { name: string }; result: { name: string } };
  'type.unload': { params: { name: string }; result: { name: string } };
  'type.list': { params: Record<string, never>; result: { name: string; nodes: number }[] };
  'sysctl.list': {
    params: Record<string, never>;
    result: { name: string; value: string | number; description: string; writable: boolean }[];
  };
  'sysctl.read': { params: { name: string }; result: { value: string | number } };
  'sysctl.write': { params: { name: string; value: string }; result: { value: string | number } };
  /** The ngctl(8) script that makes the graph that the caller can see. Its comments have the jails. */
  save: { params: Record<string, never>; result: { script: string } };
  status: { params: Record<string, never>; result: DaemonStatus };
  /** Removes what an earlier daemon of this instance left, and gives up what waits, or only tells of it. Result: lines. */
  repair: {
    params: { dryRun: boolean };
    result: { removed: string[]; forgotten: string[]; left: string[] };
  };
  /** Has a new process go on with everything, and ends this one. Result: the new one's. */
  restart: { params: Record<string, never>; result: { pid: number } };
  /** Takes the world down and ends the daemon; the result comes when everything is gone. */
  stop: { params: Record<string, never>; result: Record<string, never> };
}

export type Method = keyof Calls;
export type Params<M extends Method> = Calls[M]['params'];
export type Result<M extends Method> = Calls[M]['result'];
