import { type ErrnoName, errno, errnoName, strerror } from '../../src/netgraph/index.js';
import { failed, passed, type Result } from './result.js';

/** Compares the numbers and texts of errors. */
export function runErrnos(recorded: Record<string, { n: number; text: string }>): Result[] {
  return Object.entries(recorded).map(([name, { n, text }]) => {
    const known = errnoName(n) !== undefined;
    const ours = { n: known ? errno(errnoName(n)!) : 0, text: strerror(n), byName: numberOf(name) };
    const expected = { n, text, byName: n };
    return JSON.stringify(ours) === JSON.stringify(expected) ? passed(name) : failed(name, expected, ours);
  });
}

function numberOf(name: string): number | undefined {
  try {
    return errno(name as ErrnoName);
  } catch {
    return undefined;
  }
}
