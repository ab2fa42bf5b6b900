import { describe, expect, it } from 'vitest';
import {
  defineNode,
  dropsIn,
  FLOW_COOKIE,
  GENERIC_COOKIE,
  genericMessages,
} from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { randomFrom } from '../support/world.js';
import { Subject, someArguments, takesAnyMessage, types } from './subject.js';

const UNKNOWN_COOKIE = 0x12345678;
const unknownCommands = [0x0fff0001, 0x0fff0002, 0x3fff0003];

/** A message that a type knows but cannot read. */
function unreadable(size: number): Uint8Array[] {
  return [0, 1, size - 1, size + 1, size * 2 + 8]
    .filter((length) => length >= 0 && length !== size)
    .map((length) => new Uint8Array(length));
}

describe.each(types)('type %s', (name, type) => {
  const subject = () => {
    const made = new Subject(type);
    return made.node === undefined ? undefined : made;
  };
  const alive = (one: Subject) => {
    expect(faults(one.world)).toEqual([]);
    expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
    expect(one.node!.isValid).toBe(true);
  };

  it('refuses messages of a cookie that it does not know: EINVAL', () => {
    const one = subject();
    if (one === undefined || takesAnyMessage.has(name)) return;
    for (const cmd of [0, 1, 2, ...unknownCommands]) expect(one.send(UNKNOWN_COOKIE, cmd)).toBe('EINVAL');
    alive(one);
  });

  it('refuses commands that it does not know: EINVAL', () => {
    const one = subject();
    if (one === undefined || name === 'echo') return;
    for (const cmd of unknownCommands) expect(one.send(type.cookie, cmd)).toBe('EINVAL');
    for (const cmd of unknownCommands) expect(one.send(GENERIC_COOKIE, cmd)).toBe('EINVAL');
    expect(one.me.refusal(one.path, 'nosuchcommand')).toBe('ENOSYS');
    alive(one);
  });

  it('survives messages of flow control, known or not', () => {
    const one = subject();
    for (const cmd of [32, 33, 34, 44, 99]) one?.send(FLOW_COOKIE, cmd);
    if (one !== undefined) alive(one);
  });

  it('refuses arguments of a wrong length: EINVAL', () => {
    const one = subject();
    if (one === undefined) return;
    for (const [command, { cmd, args }] of Object.entries(type.messages)) {
      if (args?.size === undefined) continue;
      for (const data of unreadable(args.size))
        expect([command, data.length, one.send(type.cookie, cmd, data)]).toEqual([
          command,
          data.length,
          'EINVAL',
        ]);
    }
    alive(one);
  });

  it('survives arguments of any bytes', () => {
    const random = randomFrom(5);
    for (const { cmd, args } of Object.values(type.messages)) {
      for (let round = 0; round < 20; round++) {
        const one = subject();
        const size = args?.size ?? Math.floor(random() * 200);
        one?.send(
          type.cookie,
          cmd,
          Uint8Array.from({ length: size }, () => random() * 256),
        );
        if (one === undefined) return;
        expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
        expect(faults(one.world)).toEqual([]);
      }
    }
  });

  it('answers or refuses every message of its own, and does not fail', () => {
    for (const [command, { cmd, args, reply }] of Object.entries(type.messages)) {
      const one = subject();
      if (one === undefined) return;
      const error = one.send(type.cookie, cmd, someArguments(args));
      expect([command, error]).not.toEqual([command, 'EIO']);
      if (error === 0 && reply !== undefined) {
        const answer = one.me.control.inbox.pop()!;
        expect([command, answer?.message.cmd, answer?.message.isReply]).toEqual([command, cmd, true]);
        // It can be printed, and that by the node itself.
        expect(one.me.control.toAscii(answer).command).toBe(command);
      }
      expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
    }
  });

  it('answers the generic questions', () => {
    const one = subject();
    if (one === undefined) return;
    expect(one.me.msg(one.path, 'nodeinfo')).toContain(`type="${name}"`);
    for (const command of ['listhooks', 'listnames', 'listnodes', 'listtypes'])
      expect(one.me.msg(one.path, command)).toMatch(/^\{/);
    expect(one.me.msg('.', 'nodeinfo')).toContain('type="socket"');
  });

  it('takes messages while it handles a frame, and whatever they do the graph is sound', () => {
    const commands = [
      ...Object.values(type.messages).map(
        ({ cmd, args }) => [type.cookie, cmd, someArguments(args)] as const,
      ),
      [GENERIC_COOKIE, genericMessages.shutdown.cmd, new Uint8Array(0)] as const,
      [GENERIC_COOKIE, genericMessages.listhooks.cmd, new Uint8Array(0)] as const,
    ];
    for (const [cookie, cmd, data] of commands) {
      let interrupt = () => {};
      const interrupter = defineNode({
        type: 'interrupter',
        cookie: 99,
        create: () => ({
          receive() {
            interrupt();
            return 0;
          },
        }),
      });
      const one = new Subject(type, [interrupter]);
      if (one.node === undefined) return;
      const hooks = one.hookNames();
      for (const hook of hooks.slice(1)) one.me.refusal(one.path, 'mkpeer', mkpeer(hook));
      if (hooks.length > 0) one.connect(hooks[0]);
      const outcomes: unknown[] = [];
      interrupt = () => {
        interrupt = () => {};
        const { me, path } = one;
        const message = me.control.toBinary('.', 'nodeinfo', '');
        Object.assign(message, { cookie, cmd, data });
        me.control.socket.send(path, message, (error) => outcomes.push(error?.code ?? 0));
      };
      if (hooks.length > 0) one.me.send(hooks[0], 'x'.repeat(60));
      one.world.settle();
      expect(outcomes).not.toContain('EIO');
      expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
      expect(faults(one.world)).toEqual([]);
    }
  });
});

const mkpeer = (hook: string) => `{ type="interrupter" ourhook="${hook}" peerhook="x" }`;
