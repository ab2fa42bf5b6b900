import { describe, expect, it } from 'vitest';
import type { ArgType } from '../../../src/netgraph/types/index.js';
import { type Difference, differences } from '../../vectors/differences.js';
import { haveVectors, readVectors, vectorsFolder } from '../../vectors/files.js';
import { lengths, pureLengths } from '../../vectors/lengths.js';
import { answer, expected, type ParseCase } from '../../vectors/parse_cases.js';
import { fromSchema, type Missing, type Schema, Unbuildable } from '../../vectors/schema.js';

interface Message {
  cookie: number;
  cmd: number;
  name: string;
  arg: Schema | null;
  resp: Schema | null;
}

const build = (schema: Schema, missing: Missing): ArgType | undefined => {
  try {
    return fromSchema(schema, missing);
  } catch (error) {
    if (error instanceof Unbuildable) return undefined;
    throw error;
  }
};

function pureTypes(): Map<string, ArgType | undefined> {
  const elementDefaults = { '': (index: number) => index * 10 };
  const messages = readVectors<Message[]>('parse_pure_types.json');
  return new Map(
    messages.map(({ name, arg }) => [name, build(arg!, { counts: pureLengths[name], elementDefaults })]),
  );
}

const messageKey = (type: string, { cookie, cmd }: { cookie?: number; cmd?: number }, which?: string) =>
  `${type} ${cookie} ${cmd} ${which}`;

function messageTypes(): Map<string, ArgType | undefined> {
  const types = new Map<string, ArgType | undefined>();
  const schemas = readVectors<Record<string, Message[] | null>>('type_schemas.json');
  for (const [type, messages] of Object.entries(schemas)) {
    for (const message of messages ?? []) {
      for (const which of ['arg', 'resp'] as const) {
        const schema = message[which];
        if (schema === null) continue;
        types.set(messageKey(type, message, which), build(schema, { counts: lengths[type] }));
      }
    }
  }
  return types;
}

/** Runs a file's cases; the differences that nothing explains come back as they are. */
function run(file: string, typeOf: (vector: ParseCase) => ArgType | undefined) {
  const count = { same: 0, different: 0, skipped: 0 };
  const unexplained: object[] = [];
  const unused = new Set<Difference>(differences.filter((difference) => difference.file === file));
  for (const vector of readVectors<ParseCase[]>(file)) {
    const type = typeOf(vector);
    if (type === undefined) {
      count.skipped++;
      continue;
    }
    const ours = answer(type, vector);
    const recorded = expected(vector);
    if (JSON.stringify(ours) === JSON.stringify(recorded)) {
      count.same++;
      continue;
    }
    count.different++;
    const reason = differences.find((difference) => difference.file === file && difference.match(vector));
    if (reason === undefined) unexplained.push({ vector, ours, recorded });
    else unused.delete(reason);
  }
  return { count, unexplained, unused: [...unused].map(({ reason }) => reason) };
}

describe.skipIf(!haveVectors)(`what FreeBSD answered (skipped without ${vectorsFolder})`, () => {
  it('synthetic types', () => {
    const types = pureTypes();
    const { count, unexplained, unused } = run('parse_pure_cases.json', ({ type }) => types.get(type));
    expect(unexplained).toEqual([]);
    expect(unused).toEqual([]);
    expect(count).toEqual({ same: 850, different: 28, skipped: 0 });
  });

  it('messages of every node type', () => {
    const types = messageTypes();
    const { count, unexplained, unused } = run('parse_messages.json', (vector) =>
      types.get(messageKey(vector.type, vector, vector.which)),
    );
    expect(unexplained).toEqual([]);
    expect(unused).toEqual([]);
    expect(count).toEqual({ same: 6486, different: 132, skipped: 96 });
  });

  it('special messages, but for socket addresses', () => {
    const types = messageTypes();
    const { count, unexplained, unused } = run('parse_special.json', (vector) =>
      types.get(messageKey(vector.type, vector, vector.which)),
    );
    expect(unexplained).toEqual([]);
    expect(unused).toEqual([]);
    expect(count).toEqual({ same: 32, different: 3, skipped: 29 });
  });
});
