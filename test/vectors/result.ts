/** What became of one recorded case. */
export interface Result {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** Failed: expected and actual. Skipped: why. Passed: the known differences it has, if any. */
  readonly detail: string;
}

export const passed = (name: string, detail = ''): Result => ({ name, status: 'passed', detail });
export const skipped = (name: string, detail: string): Result => ({ name, status: 'skipped', detail });

export function failed(name: string, expected: unknown, actual: unknown, where = ''): Result {
  const detail = `${where}expected ${brief(expected)}\n  actual ${brief(actual)}`;
  return { name, status: 'failed', detail };
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 2000 ? `${text.slice(0, 2000)}...` : text;
}
