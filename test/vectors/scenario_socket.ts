import { type ErrnoName, Message, NgError } from '../../src/netgraph/index.js';
import type { Control, Data, Received } from '../support/program.js';
import type { RecordedEnd, RecordedFrame, RecordedMessage } from './scenario.js';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Recorded bytes: hex, or one byte repeated as in `00*20000`. */
export function unhex(text: string): Uint8Array {
  const repeated = /^([0-9a-f]{2})\*(\d+)$/.exec(text);
  if (repeated === null) return Buffer.from(text, 'hex');
  return new Uint8Array(Number(repeated[2])).fill(Number.parseInt(repeated[1], 16));
}

/** Bytes as they are recorded: of very long frames only the length. */
const hexOrLength = (bytes: Uint8Array): string =>
  bytes.length > 4096 ? `(${bytes.length} bytes)` : hex(bytes);

export function recordedMessage({ from, message }: Received): RecordedMessage {
  return {
    version: message.version,
    arglen: message.data.length,
    cmd: message.cmd,
    flags: message.flags,
    token: message.token,
    cookie: message.cookie,
    cmdstr: message.name,
    from,
    hex: hex(message.data),
  };
}

/** The same with its ASCII form, as libnetgraph asks for it. */
export function withAscii(control: Control, received: Received, token: number): RecordedMessage {
  const ascii = attempt(() => control.toAscii(received, token));
  const recorded = recordedMessage(received);
  if (typeof ascii === 'string') return { ...recorded, ascii_errno: ascii };
  return { ...recorded, ascii: ascii.text, ascii_cmd: ascii.command };
}

/** Reads what arrived; at the end of file one reads that, again and again. */
export function takeMessages({ inbox, ended }: Control): (Received | RecordedEnd)[] {
  const messages = inbox.splice(0);
  return ended ? [...messages, { eof: 1 }] : messages;
}

export function takeFrames({ inbox, ended }: Data): RecordedFrame[] {
  const frames = inbox.splice(0).map(({ hook, bytes }) => ({ hook, hex: hexOrLength(bytes) }));
  return ended ? [...frames, { hook: 'EOF', hex: '' }] : frames;
}

/** What `run` returns, or the name of the errno with which it is refused. */
export function attempt<T>(run: () => T): T | ErrnoName {
  try {
    return run();
  } catch (error) {
    if (error instanceof NgError) return error.code;
    throw error;
  }
}

/** A message from its recorded parts, perhaps with a header that lies. Throws NgError where sockets refuse it. */
export function rawMessage(parts: {
  cookie: number;
  cmd: number;
  hex: string;
  flags?: number;
  version?: number;
  arglen?: number;
  token: number;
}): Message {
  const message = new Message(parts.cookie, parts.cmd, unhex(parts.hex));
  message.name = `cmd${parts.cmd}`;
  message.token = parts.token;
  message.flags = parts.flags ?? 0;
  message.version = parts.version ?? message.version;
  const bytes = message.encode();
  if (parts.arglen !== undefined) new DataView(bytes.buffer).setUint32(4, parts.arglen, true);
  return Message.decode(bytes);
}
