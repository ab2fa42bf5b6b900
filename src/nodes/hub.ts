import { countDrop, defineNode, type Hook } from '../netgraph/index.js';

/**
 * A repeater: what comes in on one hook goes out on all others. Takes hooks of any name.
 * There is no protection against loops. ng_hub(4)
 */
export const hub = defineNode({
  type: 'hub',
  cookie: 1082189597,
  messages: { setpersistent: { cmd: 1, summary: 'stay when the last hook goes' } },
  create({ node }) {
    let persistent = false;
    return {
      receive(frame, from) {
        const { hooks } = node;
        const { shared } = frame;
        let last: Hook | undefined;
        frame.shared = true;
        for (let i = hooks.length - 1; i >= 0; i--) {
          if (hooks[i] === from) continue;
          last?.send(frame);
          last = hooks[i];
        }
        frame.shared = shared;
        if (last === undefined) countDrop(node, 'noHook');
        return last ?? 0;
      },
      on: {
        setpersistent() {
          persistent = true;
        },
      },
      persists: () => persistent,
      configuration: () => (persistent ? [['setpersistent']] : []),
    };
  },
});
