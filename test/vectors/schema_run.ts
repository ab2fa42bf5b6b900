import { NgError } from '../../src/netgraph/index.js';
import { type ArgType, defaultOf, parse, unparse } from '../../src/netgraph/types/index.js';
import { randomFrom } from '../support/world.js';
import { type Declared, declaredMessages } from './declared.js';
import { lengths, pureLengths } from './lengths.js';
import { failed, passed, type Result, skipped } from './result.js';
import { fromSchema, type Missing, type Schema, Unbuildable } from './schema.js';
import { schemaDifferences } from './schema_differences.js';

export interface RecordedSchema {
  cookie: number;
  cmd: number;
  name: string;
  arg: Schema | null;
  resp: Schema | null;
}

/** Compares the messages of our node types with those recorded, each with the other. */
export function runSchemas(recorded: Record<string, RecordedSchema[] | null>): Result[] {
  return Object.entries(recorded).flatMap(([type, messages]) => {
    const declared = declaredMessages(type);
    if (declared === undefined)
      return (messages ?? []).map(({ name }) => skipped(`${type} ${name}`, `needs ${type}`));
    return [...compareAll(type, messages ?? [], declared), ...notRecorded(type, messages ?? [], declared)];
  });
}

/** The synthetic types: whether the type language can say them. */
export function runSyntheticTypes(recorded: RecordedSchema[]): Result[] {
  const elementDefaults = { '': (index: number) => index * 10 };
  return recorded.map(({ name, arg }) => {
    const { kind, align, size, default: initial } = arg!;
    const ours = shape(fromSchema(arg!, { counts: pureLengths[name], elementDefaults }));
    const theirs = {
      ...ours,
      kind,
      align,
      ...(size !== undefined && { size }),
      ...(initial !== undefined && { initial: initial ?? 'EOPNOTSUPP' }),
    };
    return same(theirs, ours) ? passed(name) : failed(name, theirs, ours);
  });
}

function compareAll(type: string, recorded: RecordedSchema[], declared: Declared[]): Result[] {
  return recorded.map((message) => {
    const title = `${type} ${message.name}`;
    const ours = declared.find(({ name }) => name === message.name);
    const missing = { counts: lengths[type] };
    const difference = schemaDifferences.find((one) => one.type === type && one.message === message.name);
    const wrong =
      ours === undefined ? { expected: message.name, actual: 'none' } : compare(message, ours, missing);
    if (wrong === undefined) return passed(title);
    if (difference !== undefined) return passed(title, difference.reason);
    return failed(title, wrong.expected, wrong.actual);
  });
}

function notRecorded(type: string, recorded: RecordedSchema[], declared: Declared[]): Result[] {
  const names = new Set(recorded.map(({ name }) => name));
  return declared
    .filter(({ name }) => !names.has(name))
    .map(({ name }) => {
      const difference = schemaDifferences.find((one) => one.type === type && one.message === name);
      const title = `${type} ${name}`;
      return difference === undefined
        ? failed(title, 'no such message', name)
        : passed(title, difference.reason);
    });
}

interface Wrong {
  expected: unknown;
  actual: unknown;
}

function compare(recorded: RecordedSchema, { cookie, spec }: Declared, missing: Missing): Wrong | undefined {
  if (cookie !== recorded.cookie || spec.cmd !== recorded.cmd)
    return { expected: [recorded.cookie, recorded.cmd], actual: [cookie, spec.cmd] };
  return compareType(recorded.arg, spec.args, missing) ?? compareType(recorded.resp, spec.reply, missing);
}

function compareType(schema: Schema | null, ours: ArgType | undefined, missing: Missing): Wrong | undefined {
  if (schema === null || ours === undefined) {
    const [expected, actual] = [schema !== null, ours !== undefined].map((has) =>
      has ? 'arguments' : 'none',
    );
    return expected === actual ? undefined : { expected, actual };
  }
  const theirs = build(schema, missing);
  // A custom type is code: parse_special.json tells how it behaves.
  if (theirs === undefined)
    return schema.align === ours.align ? undefined : { expected: schema, actual: shape(ours) };
  const [expected, actual] = [shape(theirs), shape(ours)];
  return same(expected, actual) ? behaviour(theirs, ours) : { expected, actual };
}

/** The type of a schema, if the schema says enough. */
function build(schema: Schema, missing: Missing): ArgType | undefined {
  try {
    return fromSchema(schema, missing);
  } catch (error) {
    if (error instanceof Unbuildable) return undefined;
    throw error;
  }
}

/** All of a type that one can see: names and order of fields are in `text`. */
const shape = (type: ArgType) => ({
  kind: type.kind,
  align: type.align,
  size: type.size,
  text: type.describe(),
  initial: outcome(() => Buffer.from(defaultOf(type)).toString('hex')),
});

const ROUNDS = 60;

/** Whether two types read and print whatever bytes alike. */
function behaviour(theirs: ArgType, ours: ArgType): Wrong | undefined {
  const random = randomFrom(7);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = Uint8Array.from({ length: (theirs.size ?? 200) + (round % 3) }, () =>
      // Small numbers are what counts of elements look like.
      Math.floor(random() < 0.7 ? random() * 3 : random() * 256),
    );
    const [expected, actual] = [theirs, ours].map((type) => outcome(() => unparse(type, bytes)));
    if (expected !== actual) return { expected, actual };
    const texts = [theirs, ours].map((type) =>
      outcome(() => Buffer.from(parse(type, expected).bytes).toString('hex')),
    );
    if (texts[0] !== texts[1]) return { expected: texts[0], actual: texts[1] };
  }
  return undefined;
}

function outcome(run: () => string): string {
  try {
    return run();
  } catch (error) {
    if (error instanceof NgError) return error.code;
    throw error;
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
