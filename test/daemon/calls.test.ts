import fc from 'fast-check';
import { expect, it } from 'vitest';
import { errnoName } from '../../src/netgraph/index.js';
import { encodeRecord, Kind, type Method } from '../../src/protocol/index.js';
import { sharedMachine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const SEED = 20_251_121;

const LONG = 'x'.repeat(100_000);

/** Values that no call has use for. */
const ABSURD = [null, true, 0, -1, 1e308, [], ['a'], {}, { a: 1 }, [[]]];

/** Values that only look wrong when somebody looks. */
const odd = fc.oneof(
  fc.constantFrom(...ABSURD),
  fc.constantFrom(
    '',
    ' ',
    '.',
    '..',
    '/',
    '\0',
    'a\0b',
    'a/b',
    '../../etc/passwd',
    '/x\0y',
    '-1',
    '0',
    '1e3',
    LONG,
  ),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'host',
    '[1]:',
    'ü\u{1f600}',
    '%n%s',
    '$(reboot)',
    '*',
  ),
  fc.string({ maxLength: 40 }),
  fc.jsonValue({ maxDepth: 2 }),
);

const parameter = fc.constantFrom(
  ...[
    'name',
    'jid',
    'vnet',
    'novnet',
    'persist',
    'nopersist',
    'path',
    'host.hostname',
    'children.max',
    'netns',
  ],
  ...['command', 'exec.start', '__proto__', 'constructor', 'x', ''],
);

/** What a client may send to each call; all but those that would end the daemon. */
const calls: { [M in Exclude<Method, 'stop' | 'restart'>]: fc.Arbitrary<unknown> } = {
  hello: fc.record({ version: fc.oneof(fc.constant(1), odd), jail: odd }, { requiredKeys: ['version'] }),
  open: fc.record({ name: odd }, { requiredKeys: [] }),
  'jail.create': fc.record({ parameters: fc.oneof(odd, fc.dictionary(parameter, odd)) }),
  'jail.modify': fc.record({
    jail: fc.oneof(fc.constant('a'), odd),
    parameters: fc.dictionary(parameter, odd),
  }),
  'jail.remove': fc.record({ jail: odd }),
  'jail.list': odd,
  'type.load': fc.record({ name: odd }),
  'type.unload': fc.record({ name: odd }),
  'type.list': odd,
  'sysctl.list': odd,
  'sysctl.read': fc.record({ name: odd }),
  'sysctl.write': fc.record({
    name: fc.oneof(fc.constantFrom('net.graph.maxdata', 'net.graph.recvspace'), odd),
    value: odd,
  }),
  save: odd,
  status: odd,
  repair: fc.record({ dryRun: fc.oneof(fc.boolean(), odd) }),
};

