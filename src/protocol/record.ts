import { Buffer } from 'node:buffer';
import { NgError } from '../netgraph/errors.js';

/**
 * What goes over the control socket: records of a length (uint32, little endian, of all that follows), a kind
 * (uint8), an ID (uint32) by which a result finds its request, and a body.
 */
export const Kind = {
  /** Client: a call by name, see `calls.ts`. Body: JSON `{ method, params }`. */
  CALL: 1,
  /** Client: a control message. Body: path, NUL, struct ng_mesg. */
  MESSAGE: 2,
  /** Client: a frame to send out of a hook. Body: hook, NUL, frame. */
  FRAME: 3,
  /** Client: a frame to send out of the only hook. Body: frame. */
  FRAME_ONLY_HOOK: 4,
  /** Daemon: what came of a request. Body: errno (uint32, 0 for success), then JSON, or the sentence of the error. */
  RESULT: 16,
  /** Daemon: a control message arrived. Body: address of the sender, NUL, struct ng_mesg. ID 0. */
  RECEIVED_MESSAGE: 17,
  /** Daemon: a frame arrived. Body: hook, NUL, frame. ID 0. */
  RECEIVED_FRAME: 18,
  /** Daemon: the socket node was shut down. ID 0. */
  END: 19,
} as const;

export const PROTOCOL_VERSION = 1;
/** Longest record from a client: a message of the largest size and some room. */
export const MAX_RECORD = 1 << 20;
/** Longest record from the daemon: a list of everything there may be. */
export const MAX_ANSWER = 1 << 28;
/** Longest sentence of an error, in characters: those that quote what was wrong could be as long as that. */
const MAX_SENTENCE = 2000;
const HEAD = 9;

export interface ControlRecord {
  readonly kind: number;
  readonly id: number;
  readonly body: Uint8Array;
}

/** How many bytes a record takes on its way. */
export const recordLength = ({ body }: ControlRecord): number => HEAD + body.length;

/** One record in bytes; `parts` are put together as its body. */
export function encodeRecord(kind: number, id: number, ...parts: (Uint8Array | string)[]): Buffer {
  const chunks = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part));
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(chunks.reduce((sum, chunk) => sum + chunk.length, HEAD - 4));
  head[4] = kind;
  head.writeUInt32LE(id, 5);
  return Buffer.concat([head, ...chunks]);
}

/** What came of a request. */
export function encodeResult(
  id: number,
  error?: { errno: number; message: string },
  result: unknown = {},
): Buffer {
  const errno = Buffer.alloc(4);
  errno.writeUInt32LE(error?.errno ?? 0);
  return encodeRecord(
    Kind.RESULT,
    id,
    errno,
    error?.message.slice(0, MAX_SENTENCE) ?? JSON.stringify(result),
  );
}

/** A name (path, hook, address) and the bytes behind its NUL. @throws NgError EINVAL there is none */
export function splitName(body: Uint8Array): [name: string, rest: Uint8Array] {
  const end = body.indexOf(0);
  if (end < 0) throw new NgError('EINVAL', 'a record without the name that it must begin with');
  return [Buffer.from(body.buffer, body.byteOffset, end).toString('utf8'), body.subarray(end + 1)];
}

const EMPTY: Buffer = Buffer.alloc(0);

/** Cuts a byte stream into records. */
export class RecordReader {
  /** What there is of the next record. */
  private pending = EMPTY;
  /** Where more of it can be put: `pending` is its beginning. */
  private room = EMPTY;

  /** @param longest that a record may be, in bytes */
  constructor(private readonly longest = MAX_RECORD) {}

  /** The beginning of a record that is not complete. */
  get rest(): Buffer {
    return this.pending;
  }

  /**
   * Takes what the stream gave and returns the records that are complete. Their bodies are views, valid for
   * good.
   * @throws NgError EMSGSIZE the stream cannot be one of records
   */
  push(chunk: Buffer): ControlRecord[] {
    let bytes = this.pending.length === 0 ? chunk : this.append(chunk);
    const records: ControlRecord[] = [];
    while (bytes.length >= 4) {
      const length = bytes.readUInt32LE(0);
      if (length < HEAD - 4 || length > this.longest)
        throw new NgError('EMSGSIZE', `record of ${length} bytes, not ${HEAD - 4} to ${this.longest}`);
      if (bytes.length < 4 + length) break;
      const body = bytes.subarray(HEAD, 4 + length);
      records.push({ kind: bytes[4], id: bytes.readUInt32LE(5), body });
      bytes = bytes.subarray(4 + length);
    }
    // What was given out is not written over.
    if (records.length > 0) this.room = EMPTY;
    this.pending = bytes;
    return records;
  }

  /**
   * Room grows by doubling, or else a long record in many small pieces would be copied for each of them; but not beyond
   * the record.
   */
  private append(chunk: Buffer): Buffer {
    const { length } = this.pending;
    const size = length + chunk.length;
    if (size > this.room.length) {
      const whole = length < 4 ? size : 4 + this.pending.readUInt32LE(0);
      const room = Buffer.allocUnsafe(Math.max(size, Math.min(2 * size, whole)));
      this.pending.copy(room);
      this.room = room;
    }
    chunk.copy(this.room, length);
    return this.room.subarray(0, size);
  }
}
