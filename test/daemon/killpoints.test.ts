import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { compileKiller, KillingField } from '../support/killing.js';
import { describeReal } from '../support/sandbox.js';

/** An operation, and what there is before it. */
interface Operation {
  name: string;
  /** A shell script for the machine. */
  system?: string;
  setUp?(client: NetgraphClient, field: KillingField): Promise<unknown>;
  run: 'start' | ((client: NetgraphClient, field: KillingField) => Promise<unknown>);
  /** It ends the daemon. */
  stops?: boolean;
  /** A shell script that undoes `system`. */
  tidy?: string;
}

const jail = (name: string, more: Record<string, string> = {}) => ({
  parameters: { name, vnet: 'new', persist: 'true', ...more },
});

/** An interface whose node stays when the client goes. */
async function eiface(client: NetgraphClient, hook = 'e') {
  await client.mkpeer('.', 'eiface', hook, 'ether');
  await client.rmhook('.', hook);
}

/** A wormhole into a jail, its near side connected to an interface, its far side named after the jail. */
async function wormhole(client: NetgraphClient, to: string) {
  await client.mkpeer('.', 'wormhole', 'w', 'evthorizon');
  await client.name('.:w', `to-${to}`);
  await client.msg('.:w', 'open', `"${to}"`);
  await client.rmhook('.', 'w');
}

async function busy(client: NetgraphClient) {
  await client.call('jail.create', jail('a', { 'children.max': '2' }));
  await client.call('jail.create', jail('b'));
  await client.call('jail.create', { parameters: { name: 'h', persist: 'true' } });
  await eiface(client);
  await wormhole(client, 'a');
  await wormhole(client, 'b');
  await client.connectNodes('ngeth0:', 'to-a:', 'ether', 'evthorizon');
  await client.mkpeer('.', 'hub', 'h', 'one');
  await client.name('.:h', 'hub');
  await client.msg('.:h', 'setpersistent');
  await client.connectNodes('hub:', 'to-b:', 'two', 'evthorizon');
  await client.rmhook('.', 'h');
}

const operations: Operation[] = [
  { name: 'mkpeer eiface', run: (client) => eiface(client) },
  {
    name: 'mkpeer eiface in a jail',
    setUp: (client) => client.call('jail.create', jail('a')),
    run: async (_client, field) => {
      const client = await field.client('a');
      await eiface(client);
      await client.close();
    },
  },
  { name: 'jail -c', run: (client) => client.call('jail.create', jail('a')) },
  {
    name: 'jail -c without vnet',
    run: (client) => client.call('jail.create', { parameters: { name: 'h', persist: 'true' } }),
  },
  {
    name: 'jail -c netns=',
    system: 'ip netns add there',
    run: (client) => client.call('jail.create', jail('a', { netns: 'there' })),
    tidy: 'ip netns del there',
  },
  {
    name: 'jail -m',
    setUp: busy,
    run: (client) => client.call('jail.modify', { jail: 'a', parameters: { 'children.max': '7' } }),
  },
  { name: 'jail -r', setUp: busy, run: (client) => client.call('jail.remove', { jail: 'a' }) },
  {
    name: 'jail -r with a program inside',
    setUp: async (client, field) => {
      await client.call('jail.create', jail('a', { 'children.max': '2' }));
      const inside = await field.client('a');
      await inside.call('jail.create', jail('b'));
      await eiface(inside);
      await inside.close();
      field.box.spawn('ip', 'netns', 'exec', 'a', 'sleep', '1000');
      field.box.spawn('ip', 'netns', 'exec', 'a.b', 'sleep', '1000');
    },
    run: (client) => client.call('jail.remove', { jail: 'a' }),
  },
  {
    name: 'open',
    setUp: async (client) => {
      await busy(client);
      await client.mkpeer('.', 'wormhole', 'w', 'evthorizon');
      await client.name('.:w', 'new');
      await client.rmhook('.', 'w');
    },
    run: (client) => client.msg('new:', 'open', '"a"'),
  },
  {
    name: 'collapse',
    setUp: async (client) => {
      await client.call('jail.create', jail('a'));
      await client.call('jail.create', jail('b'));
      await wormhole(client, 'a');
      await wormhole(client, 'b');
    },
    run: (client) => client.connectNodes('to-a:', 'to-b:', 'evthorizon', 'evthorizon'),
  },
  { name: 'shutdown of an interface', setUp: busy, run: (client) => client.shutdown('ngeth0:') },
  { name: 'shutdown of a wormhole', setUp: busy, run: (client) => client.shutdown('to-b:') },
  { name: 'name', setUp: busy, run: (client) => client.name('hub:', 'bub') },
  { name: 'rmhook', setUp: busy, run: (client) => client.rmhook('hub:', 'two') },
  { name: 'setifname', setUp: busy, run: (client) => client.msg('ngeth0:', 'setifname', '"em0"') },
  { name: 'set', setUp: busy, run: (client) => client.msg('ngeth0:', 'set', '02:00:00:00:00:01') },
  { name: 'restart', setUp: busy, run: (client) => client.call('restart', {}) },
  { name: 'stop', setUp: busy, run: (client) => client.call('stop', {}), stops: true },
  { name: 'start', run: 'start' },
  {
    name: 'start after kill -9',
    setUp: async (client, field) => {
      await busy(client);
      await client.close();
      await field.kill();
    },
    run: 'start',
  },
];

