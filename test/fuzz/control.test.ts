import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  errnoName,
  FLOW_COOKIE,
  GENERIC_COOKIE,
  genericMessages,
  Message,
  type MessageSpec,
} from '../../src/netgraph/index.js';
import { defaultOf } from '../../src/netgraph/types/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { type RawClient, sharedMachine } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';
import { byteMutation, oddNames, outcome, ROUNDS, SEED, TIMEOUT } from './support.js';

const commands = [...nodeTypes.values()].flatMap(({ type, cookie, messages }) =>
  Object.entries<MessageSpec>(messages).map(([name, spec]) => ({ type, name, cookie, spec })),
);
for (const [name, spec] of Object.entries<MessageSpec>(genericMessages))
  commands.push({ type: 'generic', name, cookie: GENERIC_COOKIE, spec });

/** Names and paths in the graph below, and others. */
const paths = [
  ...[
    '.',
    '.:h',
    'lan:',
    'lan:e',
    'lan:t',
    'lan:t.left',
    'nic:',
    'nic:ether',
    '.:w',
    '.:w.jid=1',
    '.:w.jid=1.evthorizon',
  ],
  ...['[1]:', '[2]:', '[3]:', '[4]:', '[5]:', '[6]:', '[ffffffff]:', 'nowhere:', 'lan:e.x.e.x', ''],
];

const words = [
  ...[...nodeTypes.keys()].map((type) => type),
  ...[
    'h',
    'e',
    't',
    'w',
    'ether',
    'left',
    'right',
    'evthorizon',
    'x',
    'y',
    'a',
    '1',
    'lan',
    ...oddNames,
    ...paths,
  ],
];

/** Arguments: strings of a fixed size where the type has such, and what comes of changing them. */
const argumentsOf = (spec: MessageSpec): fc.Arbitrary<Uint8Array> => {
  const found = spec.args === undefined ? undefined : outcome(() => defaultOf(spec.args!));
  const base = found !== undefined && 'value' in found ? found.value : new Uint8Array(spec.args?.size ?? 0);
  // 32 bytes for each name, as mkpeer, connect, name and rmhook have them.
  const names = fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((list) => {
    const bytes = base.slice();
    const first = base.length === 576 ? 512 : 32;
    for (const [i, word] of list.entries()) {
      const at = i === 0 ? 0 : first + 32 * (i - 1);
      if (at < bytes.length)
        bytes.set(Buffer.from(`${word}\0`).subarray(0, Math.min(31, bytes.length - at)), at);
    }
    return bytes;
  });
  return fc.oneof(
    names,
    fc.tuple(names, byteMutation).map(([bytes, mutate]) => mutate(bytes)),
  );
};

const message = fc.constantFrom(...commands).chain(({ cookie, spec, name }) =>
  fc
    .record({
      args: argumentsOf(spec),
      cookie: fc.oneof({ weight: 8, arbitrary: fc.constant(cookie) }, fc.constantFrom(FLOW_COOKIE, 0)),
      flags: fc.constantFrom(0, 0, 0, 0, 1, 3, 0x80000000),
      token: fc.nat(5),
      mutate: fc.option(byteMutation, { freq: 1 }),
    })
    .map(({ args, cookie, flags, token, mutate }) => {
      const made = new Message(cookie, spec.cmd, args);
      made.flags = flags;
      made.token = token;
      made.name = name;
      const bytes = made.encode();
      return mutate === null ? bytes : mutate(bytes);
    }),
);

const text = (word: string): Uint8Array => Buffer.from(word);

/** A record of a client: its kind, and what is in it. */
const record = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...paths), message)
      .map(([path, bytes]) => ({ kind: Kind.MESSAGE, body: [text(path), Uint8Array.of(0), bytes] })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...words), fc.uint8Array({ maxLength: 100 }))
      .map(([hook, data]) => ({ kind: Kind.FRAME, body: [text(hook), Uint8Array.of(0), data] })),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 100 })
      .map((data) => ({ kind: Kind.FRAME_ONLY_HOOK, body: [data] })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), fc.uint8Array({ maxLength: 80 }))
      .map(([kind, data]) => ({ kind: kind === Kind.CALL ? 0 : kind, body: [data] })),
  },
);

