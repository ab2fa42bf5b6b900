import { defineNode, type Hook } from '../netgraph/index.js';

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
        let error = 0;
        let others = hooks.length - 1;
        for (let i = hooks.length - 1; i >= 0; i--) {
          const hook: Hook = hooks[i];
          if (hook === from) continue;
          frame.shared = shared || --others > 0;
          error = hook.send(frame);
        }
        frame.shared = shared;
        return error;
      },
      on: {
        setpersistent() {
          persistent = true;
        },
      },
      persists: () => persistent,
    };
  },
});
