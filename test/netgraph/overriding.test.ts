import { describe, expect, it } from 'vitest';
import { defineNode, Message, NGF_RESP, NGM_READONLY, NgError } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const COOKIE = 83;

/** A node with a method for all its hooks, of which `special` has functions of its own. */
function scene() {
  const heard: string[] = [];
  const type = defineNode({
    type: 'thing',
    cookie: COOKIE,
    messages: { hello: { cmd: 1 | NGM_READONLY } },
    create: () => ({
      receive(_, hook) {
        heard.push(`node: frame on ${hook.name}`);
        return 0;
      },
      on: { hello: () => void heard.push('node: hello') },
      message() {
        heard.push('node: something else');
        return undefined;
      },
    }),
  });
  const world = simulatedWorld({ types: [type] });
  const me = new Program(world);
  me.mkpeer('.', 'thing', 'n', 'normal');
  me.connect('.', 'n', 's', 'special');
  const special = me.node.findHook('s')!.peer;
  return { me, heard, special };
}

const message = (cookie = COOKIE, cmd = 1 | NGM_READONLY) => new Message(cookie, cmd);

describe('a hook with a receive function of its own (NG_HOOK_SET_RCVDATA)', () => {
  it('gets all and only the frames that arrive there', () => {
    const { me, heard, special } = scene();
    special.receive = () => {
      heard.push('hook: frame');
      return 0;
    };
    me.send('s', 'x');
    me.send('n', 'x');
    expect(heard).toEqual(['hook: frame', 'node: frame on normal']);
  });

  it('says what becomes of the frame', () => {
    const { me, special } = scene();
    special.receive = () => new NgError('EMSGSIZE').errno;
    expect(me.send('s', 'x')).toBe('EMSGSIZE');
    expect(me.send('n', 'x')).toBe(0);
  });
});

describe('a message that is marked as a reply', () => {
  const reply = (cookie: number, cmd: number) => Object.assign(message(cookie, cmd), { flags: NGF_RESP });

  it('is handled by its number, as in FreeBSD, but for the generic ones, which go to the node', () => {
    const { me, heard } = scene();
    me.control.send('n', reply(COOKIE, 1 | NGM_READONLY));
    me.control.send('n', reply(1137070366, 6));
    expect(heard).toEqual(['node: hello', 'node: something else']);
  });

  it('among nodes of one type is an answer, not a command', () => {
    const asked: string[] = [];
    const curious = defineNode({
      type: 'curious',
      cookie: COOKIE,
      messages: { hello: { cmd: 1 } },
      create: ({ node }) => ({
        receive: () => 0,
        on: {
          hello() {
            asked.push(`${node} was asked`);
            return Uint8Array.of(1);
          },
        },
        message() {
          asked.push(`${node} was answered`);
          return undefined;
        },
      }),
    });
    const me = new Program(simulatedWorld({ types: [curious] }));
    me.mkpeer('.', 'curious', 'c', 'me');
    me.mkpeer('c', 'curious', 'a', 'b');
    const first = me.node.findHook('c')!.peer.node;
    first.graph.sendAlong(first.findHook('a')!, new Message(COOKIE, 1));
    expect(asked).toEqual(['[3]: was asked', '[2]: was answered']);
  });
});

describe('a hook with a message function of its own (NG_HOOK_SET_RCVMSG)', () => {
  it('gets the messages that arrive through it, whatever the node would do with them', () => {
    const { me, heard, special } = scene();
    special.receiveMessage = ({ message: { cookie } }) => {
      heard.push(`hook: message of ${cookie}`);
      return undefined;
    };
    me.control.send('s', message());
    me.control.send('s', message(99));
    me.control.send('n', message());
    me.control.send('[2]:', message());
    expect(heard).toEqual(['hook: message of 83', 'hook: message of 99', 'node: hello', 'node: hello']);
  });

  it('does not get the generic ones, which the framework answers', () => {
    const { me, heard, special } = scene();
    special.receiveMessage = () => {
      heard.push('hook');
      return undefined;
    };
    expect(me.msg('s', 'nodeinfo')).toContain('type="thing"');
    expect(heard).toEqual([]);
  });

  it('may answer, and may refuse', () => {
    const { me, special } = scene();
    special.receiveMessage = ({ message: { cmd } }) => {
      if (cmd === 5) throw new NgError('EPERM');
      return Uint8Array.of(1, 2, 3);
    };
    me.control.send('s', message());
    const { from, message: reply } = me.control.inbox.pop()!;
    expect([from, [...reply.data], reply.isReply]).toEqual(['[2]:', [1, 2, 3], true]);
    expect(() => me.control.send('s', message(COOKIE, 5))).toThrow('Operation not permitted');
  });
});
