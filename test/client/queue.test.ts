import { expect, it } from 'vitest';
import { ReceiveQueue } from '../../src/client/queue.js';

it('is first in, first out', () => {
  const queue = new ReceiveQueue<number>(1 << 20);
  for (let i = 0; i < 5000; i++) queue.push(i, 1);
  const taken = Array.from({ length: 3000 }, () => queue.take());
  expect(taken).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  expect(queue.take((value) => value > 4000)).toBe(4001);
  expect(queue.take((value) => value === 3002)).toBe(3002);
  expect([queue.take(), queue.take(), queue.take()]).toEqual([3000, 3001, 3003]);
  expect(queue.take((value) => value < 0)).toBeUndefined();
  let left = 0;
  while (queue.take() !== undefined) left++;
  expect(left).toBe(1995);
  expect(queue.isReadable).toBe(false);
});

it('drops what does not fit, but never the only one', () => {
  const queue = new ReceiveQueue<string>(200);
  expect(queue.push('large', 1000)).toBe(true);
  expect(queue.push('small', 1)).toBe(false);
  expect(queue.take()).toBe('large');
  expect([queue.push('a', 0), queue.push('b', 0), queue.push('c', 0), queue.push('d', 0)]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(queue.dropped).toBe(2);
});

it('wakes who waits, and ends', async () => {
  const queue = new ReceiveQueue<string>(1000);
  const first = queue.next();
  queue.push('a', 1);
  expect(await first).toBe('a');
  const last = queue.next();
  queue.end();
  expect(await last).toBeUndefined();
  expect(queue.push('b', 1)).toBe(false);
});

it('gives what is there before it fails', async () => {
  const queue = new ReceiveQueue<string>(1000);
  queue.push('a', 1);
  queue.end(new Error('lost'));
  expect(await queue.next()).toBe('a');
  await expect(queue.next()).rejects.toThrow('lost');
});
