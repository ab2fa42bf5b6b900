import { existsSync } from 'node:fs';
import type { ArgType } from '../../src/netgraph/types/index.js';
import { declaredMessages } from './declared.js';
import { differences } from './differences.js';
import { readJson, vectorsFolder } from './files.js';
import { pureLengths } from './lengths.js';
import { answer, expected, type ParseCase } from './parse_cases.js';
import { failed, passed, type Result, skipped } from './result.js';
import { fromSchema, type Schema } from './schema.js';

/** Runs parse and unparse cases: of messages on the types that our nodes declare, of synthetic types on theirs. */
export function runParseCases(cases: ParseCase[], folder: string): Result[] {
  const synthetic = cases.some(({ cookie }) => cookie === undefined) ? syntheticTypes(folder) : new Map();
  return cases.map((vector, i) => {
    const { type, name = '', which = '', dir = 'parse', text, hex = '' } = vector;
    const title = [`${i}:`, type, name, which, dir, dir === 'parse' ? JSON.stringify(text) : hex].join(' ');
    if (vector.cookie === undefined) return run(synthetic.get(type), vector, title);
    const declared = declaredMessages(type);
    if (declared === undefined) return skipped(title, `needs ${type}`);
    const message = declared.find(({ cookie, spec }) => cookie === vector.cookie && spec.cmd === vector.cmd);
    return run(which === 'resp' ? message?.spec.reply : message?.spec.args, vector, title);
  });
}

function run(type: ArgType | undefined, vector: ParseCase, title: string): Result {
  const difference = differences.find(({ match }) => match(vector));
  const ours = type === undefined ? 'no such message' : answer(type, vector);
  const recorded = expected(vector);
  if (JSON.stringify(ours) === JSON.stringify(recorded)) return passed(title);
  return difference === undefined ? failed(title, recorded, ours) : passed(title, difference.reason);
}

function syntheticTypes(folder: string): Map<string, ArgType> {
  const file = 'parse_pure_types.json';
  const from = existsSync(folder + file) ? folder : vectorsFolder;
  const schemas = readJson<{ name: string; arg: Schema }[]>(from + file);
  const elementDefaults = { '': (index: number) => index * 10 };
  return new Map(
    schemas.map(({ name, arg }) => [name, fromSchema(arg, { counts: pureLengths[name], elementDefaults })]),
  );
}
