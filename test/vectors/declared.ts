import {
  GENERIC_COOKIE,
  genericMessages,
  type MessageSpec,
  type MessageSpecs,
} from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';

export interface Declared {
  readonly name: string;
  readonly cookie: number;
  readonly spec: MessageSpec;
}

/** The messages that have an ASCII form as our node type declares them; undefined when we do not have the type. */
export function declaredMessages(type: string): Declared[] | undefined {
  if (type === 'generic') return list(GENERIC_COOKIE, genericMessages);
  const own = nodeTypes.get(type);
  return own && list(own.cookie, own.messages);
}

function list(cookie: number, messages: MessageSpecs): Declared[] {
  return Object.entries(messages)
    .map(([name, spec]) => ({ name, cookie, spec }))
    .filter(({ spec }) => spec.binaryOnly !== true);
}
