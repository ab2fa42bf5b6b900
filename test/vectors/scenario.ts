/** A control message as the scenarios record it; what was not there is left out. */
export interface RecordedMessage {
  version: number;
  arglen: number;
  cmd: number;
  flags: number;
  token: number;
  cookie: number;
  cmdstr: string;
  /** The path that the message came from. */
  from: string;
  hex: string;
  ascii?: string;
  ascii_cmd?: string;
  ascii_errno?: string;
}

/** A read that found the socket at its end. */
export interface RecordedEnd {
  eof: 1;
}

export interface RecordedFrame {
  hook: string;
  hex: string;
}

export interface RecordedLink {
  ourhook: string;
  peerhook: string;
  peer_id: number;
  peer_name: string;
  peer_type: string;
  peer_hooks: number;
}

export interface RecordedNode {
  name: string;
  type: string;
  id: number;
  hooks: number;
  hooklist: RecordedLink[];
}

/** One operation of a scenario, with what each led to: see ../shared/vectors/README.md. */
export interface Operation {
  op: string;
  sock?: string;
  path?: string;
  cmd?: string | number;
  arg?: string;
  cookie?: number;
  hex?: string;
  hook?: string;
  flags?: number;
  version?: number;
  arglen?: number;
  args?: (string | number)[];

  errno?: string | 0;
  rc?: number;
  failed_in?: 'ascii2binary' | 'send';
  sent?: { cookie: number; cmd: number; hex: string };
  replies?: (RecordedMessage | RecordedEnd)[];
  data?: Record<string, RecordedFrame[]>;
  async_msgs?: Record<string, (RecordedMessage | RecordedEnd)[]>;
  events?: { kind: string; name: string; hex: string }[];
  log?: string[];
  name?: string | null;
  node_id?: number;
  jid?: number;
  nodes?: RecordedNode[];
  ifs?: string[];
  info?: string;
}

export interface Scenario {
  name: string;
  desc?: string;
  kldload?: string[];
  ops: Operation[];
}
