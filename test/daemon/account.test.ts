import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Account, type Member } from '../../src/daemon/account.js';
import { limits } from '../../src/netgraph/index.js';
import { VnetSystem } from '../../src/vnet/index.js';

const MiB = 2 ** 20;

let account: Account;
let worked: string[];

/** A client that only counts. */
class Client implements Member {
  waiting = 0;
  undone = 0;
  taken = 0;
  dropped = '';

  constructor(
    readonly name: string,
    private readonly place = account,
  ) {
    place.enter(this);
  }

  asks(bytes: number): void {
    this.undone += bytes;
    this.place.countUndone(bytes);
  }

  isTold(bytes: number): void {
    this.waiting += bytes;
    this.place.countWaiting(bytes);
  }

  reads(bytes: number): void {
    this.taken += bytes;
    this.isTold(-bytes);
  }

  work(): void {
    worked.push(this.name);
  }

  drop({ code }: { code: string }): void {
    this.dropped = code;
    this.asks(-this.undone);
    this.isTold(-this.waiting);
    this.place.leave(this);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  const { vnet0 } = new VnetSystem();
  limits.maxReceiveSpace.set(vnet0, 1000);
  account = new Account(vnet0);
  worked = [];
});

afterEach(() => void vi.useRealTimers());

it('has those wait who ask when others have too much to read, and lets them when it is read', () => {
  const [deaf, other, third] = ['deaf', 'other', 'third'].map((name) => new Client(name));
  deaf.isTold(1001);
  expect(account.mayAsk(other)).toBe(false);
  expect(account.mayAsk(third)).toBe(false);
  expect(worked).toEqual([]);
  deaf.reads(1);
  expect(worked).toEqual(['other', 'third']);
  expect(account.mayAsk(other)).toBe(true);
});

it('lets no more of them ask than have room', () => {
  const [deaf, other, third] = ['deaf', 'other', 'third'].map((name) => new Client(name));
  other.work = () => other.isTold(2000);
  deaf.isTold(1001);
  for (const client of [other, third]) account.mayAsk(client);
  deaf.reads(1001);
  expect([other.waiting, worked]).toEqual([2000, []]);
  other.reads(2000);
  expect(worked).toEqual(['third']);
});

it('drops who reads nothing while others wait, and nobody else', () => {
  const [deaf, slow, idle, other] = ['deaf', 'slow', 'idle', 'other'].map((name) => new Client(name));
  for (const client of [deaf, slow]) client.isTold(5000);
  const pass = (times: number) => {
    for (let i = 0; i < times; i++) {
      vi.advanceTimersByTime(1000);
      slow.reads(1);
    }
  };
  pass(60);
  expect([deaf.dropped, slow.dropped]).toEqual(['', '']);
  account.mayAsk(other);
  pass(10);
  expect([deaf, slow, idle, other].map(({ dropped }) => dropped)).toEqual(['ETIMEDOUT', '', '', '']);
  expect(worked).toEqual([]);
  slow.reads(slow.waiting);
  expect(worked).toEqual(['other']);
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
});

it('drops who sent the most when requests that are not done take up too much', () => {
  const [large, small, last] = ['large', 'small', 'last'].map((name) => new Client(name));
  small.asks(100);
  large.asks(40 * MiB);
  last.asks(24 * MiB - 100);
  expect([large, small, last].map(({ dropped }) => dropped)).toEqual(['', '', '']);
  small.asks(1);
  expect([large, small, last].map(({ dropped }) => dropped)).toEqual(['ENOBUFS', '', '']);
  expect(account.isUnused).toBe(false);
});

it('takes twice as many messages that cannot wait, and frames beside them', () => {
  const [deaf] = [new Client('deaf')];
  deaf.isTold(2000);
  account.countUnread(2000);
  expect([account.takesMessages, account.takesFrames(true)]).toEqual([true, true]);
  deaf.isTold(1);
  account.countUnread(1002);
  expect([account.takesMessages, account.takesFrames(true), account.takesFrames(false)]).toEqual([
    false,
    false,
    true,
  ]);
  account.countUnread(1000);
  expect(account.takesFrames(false)).toBe(false);
});

it('counts those of a jail inside towards the jail around it, whose others have to wait as well, and not the other way', () => {
  const inside = new Account(new VnetSystem().vnet0, account);
  const [deaf, other, near] = [new Client('deaf', inside), new Client('other', inside), new Client('near')];
  expect([account.clients.size, inside.clients.size]).toEqual([3, 2]);
  deaf.isTold(1001); // little for the inner one, whose limit is the default
  expect([inside.mayAsk(other), account.mayAsk(near)]).toEqual([false, false]);
  deaf.reads(1001);
  expect(worked).toEqual(['other', 'near']);
  inside.countUnread(1001);
  expect([inside.takesFrames(true), account.takesFrames(true)]).toEqual([false, false]);
  inside.countUnread(-1001);
  near.isTold(2001);
  expect([inside.takesMessages, account.takesMessages]).toEqual([false, false]);
  for (const client of [deaf, other, near]) client.drop({ code: 'EPIPE' });
  expect([account.isUnused, inside.isUnused]).toEqual([true, true]);
});
