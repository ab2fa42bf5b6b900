import { NgError } from './errors.js';

/** NG_VERSION: the version byte of every message. */
export const NG_VERSION = 8;
/** Size of struct ng_mesg without its arguments. */
export const HEADER_SIZE = 56;
/** NG_CMDSTRSIZ and its equals NG_NODESIZ, NG_HOOKSIZ, NG_TYPESIZ, each with the terminating NUL. */
export const NAME_SIZE = 32;

/** Flag of a message that answers another. */
export const NGF_RESP = 1;
/** In `cmd`: the message does not alter its node, which may handle it beside others. */
export const NGM_READONLY = 0x10000000;
/** In `cmd`: the sender may wait for an answer. */
export const NGM_HASREPLY = 0x20000000;

/** Room for the arguments when a message is converted between its forms; what needs more gets ERANGE. */
export const CONVERT_SIZE = 20 * 1024;

export const GENERIC_COOKIE = 1137070366;
export const FLOW_COOKIE = 851672669;

/** A control message, struct ng_mesg of <netgraph/ng_message.h>. */
export class Message {
  version = NG_VERSION;
  flags = 0;
  token = 0;
  /** Name of the command: all that a message in ASCII form has to tell it by. */
  name = '';

  constructor(
    /** Says which set of commands `cmd` belongs to. */
    public cookie: number,
    public cmd: number,
    /** The arguments in binary form. */
    public data: Uint8Array = new Uint8Array(0),
  ) {}

  get isReply(): boolean {
    return (this.flags & NGF_RESP) !== 0;
  }

  get isReadOnly(): boolean {
    return (this.cmd & NGM_READONLY) !== 0;
  }

  /** An answer to this message, NG_MKRESPONSE: same token, cookie, command and name. */
  reply(data: Uint8Array): Message {
    const reply = new Message(this.cookie, this.cmd, data);
    reply.flags = NGF_RESP;
    reply.token = this.token;
    reply.name = this.name;
    return reply;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(HEADER_SIZE + this.data.length);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, this.version);
    view.setUint32(4, this.data.length, true);
    view.setUint32(8, this.cmd, true);
    view.setUint32(12, this.flags, true);
    view.setUint32(16, this.token, true);
    view.setUint32(20, this.cookie, true);
    for (let i = 0; i < this.name.length && i < NAME_SIZE - 1; i++)
      view.setUint8(24 + i, this.name.charCodeAt(i));
    bytes.set(this.data, HEADER_SIZE);
    return bytes;
  }

  /**
   * Reads a message. The arguments are a view of `bytes`, not a copy.
   * @throws NgError EINVAL when it is shorter than its header says, or of another version
   */
  static decode(bytes: Uint8Array): Message {
    if (bytes.length < HEADER_SIZE)
      throw new NgError('EINVAL', `control message of ${bytes.length} bytes, shorter than its header`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const version = view.getUint8(0);
    if (version !== NG_VERSION)
      throw new NgError('EINVAL', `control message of version ${version}, not ${NG_VERSION}`);
    const arglen = view.getUint32(4, true);
    if (arglen > bytes.length - HEADER_SIZE)
      throw new NgError('EINVAL', `control message claims ${arglen} bytes of arguments`);
    const data = bytes.subarray(HEADER_SIZE, HEADER_SIZE + arglen);
    const message = new Message(view.getUint32(20, true), view.getUint32(8, true), data);
    message.flags = view.getUint32(12, true);
    message.token = view.getUint32(16, true);
    message.name = readName(bytes, 24);
    return message;
  }
}

function readName(bytes: Uint8Array, start: number): string {
  let name = '';
  for (let i = start; i < start + NAME_SIZE && bytes[i] !== 0; i++) name += String.fromCharCode(bytes[i]);
  return name;
}
