import {
  bypass,
  countDrop,
  defineNode,
  FLOW_COOKIE,
  type Frame,
  type Hook,
  NgError,
  t,
} from '../netgraph/index.js';

const HookStats = t.struct({
  inOctets: t.uint64,
  inFrames: t.uint64,
  outOctets: t.uint64,
  outFrames: t.uint64,
});
const Stats = t.struct({ right: HookStats, left: HookStats, right2left: HookStats, left2right: HookStats });

type Side = 'right' | 'left' | 'right2left' | 'left2right';

const newCount = () => ({ inOctets: 0, inFrames: 0, outOctets: 0, outFrames: 0 });
const newCounts = () => ({
  right: newCount(),
  left: newCount(),
  right2left: newCount(),
  left2right: newCount(),
});

/**
 * A tap in the old sense: passes frames between `left` and `right`, and gives a copy of each direction to
 * `left2right` and `right2left`. Flow control passes between `left` and `right`, too. On shutdown the two sides
 * are joined directly. ng_tee(4)
 */
export const tee = defineNode({
  type: 'tee',
  cookie: 916107047,
  hooks: ['left', 'right', 'left2right', 'right2left'],
  messages: {
    getstats: { cmd: 1, reply: Stats, summary: 'frames and octets by hook' },
    clrstats: { cmd: 2, summary: 'start counting anew' },
    getclrstats: { cmd: 3, reply: Stats, summary: 'both at once' },
  },
  create({ node, hooks }) {
    let counts = newCounts();

    const passOn = (frame: Frame, name: Side, hook: Hook): Hook => {
      const count = counts[name];
      count.outOctets += frame.length;
      count.outFrames++;
      return hook;
    };
    // A copy that nobody takes does not count, and its fate is not the frame's.
    const copyTo = (frame: Frame, name: Side, hook: Hook): void => {
      const { shared } = frame;
      frame.shared = true;
      const error = hook.send(frame);
      frame.shared = shared;
      if (error !== 0) return;
      counts[name].outOctets += frame.length;
      counts[name].outFrames++;
    };
    const receive = (from: Side, to: 'left' | 'right', copy: 'left2right' | 'right2left' | undefined) => {
      return (frame: Frame) => {
        counts[from].inOctets += frame.length;
        counts[from].inFrames++;
        const snoop = copy === undefined ? undefined : hooks[copy];
        const next = hooks[to];
        if (snoop === undefined || copy === undefined) {
          if (next !== undefined) return passOn(frame, to, next);
          countDrop(node, 'noHook');
          return 0;
        }
        if (next === undefined) return passOn(frame, copy, snoop);
        copyTo(frame, copy, snoop);
        return passOn(frame, to, next);
      };
    };
    const otherSide = (hook: Hook | undefined): Hook | undefined => {
      if (hook?.name === 'left') return hooks.right ?? hooks.left2right;
      return hook?.name === 'right' ? (hooks.left ?? hooks.right2left) : undefined;
    };
    const get = () => ({
      right: big(counts.right),
      left: big(counts.left),
      right2left: big(counts.right2left),
      left2right: big(counts.left2right),
    });
    const clear = () => {
      counts = newCounts();
    };

    return {
      receive: {
        left: receive('left', 'right', 'left2right'),
        right: receive('right', 'left', 'right2left'),
        // As if it came from the other side; the manual page has it the wrong way round.
        left2right: receive('left2right', 'left', undefined),
        right2left: receive('right2left', 'right', undefined),
      },
      on: {
        getstats: get,
        clrstats: clear,
        getclrstats() {
          const stats = get();
          clear();
          return stats;
        },
      },
      message(delivery) {
        if (delivery.message.cookie !== FLOW_COOKIE)
          throw new NgError('EINVAL', 'a tee node does not know that message');
        const next = otherSide(delivery.hook);
        if (next !== undefined) node.graph.forward(delivery, next);
        return undefined;
      },
      newHook(hook) {
        if (hook.name in counts) counts[hook.name as Side] = newCount();
      },
      close() {
        if (hooks.left !== undefined && hooks.right !== undefined) bypass(hooks.left, hooks.right);
      },
    };
  },
});

const big = (count: ReturnType<typeof newCount>) => ({
  inOctets: BigInt(count.inOctets),
  inFrames: BigInt(count.inFrames),
  outOctets: BigInt(count.outOctets),
  outFrames: BigInt(count.outFrames),
});
