/** Messages of netlink(7): building requests, reading answers. Numbers are in the byte order of the machine. */
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { NgError } from '../netgraph/errors.js';

export const LITTLE = endianness() === 'LE';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;
const HEADER = 16;
const NLA_TYPE_MASK = 0x3fff;

const align = (length: number): number => ((length + 3) & ~3) >>> 0;

/** Puts one request together: header, fixed part, attributes. */
export class Request {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private length = HEADER;

  constructor(type: number, flags: number, fixed: Uint8Array) {
    this.view.setUint16(4, type, LITTLE);
    this.view.setUint16(6, flags | NLM_F_REQUEST, LITTLE);
    this.append(fixed);
  }

  attribute(type: number, value: Uint8Array): this {
    return this.append(attribute(type, value));
  }

  u32(type: number, value: number): this {
    return this.attribute(type, uint32(value));
  }

  string(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`));
  }

  /** @param sequence goes into the answer, so that it can be told from others of the same datagram */
  finish(sequence: number): Uint8Array {
    this.view.setUint32(0, this.length, LITTLE);
    this.view.setUint32(8, sequence, LITTLE);
    return this.bytes.subarray(0, align(this.length));
  }

  private append(part: Uint8Array): this {
    const start = align(this.length);
    if (align(start + part.length) > this.bytes.length) {
      const larger = new Uint8Array(2 * align(start + part.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.bytes.set(part, start);
    this.length = start + part.length;
    return this;
  }
}

/** An attribute by itself, padded: for inside another one. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, LITTLE);
  view.setUint16(2, type, LITTLE);
  bytes.set(value, 4);
  return bytes;
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, LITTLE);
  return bytes;
}

/** Requests for one datagram; their sequence numbers are their indices. */
export const pack = (requests: Request[]): Uint8Array =>
  Buffer.concat(requests.map((request, index) => request.finish(index)));

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  /** From the fixed part on. */
  body: DataView;
}

const viewOf = (bytes: Uint8Array, from: number, to: number): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + from, to - from);

export function* messages(bytes: Uint8Array): Generator<Message> {
  const view = viewOf(bytes, 0, bytes.length);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER || at + length > bytes.length) return;
    yield {
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      body: viewOf(bytes, at + HEADER, at + length),
    };
    at += align(length);
  }
}

/** Attributes by type; the later of two of the same type counts. */
export function attributes(body: DataView, fixed: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = align(fixed); at + 4 <= body.byteLength; ) {
    const length = body.getUint16(at, LITTLE);
    if (length < 4 || at + length > body.byteLength) break;
    const type = body.getUint16(at + 2, LITTLE) & NLA_TYPE_MASK;
    found.set(type, new DataView(body.buffer, body.byteOffset + at + 4, length - 4));
    at += align(length);
  }
  return found;
}

/** A copy of the bytes of an attribute. */
export const bytesOf = (view: DataView | undefined): Uint8Array =>
  view === undefined
    ? new Uint8Array(0)
    : new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();

export function stringOf(view: DataView | undefined): string {
  if (view === undefined) return '';
  const text = Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('utf8');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The error that an answer's NLMSG_ERROR or NLMSG_DONE carries, in Linux's terms; undefined for success. */
function refusal(message: Message): NodeJS.ErrnoException | undefined {
  const code = message.body.byteLength >= 4 ? message.body.getInt32(0, LITTLE) : 0;
  if (code >= 0) return undefined;
  const name = getSystemErrorName(code);
  let reason = '';
  if (message.type === NLMSG_ERROR && message.flags & NLM_F_ACK_TLVS) {
    const quoted =
      message.flags & NLM_F_CAPPED
        ? HEADER
        : message.body.byteLength >= 8
          ? message.body.getUint32(4, LITTLE)
          : 0;
    reason = stringOf(attributes(message.body, 4 + align(quoted)).get(NLMSGERR_ATTR_MSG));
  }
  const error: NodeJS.ErrnoException = new Error(reason === '' ? name : `${name}: ${reason}`);
  // Node calls 95 by its other name, which FreeBSD does not know.
  error.code = name === 'ENOTSUP' ? 'EOPNOTSUPP' : name;
  return error;
}

/** Thrown when links changed during a dump, so that it may lack some: to be asked again. */
export class Interrupted extends Error {}

export interface Answer {
  /** What came beside acknowledgements. */
  messages: Message[];
  /** By index of the request. */
  errors: Map<number, NodeJS.ErrnoException>;
}

/** Sorts an answer. @throws Interrupted */
export function sort(bytes: Uint8Array): Answer {
  const answer: Answer = { messages: [], errors: new Map() };
  for (const message of messages(bytes)) {
    if (message.flags & NLM_F_DUMP_INTR) throw new Interrupted();
    if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
      answer.messages.push(message);
      continue;
    }
    const error = refusal(message);
    if (error !== undefined) answer.errors.set(message.sequence, error);
  }
  return answer;
}

/** Throws the first error of an answer. */
export function check(answer: Answer, what: string): Answer {
  for (const error of answer.errors.values()) throw NgError.fromSystem(error, what);
  return answer;
}
