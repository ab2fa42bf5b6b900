/**
 * A transcript: what somebody typed and what came back.
 *
 *     # a comment
 *     $ a command for the shell
 *     the exact output
 *     ^C text                      (before the output: interrupt the command when this text appears)
 *
 * In output `<id:NAME>` stands for hexadecimal digits, which later commands may use by the same words, and `<...>`
 * for anything on the line, where figures differ from run to run.
 */
export interface Step {
  readonly line: number;
  readonly command: string;
  readonly interrupt: string | undefined;
  readonly expected: string;
}

export function parseTranscript(text: string): Step[] {
  const steps: { line: number; command: string; interrupt: string | undefined; expected: string }[] = [];
  text.split('\n').forEach((content, i) => {
    const last = steps.at(-1);
    if (content.startsWith('# ') || content === '#') return;
    if (content.startsWith('$ '))
      steps.push({ line: i + 1, command: content.slice(2), interrupt: undefined, expected: '' });
    else if (content.startsWith('> ') && last !== undefined && last.expected === '')
      last.command += `\n${content.slice(2)}`;
    else if (content.startsWith('^C ') && last !== undefined) last.interrupt = content.slice(3);
    else if (last !== undefined) last.expected += `${content}\n`;
  });
  // Blank lines between steps are for the reader.
  return steps.map((step) => ({
    ...step,
    expected: step.expected.replace(/\n+$/, '\n').replace(/^\n$/, ''),
  }));
}

/** Puts captured values into a command. */
export const substitute = (command: string, values: ReadonlyMap<string, string>): string =>
  command.replace(/<id:(\w+)>/g, (whole, name) => values.get(name) ?? whole);

/** Compares output with what is expected, and captures its IDs. Says whether they match. */
export function matches(expected: string, actual: string, values: Map<string, string>): boolean {
  const names: string[] = [];
  const pattern = expected
    .split(/(<id:\w+>|<\.\.\.>)/)
    .map((part) => {
      if (part === '<...>') return '[^\\n]*';
      const name = /^<id:(\w+)>$/.exec(part)?.[1];
      if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      const known = values.get(name);
      if (known !== undefined) return known;
      names.push(name);
      return '([0-9a-f]+)';
    })
    .join('');
  const found = new RegExp(`^${pattern}$`).exec(actual);
  if (found === null) return false;
  for (const [i, name] of names.entries()) values.set(name, found[i + 1]);
  return true;
}
