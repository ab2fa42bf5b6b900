import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Turns } from '../../src/jail/turns.js';

/** Work that ends when it is told to, and notes when it begins and ends. */
function works(turns: Turns<string>, log: string[]) {
  return (key: string, name: string) => {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const done = turns.take(key, async () => {
      log.push(`${name} begins`);
      await ended;
      log.push(`${name} ends`);
    });
    return { end, done };
  };
}

it('what has the same key is done one after the other, and nothing else waits for it', async () => {
  const log: string[] = [];
  const work = works(new Turns(), log);
  const [first, second, other] = [work('a', '1'), work('a', '2'), work('b', '3')];
  await turn();
  expect(log).toEqual(['1 begins', '3 begins']);
  other.end();
  await other.done;
  first.end();
  await first.done;
  second.end();
  await second.done;
  expect(log.slice(2)).toEqual(['3 ends', '1 ends', '2 begins', '2 ends']);
});

it('what fails is no reason for the next to fail', async () => {
  const turns = new Turns<string>();
  const failing = turns.take('a', async () => {
    throw new Error('refused');
  });
  const next = turns.take('a', async () => 'done');
  await expect(failing).rejects.toThrow('refused');
  expect(await next).toBe('done');
});

it('who holds waits for what is under way, and what comes then waits for who holds, one after the other', async () => {
  const log: string[] = [];
  const turns = new Turns<string>();
  const work = works(turns, log);
  const early = work('a', 'early');
  await turn();
  const holds = [turns.hold(), turns.hold()].map(async (held, i) => {
    const release = await held;
    log.push(`held ${i}`);
    return release;
  });
  const late = work('b', 'late');
  late.end();
  await turn();
  expect(log).toEqual(['early begins']);
  early.end();
  (await holds[0])!();
  (await holds[1])!();
  await late.done;
  expect(log.slice(1)).toEqual(['early ends', 'held 0', 'held 1', 'late begins', 'late ends']);
});
