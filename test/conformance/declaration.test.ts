import { describe, expect, it } from 'vitest';
import { FLOW_COOKIE, GENERIC_COOKIE, genericMessages } from '../../src/netgraph/index.js';
import { Subject, types } from './subject.js';

describe('node types', () => {
  it('have a cookie each', () => {
    const cookies = types.map(([, { cookie }]) => cookie);
    expect(new Set(cookies).size).toBe(types.length);
    expect(cookies).not.toContain(GENERIC_COOKIE);
    expect(cookies).not.toContain(FLOW_COOKIE);
    for (const cookie of cookies) expect(cookie >>> 0).toBe(cookie);
  });
});

describe.each(types)('type %s', (name, type) => {
  it('is listed by its name, of at most 31 characters', () => {
    expect(type.type).toBe(name);
    expect(name).toMatch(/^[A-Za-z0-9_]{1,31}$/);
  });

  it('says whether it passes frames with offloads or wants them as on the wire', () => {
    expect(['offload', 'wire']).toContain(type.frames);
  });

  it('numbers its messages, each with a number of its own', () => {
    expect(type.commands.size).toBe(Object.keys(type.messages).length);
    for (const { cmd } of Object.values(type.messages)) expect(cmd >>> 0).toBe(cmd);
  });

  it('names them in at most 31 characters, not like a generic one, and says what they are for', () => {
    for (const [command, { summary }] of Object.entries(type.messages)) {
      expect(command).toMatch(/^[a-z][a-z0-9_]{0,30}$/);
      expect(Object.keys(genericMessages)).not.toContain(command);
      expect([command, summary]).toEqual([command, expect.stringMatching(/\S/)]);
    }
  });

  it('has a handler for every message', () => {
    const { node } = new Subject(type);
    if (node === undefined) return;
    const handlers = node.behaviour.on ?? {};
    expect(Object.keys(handlers).sort()).toEqual(Object.keys(type.messages).sort());
  });
});