const SETUP = `
jail -c name=a vnet persist
ngctl -f - <<EOF
mkpeer hub h h
name h lan
msg lan: setpersistent
mkpeer lan: echo e x
mkpeer lan: tee t left
mkpeer lan: eiface n ether
name lan:n nic
mkpeer lan: wormhole w evthorizon
name lan:w hole
msg hole: open "a"
EOF`;

describeReal('the control socket', () => {
  const t = sharedMachine();

  /** Makes what was taken away meanwhile. */
  const restore = () => t.box.run(SETUP.replace('jail -c', 'jail -i -c'));

  async function opened(): Promise<RawClient> {
    const client = t.box.connect();
    await client.call('open', {});
    return client;
  }

  it('answers each record, whatever is in it, and others meanwhile', { timeout: TIMEOUT }, async () => {
    await restore();
    let client = await opened();
    const other = await opened();
    const seen = new Map<string, number>();
    const batch = async (records: { kind: number; body: Uint8Array[] }[]): Promise<void> => {
      client.write(Buffer.concat(records.map(({ kind, body }, id) => encodeRecord(kind, id, ...body))));
      const start = performance.now();
      expect((await other.call('jail.list')).errno).toBe(0);
      expect(performance.now() - start).toBeLessThan(5000);
      let gone = false;
      for (const [i, { kind, body }] of records.entries()) {
        const result = await client.record((found) => found.kind === Kind.RESULT);
        expect(result.id).toBe(i);
        const errno = Buffer.from(result.body).readUInt32LE();
        const name = errno === 0 ? 'ok' : (errnoName(errno) ?? 'unknown');
        seen.set(name, (seen.get(name) ?? 0) + 1);
        // EIO is what our own mistakes look like.
        if (name === 'EIO' || name === 'unknown') {
          const input = body.map((part) => Buffer.from(part).toString('hex')).join(' ');
          throw new Error(`${kind} ${input}: ${errno} ${Buffer.from(result.body.subarray(4))}`);
        }
        gone ||= name === 'EPIPE' || name === 'ENOTCONN';
      }
      // A socket node that was shut down stays so.
      if (gone) {
        client.destroy();
        client = await opened();
      }
    };
    let count = 0;
    const property = fc.asyncProperty(fc.array(record, { minLength: 40, maxLength: 40 }), async (records) => {
      await batch(records);
      if (++count % 10 === 0) await restore();
    });
    await fc.assert(property, { seed: SEED, numRuns: Math.ceil(100 * ROUNDS), endOnFailure: true });
    for (const name of ['ok', 'ENOENT', 'EINVAL', 'EHOSTUNREACH'])
      expect([name, (seen.get(name) ?? 0) > 5]).toEqual([name, true]);
    client.destroy();
    other.destroy();
  });

  it('survives any bytes at all, in whatever pieces', { timeout: TIMEOUT }, async () => {
    const stream = fc.tuple(
      fc.array(record, { maxLength: 10 }),
      byteMutation,
      fc.integer({ min: 1, max: 300 }),
    );
    const other = await opened();
    let clients: RawClient[] = [];
    const property = fc.asyncProperty(fc.array(stream, { minLength: 8, maxLength: 8 }), async (streams) => {
      // Processes are dear: a client serves until it is told to go.
      clients = clients.filter(({ closed }) => !closed);
      while (clients.length < streams.length) clients.push(t.box.connect());
      for (const [i, [records, mutate, cut]] of streams.entries()) {
        const bytes = mutate(
          Buffer.concat(records.map(({ kind, body }, id) => encodeRecord(kind, id, ...body))),
        );
        for (let at = 0; at < bytes.length; at += cut) clients[i].write(bytes.subarray(at, at + cut));
      }
      const start = performance.now();
      expect((await other.call('jail.list')).errno).toBe(0);
      expect(performance.now() - start).toBeLessThan(5000);
    });
    await fc.assert(property, { seed: SEED, numRuns: Math.ceil(25 * ROUNDS), endOnFailure: true });
    for (const client of [...clients, other]) client.destroy();
  });
});
