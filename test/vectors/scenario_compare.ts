import { GENERIC_COOKIE, genericMessages } from '../../src/netgraph/index.js';
import type { Operation, RecordedEnd, RecordedMessage } from './scenario.js';

/** The fields that say what an operation led to. `log` is not among them: our sentences are our own. */
const outcomes = [
  'rc',
  'errno',
  'failed_in',
  'sent',
  'replies',
  'data',
  'async_msgs',
  'events',
  'node_id',
  'jid',
  'nodes',
  'ifs',
] as const;

/** What an operation led to, without what no two systems have in common. */
export function outcomeOf(operation: Operation): Operation {
  const outcome: Operation = { op: operation.op };
  for (const key of outcomes)
    if (operation[key] !== undefined) Object.assign(outcome, { [key]: operation[key] });
  if (operation.op === 'sockname') outcome.name = operation.name;
  if (outcome.nodes !== undefined) outcome.nodes = [...outcome.nodes].sort((a, b) => a.id - b.id);
  if (outcome.replies !== undefined) outcome.replies = outcome.replies.map(sortedList);
  return ['msg', 'binmsg', 'data'].includes(operation.op) ? outcome : withoutEnds(outcome);
}

/** Whether two outcomes are the same, whatever the order of their fields. */
export const sameOutcome = (a: Operation, b: Operation): boolean => canonical(a) === canonical(b);

/** The fields in which two outcomes differ, for a report. */
export function differing(recorded: Operation, ours: Operation): [expected: object, actual: object] {
  const keys = [...new Set([...Object.keys(recorded), ...Object.keys(ours)])] as (keyof Operation)[];
  const wrong = keys.filter((key) => canonical(recorded[key]) !== canonical(ours[key]));
  const pick = (from: Operation) => Object.fromEntries(wrong.map((key) => [key, from[key]]));
  return [pick(recorded), pick(ours)];
}

/**
 * How many tokens libnetgraph's counter moved during a recorded operation: one for each message sent, those that
 * convert between ASCII and binary included.
 */
export function tokensUsed({ op, failed_in, replies = [], nodes = [] }: Operation): number {
  if (op === 'binmsg') return 1;
  if (op === 'state') return 1 + nodes.length;
  if (op !== 'msg') return 0;
  if (failed_in !== undefined) return failed_in === 'send' ? 2 : 1;
  return 2 + replies.filter((reply) => !('eof' in reply)).length;
}

const unordered: readonly number[] = [genericMessages.listnodes.cmd, genericMessages.listnames.cmd];

/** The nodes of listnodes and listnames come in the order of a hash table. */
function sortedList(reply: RecordedMessage | RecordedEnd): RecordedMessage | RecordedEnd {
  if ('eof' in reply || reply.cookie !== GENERIC_COOKIE || !unordered.includes(reply.cmd)) return reply;
  const infos = reply.hex.slice(8).match(/.{144}/g) ?? [];
  const ascii = reply.ascii?.match(/\{ [^{}]*\}/g);
  return {
    ...reply,
    hex: [reply.hex.slice(0, 8), ...infos.sort()].join(''),
    ...(ascii == null ? {} : { ascii: ascii.sort().join('') }),
  };
}

/** The recorder did not read every socket after every kind of operation: only after some is an end of file a fact. */
function withoutEnds(outcome: Operation): Operation {
  const { data, async_msgs, ...rest } = outcome;
  const frames = nonEmpty(data, (frame) => frame.hook !== 'EOF');
  const messages = nonEmpty(async_msgs, (message) => !('eof' in message));
  return { ...rest, ...(frames && { data: frames }), ...(messages && { async_msgs: messages }) };
}

function nonEmpty<T>(
  bySocket: Record<string, T[]> | undefined,
  wanted: (item: T) => boolean,
): Record<string, T[]> | undefined {
  const entries = Object.entries(bySocket ?? {})
    .map(([sock, items]): [string, T[]] => [sock, items.filter(wanted)])
    .filter(([, items]) => items.length > 0);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
