import { defineNode } from '../netgraph/index.js';

/** Sends every frame back where it came from and every message back as its own reply. ng_echo(4) */
export const echo = defineNode({
  type: 'echo',
  cookie: 884298942,
  create: () => ({
    receive: (_frame, hook) => hook,
    message(delivery) {
      const { message } = delivery;
      const reply = message.reply(message.data);
      reply.flags |= message.flags;
      delivery.node.graph.respond(delivery, reply);
      return undefined;
    },
  }),
});
