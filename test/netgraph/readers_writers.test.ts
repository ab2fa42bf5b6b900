import { describe, expect, it } from 'vitest';
import { defineNode, Frame, Message, NGM_READONLY, NgError, type Node } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const COOKIE = 79;
const text = (frame: Frame) => Buffer.from(frame.view()).toString();
const frame = (value: string) => new Frame(Buffer.from(value));

/** A node whose handlers say when they run; a test hangs itself in by `during`. */
function scene() {
  const events: string[] = [];
  let during: Record<string, () => void> = {};
  const happens = (what: string) => {
    events.push(`${what} begins`);
    const run = during[what];
    delete during[what];
    run?.();
    events.push(`${what} ends`);
  };
  const worker = defineNode({
    type: 'worker',
    cookie: COOKIE,
    messages: { write: { cmd: 1 }, read: { cmd: 2 | NGM_READONLY } },
    create: () => ({
      receive(received) {
        happens(`frame ${text(received)}`);
        return 0;
      },
      on: { write: () => happens('write'), read: () => happens('read') },
    }),
  });
  const world = simulatedWorld({ types: [worker] });
  const me = new Program(world);
  me.mkpeer('.', 'worker', 'w', 'in');
  const hook = me.node.findHook('w')!;
  const node: Node = hook.peer.node;
  /** Sends a message; what came of it is an event, too. */
  const send = (cmd: number, what: string) =>
    world.graph.sendTo({ node, message: new Message(COOKIE, cmd), from: me.node, hook: undefined }, (error) =>
      events.push(`${what} ${error?.code ?? 'done'}`),
    );
  return {
    world,
    events,
    node,
    frame: (value: string) => hook.send(frame(value)),
    write: () => send(1, 'write'),
    read: () => send(2 | NGM_READONLY, 'read'),
    when: (what: Record<string, () => void>) => {
      during = what;
    },
  };
}

describe('a node', () => {
  it('handles what comes while it is idle at once', () => {
    const { events, frame: sendFrame, write } = scene();
    expect(sendFrame('1')).toBe(0);
    write();
    expect(events).toEqual(['frame 1 begins', 'frame 1 ends', 'write begins', 'write ends', 'write done']);
  });

  it('in the middle of a frame handles another one inside it: readers do not exclude each other', () => {
    const { events, frame: sendFrame, when } = scene();
    when({ 'frame 1': () => sendFrame('2') });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'frame 2 begins', 'frame 2 ends', 'frame 1 ends']);
  });

  it('in the middle of a frame handles a message that is marked read-only', () => {
    const { events, frame: sendFrame, read, when } = scene();
    when({ 'frame 1': read });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'read begins', 'read ends', 'read done', 'frame 1 ends']);
  });

  it('in the middle of a frame lets any other message wait', () => {
    const { events, frame: sendFrame, write, when } = scene();
    when({ 'frame 1': write });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'frame 1 ends', 'write begins', 'write ends', 'write done']);
  });

  it('lets wait behind that message what comes after it, read-only or not, and keeps the order', () => {
    const { events, frame: sendFrame, write, read, when } = scene();
    when({
      'frame 1': () => {
        write();
        sendFrame('2');
        read();
        sendFrame('3');
      },
    });
    sendFrame('1');
    expect(events.filter((event) => !event.endsWith('ends'))).toEqual([
      'frame 1 begins',
      'write begins',
      'write done',
      'frame 2 begins',
      'read begins',
      'read done',
      'frame 3 begins',
    ]);
  });

  it('in the middle of a message that is not read-only lets everything wait', () => {
    const { events, frame: sendFrame, write, read, when } = scene();
    when({
      write: () => {
        sendFrame('1');
        read();
        write();
      },
    });
    write();
    expect(events).toEqual([
      'write begins',
      'write ends',
      'write done',
      'frame 1 begins',
      'frame 1 ends',
      'read begins',
      'read ends',
      'read done',
      'write begins',
      'write ends',
      'write done',
    ]);
  });

  it('tells the sender of a frame that waits that all is well, and keeps a copy', () => {
    const { events, world, node, when, write } = scene();
    const bytes = Buffer.from('a');
    when({
      write: () => {
        expect(node.hooks[0].peer.send(new Frame(bytes))).toBe(0);
        bytes.write('b');
      },
    });
    write();
    expect(world.settle()).toBe(true);
    expect(events).toContain('frame a begins');
  });

  it('that goes answers what waits for it', () => {
    const { events, frame: sendFrame, world, node, write, when } = scene();
    when({
      'frame 1': () => {
        world.graph.removeNode(node);
        write();
      },
    });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'write EINVAL', 'frame 1 ends']);
  });

  it('learns that a hook is gone when it is idle, but nothing passes there meanwhile', () => {
    const { world, node, frame: sendFrame, when } = scene();
    const { peer, name } = node.hooks[0];
    when({
      'frame 1': () => {
        world.graph.destroyHook(peer);
        expect(node.findHook(name)?.isValid).toBe(false);
        expect(node.findHook(name)?.send(frame('back'))).toBe(new NgError('ENETDOWN').errno);
      },
    });
    sendFrame('1');
    expect(node.hooks).toEqual([]);
  });

  it('that is shut down by a message waiting in it answers what waits behind that', () => {
    const { events, frame: sendFrame, world, node, write, when } = scene();
    when({
      'frame 1': () => {
        world.graph.removeNodeSoon(node);
        write();
        sendFrame('2');
        expect(node.isValid).toBe(true);
      },
    });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'frame 1 ends', 'write EINVAL']);
    expect(node.isValid).toBe(false);
  });

  it('may declare that everything that reaches it counts as a writer (NG_NODE_FORCE_WRITER)', () => {
    const { events, frame: sendFrame, node, when } = scene();
    node.exclusive = true;
    when({ 'frame 1': () => sendFrame('2') });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'frame 1 ends', 'frame 2 begins', 'frame 2 ends']);
  });

  it('lets what is exclusive wait until it has the node to itself', () => {
    const { world, node, events, frame: sendFrame, when } = scene();
    const me = node.hooks[0].peer.node;
    world.graph.connect(me, 'other', node, 'exclusive');
    node.findHook('exclusive')!.exclusive = true;
    when({ 'frame 1': () => me.findHook('other')!.send(frame('2')) });
    sendFrame('1');
    expect(events).toEqual(['frame 1 begins', 'frame 1 ends', 'frame 2 begins', 'frame 2 ends']);
  });

  it('may declare that of one hook (NG_HOOK_FORCE_WRITER)', () => {
    const { events, frame: sendFrame, node, read, when } = scene();
    node.hooks[0].exclusive = true;
    when({ 'frame 1': read });
    sendFrame('1');
    expect(events.slice(0, 3)).toEqual(['frame 1 begins', 'frame 1 ends', 'read begins']);
  });
});
