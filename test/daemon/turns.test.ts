import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Client, Turns } from '../../src/daemon/turns.js';

/** Work of so many milliseconds. */
function spend(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** A client with requests of so many milliseconds each; what it does goes into the log. */
class Busy implements Client {
  constructor(
    private readonly turns: Turns,
    readonly owner: unknown,
    private readonly log: unknown[],
    private left: number,
    private readonly cost: number,
  ) {}

  work(): void {
    while (this.left > 0 && this.turns.take(this)) {
      this.left--;
      spend(this.cost);
      this.log.push(this.owner);
    }
  }
}

async function idle(log: unknown[], count: number): Promise<void> {
  while (log.length < count) await turn();
}

it('who is alone is served at once, and all of it in the end', async () => {
  const log: unknown[] = [];
  const turns = new Turns();
  new Busy(turns, 'a', log, 10_000, 0).work();
  expect(log.length).toBeGreaterThan(10);
  const one = new Busy(turns, 'a', log, 40, 1);
  one.work();
  await idle(log, 10_040);
});

it('owners take turns, however many clients each has and however long a request takes', async () => {
  const log: unknown[] = [];
  const turns = new Turns();
  for (let i = 0; i < 20; i++) new Busy(turns, 'many', log, 2, 8).work();
  const before = log.length;
  expect(before).toBeLessThanOrEqual(1);
  new Busy(turns, 'few', log, 3, 0.1).work();
  await idle(log, 43);
  // Three cheap requests are one turn, after one request of the others and that of before.
  expect(log.slice(0, 6).filter((owner) => owner === 'few')).toHaveLength(3);
});

it('frames and timers get their turn between those of clients', async () => {
  const log: unknown[] = [];
  const turns = new Turns();
  for (const owner of ['a', 'b', 'c']) new Busy(turns, owner, log, 20, 2).work();
  let between = 0;
  while (log.length < 60) {
    await turn();
    between++;
  }
  expect(between).toBeGreaterThan(15);
});

it('who has nothing to do any more is passed over', async () => {
  const log: unknown[] = [];
  const turns = new Turns();
  new Busy(turns, 'a', log, 1, 10).work();
  const gone: Client = { owner: 'gone', work: () => void log.push('gone') };
  expect(turns.take(gone)).toBe(false);
  new Busy(turns, 'b', log, 1, 0).work();
  await idle(log, 3);
  expect(log).toEqual(['a', 'gone', 'b']);
});