describeReal('a call', () => {
  const t = sharedMachine();

  it('with parameters of the wrong kind is refused by their name', async () => {
    const client = t.box.connect();
    const table: [Method, unknown, string][] = [
      ['hello', {}, 'hello: "version" must be a number'],
      ['hello', { version: '1' }, 'hello: "version" must be a number'],
      ['hello', { version: 1, jail: 7 }, 'hello: "jail" must be a string or left out'],
      ['open', { name: ['x'] }, 'open: "name" must be a string or left out'],
      ['jail.create', {}, 'jail.create: "parameters" must be an object of strings'],
      [
        'jail.create',
        { parameters: { name: ['a'] } },
        'jail.create: "parameters" must be an object of strings',
      ],
      ['jail.create', { parameters: ['a'] }, 'jail.create: "parameters" must be an object of strings'],
      ['jail.modify', { jail: 'a' }, 'jail.modify: "parameters" must be an object of strings'],
      ['jail.remove', {}, 'jail.remove: "jail" must be a string'],
      ['type.load', { name: null }, 'type.load: "name" must be a string'],
      ['sysctl.read', [], 'sysctl.read: its parameters must be an object'],
      ['sysctl.write', { name: 'net.graph.maxdata', value: 5 }, 'sysctl.write: "value" must be a string'],
    ];
    for (const [method, params, text] of table)
      expect(await client.call(method, params)).toEqual({ errno: 22, text });
    client.destroy();
  });

  it('with values that make no sense is refused by their name and value', async () => {
    const client = t.box.connect();
    const create = async (parameters: Record<string, string>) => {
      const { errno, text } = await client.call('jail.create', {
        parameters: { persist: 'true', ...parameters },
      });
      return `${errnoName(errno) ?? errno}: ${text}`;
    };
    const rule = 'cannot name a jail: letters, digits, "_" and "-", not only digits';
    for (const name of ['', '7', 'a/b', 'a b', '..', '-x', 'ü', 'a\n'])
      expect(await create({ name })).toBe(`EINVAL: "${name}" ${rule}`);
    expect(await create({ name: 'a.b' })).toBe('ENOENT: jail "a" not found');
    const long = 'x'.repeat(65);
    expect(await create({ name: long })).toBe(
      `EINVAL: "${long}" cannot name a jail: more than 64 characters`,
    );
    expect(await create({ name: 'a', vnet: 'maybe' })).toBe(
      'EINVAL: vnet: "maybe" is neither true nor false',
    );
    expect(await create({ name: 'a', persist: 'constructor' })).toContain('EINVAL: persist: "constructor"');
    expect(await create({ name: 'a', path: 'relative' })).toBe('EINVAL: path: "relative" is not absolute');
    expect(await create({ name: 'a', 'children.max': '-1' })).toBe(
      'EINVAL: children.max: "-1" is not a number',
    );
    for (const hostname of [long, ''])
      expect(await create({ name: 'a', 'host.hostname': hostname })).toBe(
        `EINVAL: host.hostname: "${hostname}" has not 1 to 64 characters`,
      );
    expect(await create({ name: 'a', jid: '0' })).toBe('EINVAL: jid: 0 is the host');
    expect(await create({ name: 'a', jid: '1.5' })).toBe('EINVAL: jid: "1.5" is not a number');
    expect(await create({ name: 'a', nonsense: '1' })).toBe('EINVAL: unknown parameter: nonsense');
    expect(await create({ name: 'a', netns: 'nope' })).toMatch(/^ENOENT: namespace nope: /);
    expect(await create({ name: 'a', netns: '../../proc/1/ns/net' })).toMatch(
      /^EINVAL: '..\/..\/proc\/1\/ns\/net' cannot/,
    );
    expect(await create({ name: 'a', netns: '4000000' })).toBe('ESRCH: there is no process 4000000');
    for (const host of ['/proc/1/ns/net', '/proc/self/ns/net', '1'])
      expect([host, await create({ name: 'a', netns: host })]).toEqual([
        host,
        expect.stringMatching(/^EINVAL: namespace .* is that of the host$/),
      ]);
    for (const wrong of ['/etc/passwd', '/dev/null', '/proc/1/ns/uts', '/'])
      expect([wrong, await create({ name: 'a', netns: wrong })]).toEqual([
        wrong,
        expect.stringMatching(/^EINVAL: .* is not a (network )?namespace$/),
      ]);
    expect(JSON.parse((await client.call('jail.list')).text)).toEqual([]);
    client.destroy();
  });

  it('of any name with anything for parameters is answered, and changes nothing that it should not', async () => {
    const { box } = t;
    await box.sh('jail -c name=keeper vnet persist');
    let client = box.connect();
    const known = new Set<string>();
    let broken = 0;
    for (const [method, params] of Object.entries(calls)) {
      const property = fc.asyncProperty(params, async (value) => {
        if (client.closed) client = box.connect();
        const { errno, text } = await client.call(method, value);
        known.add(`${method} ${errno === 0 ? 'ok' : (errnoName(errno) ?? errno)}`);
        // EIO is what our own mistakes look like.
        if (errnoName(errno) === 'EIO' || errnoName(errno) === undefined ? errno !== 0 : text === '') {
          broken++;
          throw new Error(`${method} ${JSON.stringify(value)}: ${errno} ${text}`);
        }
        if (method === 'jail.create' && errno === 0)
          await client.call('jail.remove', { jail: String(JSON.parse(text).jid) });
      });
      await fc.assert(property, { seed: SEED, numRuns: 60, endOnFailure: true });
    }
    expect(broken).toBe(0);
    expect([...known]).toEqual(
      expect.arrayContaining([
        'jail.create ok',
        'jail.create EINVAL',
        'type.load ENOENT',
        'jail.modify ENOENT',
      ]),
    );
    client.destroy();
    expect(await box.sh('jls name; ls /run/netns /run/netgraph/uts')).toBe(
      'keeper\n/run/netgraph/uts:\nkeeper\n\n/run/netns:\nkeeper\n',
    );
    await box.sh('jail -r keeper');
  });

  it('is answered though the client sends the whole of it in no order at all', async () => {
    const random = fc.sample(fc.uint8Array({ minLength: 0, maxLength: 300 }), { seed: SEED, numRuns: 200 });
    const client = t.box.connect();
    await client.call('open', { name: 'noise' });
    for (const [i, bytes] of random.entries()) {
      const kind = [Kind.CALL, Kind.MESSAGE, Kind.FRAME, Kind.FRAME_ONLY_HOOK, i % 256][i % 5];
      client.write(encodeRecord(kind, 1000 + i, bytes));
    }
    await client.record(({ kind, id }) => kind === Kind.RESULT && id === 1199);
    client.destroy();
    await until(async () => !(await t.box.sh('ngctl list')).includes('noise'));
  });
});
