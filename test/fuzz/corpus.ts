import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A string, or one with repetitions in it: what was found is often long and always dull. */
export type Text = string | { readonly repeat: string; readonly times: number } | readonly Text[];

export interface Finding {
  /** What went wrong. */
  readonly what: string;
  /** What the input is for; the rest is as that has it. */
  readonly target: 'control' | 'conf' | 'frame' | 'netlink' | 'record';
  readonly [field: string]: unknown;
}

export function expand(text: Text): string {
  if (typeof text === 'string') return text;
  return 'repeat' in text ? text.repeat.repeat(text.times) : text.map(expand).join('');
}

/** What was found for a target, by file name. */
export function corpus(target: Finding['target']): [name: string, finding: Finding][] {
  const directory = join(import.meta.dirname, 'corpus');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name): [string, Finding] => [name, JSON.parse(readFileSync(join(directory, name), 'utf8'))])
    .filter(([, finding]) => finding.target === target);
}