/** One in so many kill points is tried; NETGRAPH_KILL_POINTS=all tries all of them, in both ways. */
const ALL = process.env.NETGRAPH_KILL_POINTS === 'all';
const SHARE = 5;
/** Which ones: others each day, all of them in both ways in 15; NETGRAPH_KILL_POINTS_SEED gives those of another. */
const SEED = Number(process.env.NETGRAPH_KILL_POINTS_SEED ?? Math.floor(Date.now() / 86_400_000));

/** A system call that is not made, and whether what is left is taken down at once instead of looked at. */
interface Point {
  number: number;
  stop: boolean;
}

/** What there is without a daemon, before an operation and after it. */
interface Known {
  fresh: string[];
  before: string[];
  after: string[];
}

/** Numbers from 1 to n, all of them or some, evenly. */
function sample(n: number): Point[] {
  const numbers = Array.from({ length: n }, (_, i) => i + 1);
  if (ALL) return numbers.flatMap((number) => [true, false].map((stop) => ({ number, stop })));
  const chosen = numbers.filter((number) => (number + SEED) % Math.min(SHARE, n) === 0);
  return chosen.map((number) => ({ number, stop: (number + SEED) % 3 === 0 }));
}

describeReal('kill -9 at any system call', () => {
  const killer = {} as ReturnType<typeof compileKiller>;
  let field: KillingField;
  beforeAll(async () => {
    Object.assign(killer, compileKiller());
    field = await KillingField.start(killer.program);
  });
  afterAll(async () => {
    await field?.close();
    killer.remove?.();
  });

  /** Brings the machine to where the operation begins. */
  async function prepare(field: KillingField, { system, setUp, run }: Operation): Promise<void> {
    if (system !== undefined) expect(await field.box.sh(system)).toBe('');
    if (run === 'start' && setUp === undefined) return;
    await field.daemon();
    if (setUp === undefined) return;
    const client = await field.client();
    await setUp(client, field);
    await client.close();
  }

  const perform = (field: KillingField, { run, stops }: Operation, point: number) =>
    run === 'start' ? field.watchStart(point) : field.watch(point, (client) => run(client, field), stops);

  /** The words of an error, and what is too much (+) or missing (-) where lists were to be equal. */
  function explain(error: unknown): string {
    const { message, actual, expected } = error as Error & { actual?: unknown; expected?: unknown };
    const lists = [actual, expected].map((list) => (Array.isArray(list) ? list.map(String) : []));
    const [there, wanted] = lists.map((list) => list.filter((line) => line !== ''));
    const diff = [
      ...there.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`),
      ...wanted.filter((line) => !there.includes(line)).map((line) => `- ${line}`),
    ];
    return [message, ...diff].join('\n');
  }

  async function takeDown(field: KillingField, { tidy }: Operation, fresh: string[]): Promise<void> {
    await field.stop();
    if (tidy !== undefined) expect(await field.box.sh(tidy)).toBe('');
    expect(field.everything()).toEqual(fresh);
  }

  /** What the next daemon has is what there was before or is after the operation, which can be done if it was not. */
  async function lookAt({ run, stops }: Operation, { before, after }: Known): Promise<void> {
    await field.daemon();
    const now = await field.world();
    if (now.join() !== before.join()) expect(now).toEqual(after);
    if (run === 'start' || now.join() === after.join()) return;
    const client = await field.client();
    await run(client, field);
    await client.close();
    if (stops) await field.gone();
    else expect(await field.world()).toEqual(after);
  }

  /** Kills the daemon at one point. */
  async function tryPoint(operation: Operation, { number, stop }: Point, known: Known): Promise<void> {
    await prepare(field, operation);
    const { changes, killed } = await perform(field, operation, number);
    try {
      if (!killed) await field.kill().catch(() => {});
      if (!stop) await lookAt(operation, known);
      await takeDown(field, operation, known.fresh);
    } catch (error) {
      const where = `killed before ${number} (${changes.at(-1)}), NETGRAPH_KILL_POINTS_SEED=${SEED}`;
      throw new Error(`${where}: ${explain(error)}`, { cause: error });
    }
  }

  for (const operation of operations)
    it(operation.name, { timeout: 600_000 }, async () => {
      const failures: string[] = [];
      const fresh = field.everything();
      await prepare(field, operation);
      const before = operation.run === 'start' ? [] : await field.world();
      const { changes } = await perform(field, operation, 0);
      if (operation.stops) await field.daemon();
      const after = await field.world();
      await takeDown(field, operation, fresh);
      if (operation.run === 'start') expect(changes).toContain('chown /run/netgraph/control.sock');
      const known = { fresh, before: operation.run === 'start' ? after : before, after };
      const points = sample(changes.length + 1);
      expect(points).not.toEqual([]);
      for (const point of points) {
        try {
          await tryPoint(operation, point, known);
        } catch (error) {
          failures.push((error as Error).message);
          await field.close();
          field = await KillingField.start(killer.program);
        }
      }
      expect(failures).toEqual([]);
    });
});
