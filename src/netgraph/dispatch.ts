import { commandsOf, type Delivery, type Handlers, type MessageSpec, type MessageSpecs } from './define.js';
import { NgError, textOf } from './errors.js';
import { Generic, genericHandlers, genericMessages } from './generic.js';
import { GENERIC_COOKIE } from './message.js';
import { decode, encode } from './types/index.js';

/** Has a node handle a message, and sends the reply. Throws NgError when the message is refused. */
export function dispatch(delivery: Delivery): void {
  const { node, from, message } = delivery;
  if (!node.isValid) throw new NgError('EINVAL', `node ${node} is shutting down`);
  const bytes = handle(delivery) ?? undefined;
  if (bytes === undefined) return;
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`a message was answered by ${textOf(bytes)}, not bytes`);
  if (from !== undefined) node.graph.respond(delivery, message.reply(bytes));
}

function handle(delivery: Delivery): Uint8Array | undefined {
  const { node, message, hook, from } = delivery;
  if (message.cookie === GENERIC_COOKIE && !message.isReply) {
    if (message.cmd === Generic.TEXT_STATUS || message.cmd === Generic.TEXT_CONFIG) return receive(delivery);
    const name = genericCommands.get(message.cmd);
    if (name === undefined) throw unknown(delivery);
    return call(genericMessages, genericHandlers, name, delivery);
  }
  if (hook?.receiveMessage !== undefined) return hook.receiveMessage(delivery);
  const { messages, cookie, commands } = node.type;
  // FreeBSD's types look at the number only; among nodes of one type, replies have to be told from commands.
  const answer = message.isReply && from?.type === node.type;
  const name = message.cookie === cookie && !answer ? commands.get(message.cmd) : undefined;
  if (name === undefined || node.behaviour.on === undefined) return receive(delivery);
  return call(messages, node.behaviour.on, name, delivery);
}

/** Gives a message that no declaration covers to the node's own code. */
function receive(delivery: Delivery): Uint8Array | undefined {
  const { message } = delivery.node.behaviour;
  if (message === undefined) throw unknown(delivery);
  return message(delivery);
}

function call(
  messages: MessageSpecs,
  handlers: Handlers<MessageSpecs>,
  name: string,
  delivery: Delivery,
): Uint8Array | undefined {
  const { args, reply }: MessageSpec = messages[name];
  const { data } = delivery.message;
  if (args?.size !== undefined && args.size !== data.length)
    throw new NgError('EINVAL', `${name} takes ${args.size} bytes of arguments, not ${data.length}`);
  const result = handlers[name](args === undefined ? undefined : (decode(args, data) as never), delivery);
  if (reply === undefined || result === undefined || result instanceof Uint8Array) return result ?? undefined;
  return encode(reply, result as never);
}

function unknown({ node, message }: Delivery): NgError {
  const what = message.name === '' ? `${message.cmd} of cookie ${message.cookie}` : `"${message.name}"`;
  return new NgError('EINVAL', `a node of type ${node.type.type} does not know message ${what}`);
}

const genericCommands = commandsOf(genericMessages);
