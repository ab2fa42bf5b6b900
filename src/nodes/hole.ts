import { defineNode, type Hook, NgError, t } from '../netgraph/index.js';

const Stats = t.struct({ frames: t.uint64, octets: t.uint64 });

/** Swallows every frame, and counts by hook what it swallowed. ng_hole(4) */
export const hole = defineNode({
  type: 'hole',
  cookie: 915433206,
  messages: {
    getstats: { cmd: 1, args: t.hookName, reply: Stats, summary: 'what a hook has swallowed' },
    clrstats: { cmd: 2, args: t.hookName, summary: 'start counting anew' },
    getclrstats: { cmd: 3, args: t.hookName, reply: Stats, summary: 'both at once' },
  },
  create({ node }) {
    const counts = new Map<Hook, { frames: number; octets: number }>();
    const countsOf = (name: string) => {
      const hook = node.findHook(name);
      if (hook === undefined) throw new NgError('ENOENT', `node ${node} has no hook "${name}"`);
      return counts.get(hook)!;
    };
    const get = (name: string) => {
      const { frames, octets } = countsOf(name);
      return { frames: BigInt(frames), octets: BigInt(octets) };
    };
    const clear = (name: string) => void Object.assign(countsOf(name), { frames: 0, octets: 0 });
    return {
      newHook(hook) {
        const count = { frames: 0, octets: 0 };
        counts.set(hook, count);
        hook.receive = (frame) => {
          count.frames++;
          count.octets += frame.length;
          return 0;
        };
      },
      disconnect: (hook) => void counts.delete(hook),
      receive: {},
      on: {
        getstats: get,
        clrstats: clear,
        getclrstats(name) {
          const stats = get(name);
          clear(name);
          return stats;
        },
      },
    };
  },
});
