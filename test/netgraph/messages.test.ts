import { describe, expect, it } from 'vitest';
import {
  GENERIC_COOKIE,
  HEADER_SIZE,
  Message,
  NGF_RESP,
  NGM_HASREPLY,
  NGM_READONLY,
} from '../../src/netgraph/index.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('a control message', () => {
  it('is struct ng_mesg, version 8: a header of 56 bytes and the arguments', () => {
    const message = new Message(GENERIC_COOKIE, 6 | NGM_READONLY | NGM_HASREPLY, Uint8Array.of(1, 2, 3));
    message.flags = NGF_RESP;
    message.token = 0x01020304;
    message.name = 'nodeinfo';
    expect(hex(message.encode())).toBe(
      [
        '08000000', // version, spare
        '03000000', // arglen
        '06000030', // cmd
        '01000000', // flags
        '04030201', // token
        '1e51c643', // typecookie
        '6e6f6465696e666f'.padEnd(64, '0'),
        '010203',
      ].join(''),
    );
  });

  it('is read as it was written', () => {
    const message = new Message(0xfffffff0, 0xffffffff, Uint8Array.of(9));
    Object.assign(message, { flags: 0x80000001, token: 0x7fffffff, name: 'x'.repeat(31) });
    const read = Message.decode(message.encode());
    expect({ ...read, data: [...read.data] }).toEqual({ ...message, data: [9] });
    expect([read.isReply, read.isReadOnly]).toEqual([true, true]);
    expect(new Message(1, 2).encode().length).toBe(HEADER_SIZE);
    expect(new Message(1, 2).isReply).toBe(false);
  });

  it('has a name of at most 31 characters, which may lack its NUL', () => {
    const message = new Message(1, 2, Uint8Array.of(0x79));
    message.name = 'x'.repeat(40);
    const bytes = message.encode();
    expect(Message.decode(bytes).name).toBe('x'.repeat(31));
    bytes.fill(0x78, 24, 56);
    expect(Message.decode(bytes).name).toBe('x'.repeat(32));
  });

  it('that is shorter than its header says, or of another version, is EINVAL', () => {
    const bytes = new Message(1, 2, new Uint8Array(4)).encode();
    expect(() => Message.decode(bytes.subarray(0, 55))).toThrow('shorter than its header');
    expect(() => Message.decode(bytes.subarray(0, 59))).toThrow('claims 4 bytes of arguments');
    expect(() => Message.decode(Uint8Array.from(bytes, (byte, i) => (i === 0 ? 7 : byte)))).toThrow(
      'version 7',
    );
    expect(Message.decode(bytes.subarray(0, 60)).data.length).toBe(4);
  });

  it('may be followed by bytes that are not its own', () => {
    const bytes = new Uint8Array(100);
    bytes.set(new Message(1, 2, Uint8Array.of(5)).encode());
    expect([...Message.decode(bytes).data]).toEqual([5]);
  });

  it('is answered with the same token, cookie, command and name', () => {
    const message = new Message(3, 4, Uint8Array.of(5));
    Object.assign(message, { token: 6, name: 'seven', flags: 0x100 });
    const reply = message.reply(Uint8Array.of(8));
    expect({ ...reply, data: [...reply.data] }).toEqual({
      version: 8,
      flags: NGF_RESP,
      token: 6,
      name: 'seven',
      cookie: 3,
      cmd: 4,
      data: [8],
    });
  });
});
