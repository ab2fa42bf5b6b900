import { describe, expect, it } from 'vitest';
import { defineNode, FLOW_COOKIE, FlowMessages, Message, type Node } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const linkIsDown = () => new Message(FLOW_COOKIE, FlowMessages.link_is_down.cmd);

/** A node that notes the flow-control messages it gets; `send` makes it send one along its hook. */
function scene() {
  const heard: string[] = [];
  const nodes: Node[] = [];
  const listener = defineNode({
    type: 'listener',
    cookie: 84,
    create({ node }) {
      nodes.push(node);
      return {
        receive: () => 0,
        message({ message, hook, from }) {
          heard.push(`${message.cmd} on ${hook?.name} from ${from}`);
          return undefined;
        },
      };
    },
  });
  const world = simulatedWorld({ types: [listener] });
  return { world, me: new Program(world), heard, nodes };
}

describe('flow control', () => {
  it('is sent along a hook to whatever is at its other end (NG_SEND_MSG_HOOK)', () => {
    const { world, me, heard } = scene();
    me.mkpeer('.', 'listener', 'l', 'in');
    const outcomes: unknown[] = [];
    world.graph.sendAlong(me.node.findHook('l')!, linkIsDown(), (error) => outcomes.push(error));
    expect(heard).toEqual(['33 on in from [1]:']);
    expect(outcomes).toEqual([undefined]);
  });

  it('along a hook that is gone is ENOTCONN', () => {
    const { world, me } = scene();
    me.mkpeer('.', 'listener', 'l', 'in');
    const hook = me.node.findHook('l')!;
    me.msg('.', 'rmhook', '{ hook="l" }');
    const outcomes: unknown[] = [];
    world.graph.sendAlong(hook, linkIsDown(), (error) => outcomes.push(error?.code));
    expect(outcomes).toEqual(['ENOTCONN']);
  });

  it('passes through a tee to its other side, as if the tee were not there', () => {
    const { world, me, heard } = scene();
    me.mkpeer('.', 'tee', 't', 'left');
    me.mkpeer('t', 'listener', 'right', 'in');
    me.mkpeer('t', 'listener', 'left2right', 'in');
    world.graph.sendAlong(me.node.findHook('t')!, linkIsDown());
    expect(heard).toEqual(['33 on in from [1]:']);
  });

  it('ends in a tee without another side, and does not come in by the taps', () => {
    const { world, me, heard } = scene();
    me.mkpeer('.', 'tee', 't', 'left');
    me.connect('.', 't', 'tap', 'left2right');
    me.mkpeer('t', 'listener', 'right', 'in');
    world.graph.sendAlong(me.node.findHook('tap')!, linkIsDown());
    me.control.send('t', linkIsDown());
    expect(heard.length).toBe(1);
  });

  it('sets the link of an eiface', () => {
    const { world, me } = scene();
    me.mkpeer('.', 'eiface', 'e', 'ether');
    const [device] = world.devices.all;
    expect(device.carrier).toBe(true);
    world.graph.sendAlong(me.node.findHook('e')!, linkIsDown());
    expect(device.carrier).toBe(false);
    world.graph.sendAlong(me.node.findHook('e')!, new Message(FLOW_COOKIE, FlowMessages.link_is_up.cmd));
    expect(device.carrier).toBe(true);
  });

  it('has the numbers of <netgraph/ng_message.h>', () => {
    expect(FLOW_COOKIE).toBe(851672669);
    const RO = 0x10000000;
    expect(
      Object.entries(FlowMessages).map(([name, { cmd }]) => `${name} ${cmd & ~RO}${cmd & RO ? ' RO' : ''}`),
    ).toEqual([
      'link_is_up 32',
      'link_is_down 33',
      'high_water_passed 34',
      'low_water_passed 35',
      'sync_queue_state 36',
      'drop_link 41',
      'raise_link 42',
      'flush_queue 43',
      'get_bandwidth 44 RO',
      'set_xmit_q_limits 45',
      'get_xmit_q_limits 46 RO',
      'micromanage 47',
      'set_flow_manager 48',
    ]);
  });

  it('has arguments, with queue sizes and bandwidth', () => {
    const { high_water_passed, low_water_passed, sync_queue_state, set_xmit_q_limits, get_xmit_q_limits } =
      FlowMessages;
    const queue = [high_water_passed.args, low_water_passed.args, set_xmit_q_limits.args];
    for (const type of [...queue, sync_queue_state.reply, get_xmit_q_limits.reply])
      expect(type.describe()).toBe(
        '{ queue_priority=<uint32> max_queuelen_bytes=<uint32> max_queuelen_packets=<uint32>' +
          ' low_watermark=<uint32> high_watermark=<uint32> current=<uint32> }',
      );
    expect(FlowMessages.get_bandwidth.reply.describe()).toBe(
      '{ nominal_in=<uint64> seen_in=<uint64> nominal_out=<uint64> seen_out=<uint64> }',
    );
    expect(FlowMessages.set_flow_manager.args.describe()).toBe('{ id=<hint32> }');
  });
});
