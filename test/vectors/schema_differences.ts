/** A message whose declaration differs from FreeBSD 10.4's, on purpose. */
interface SchemaDifference {
  readonly type: string;
  readonly message: string;
  readonly reason: string;
}

const ours = (type: string, ...messages: string[]): SchemaDifference[] =>
  messages.map((message) => ({ type, message, reason: 'ours, not in FreeBSD' }));

export const schemaDifferences: readonly SchemaDifference[] = [
  ...ours('eiface', 'getoffload', 'setoffload', 'getstats', 'setifname'),
];
