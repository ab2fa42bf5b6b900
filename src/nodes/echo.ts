import { defineNode } from '../netgraph/index.js';

/** Sends every frame back where it came from and every message back as its own reply. ng_echo(4) */
export const echo = defineNode({
  type: 'echo',
  cookie: 884298942,
  create: () => ({
    receive: (_frame, hook) => hook,
    message: ({ message }) => message.data,
  }),
});
