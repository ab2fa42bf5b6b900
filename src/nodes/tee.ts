import { bypass, defineNode, type Frame, type Hook, t } from '../netgraph/index.js';

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
 * `left2right` and `right2left`. On shutdown the two sides are joined directly. ng_tee(4)
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
  create({ hooks }) {
    let counts = newCounts();

    const pass = (frame: Frame, name: Side, hook: Hook): number => {
      const count = counts[name];
      count.outOctets += frame.length;
      count.outFrames++;
      return hook.send(frame);
    };
    const receive = (from: Side, to: 'left' | 'right', copy: 'left2right' | 'right2left' | undefined) => {
      return (frame: Frame): number => {
        counts[from].inOctets += frame.length;
        counts[from].inFrames++;
        const snoop = copy === undefined ? undefined : hooks[copy];
        const next = hooks[to];
        let error = 0;
        if (snoop !== undefined && copy !== undefined) {
          const { shared } = frame;
          frame.shared = shared || next !== undefined;
          error = pass(frame, copy, snoop);
          frame.shared = shared;
        }
        return next === undefined ? error : pass(frame, to, next);
      };
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
        left2right: receive('left2right', 'right', undefined),
        right2left: receive('right2left', 'left', undefined),
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
