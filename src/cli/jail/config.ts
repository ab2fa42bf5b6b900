/** From the blocks of jail.conf(5) to the parameters of each jail. */
import { Failure } from '../command.js';
import type { Definition, Piece, Statement } from './conf.js';
import { Parameters } from './parameters.js';

export interface ConfiguredJail {
  /** As it stands in front of the block; messages begin with it. */
  name: string;
  parameters: Parameters;
  /** Its statements make no sense: nothing can be done to it. */
  failure?: Failure;
  /** A parameter is unknown or wrong: it can be neither made nor changed. */
  refusal?: Failure;
}

/** `*`, or `foo.*` for jails within foo. */
export const isWild = (name: string): boolean => name === '*' || name.endsWith('.*');

export const matchesWild = (pattern: string, name: string): boolean =>
  pattern === '*' || name.startsWith(pattern.slice(0, -1));

/** A statement whose values may still hold variables. */
interface Entry {
  isVariable: boolean;
  values: Piece[][];
}

/**
 * The jails of a file, in its order. Later statements go before earlier ones, whether in blocks or in `*`. What is wrong
 * with one is no business of the others.
 */
export function configuredJails(definitions: readonly Definition[]): ConfiguredJail[] {
  const names = new Set(definitions.map(({ name }) => name).filter((name) => !isWild(name)));
  return [...names].map((name) => {
    const own = definitions.filter((one) =>
      isWild(one.name) ? matchesWild(one.name, name) : one.name === name,
    );
    const statements = own.flatMap((one) => one.statements);
    const parameters = new Parameters();
    try {
      const refusal = setAll(parameters, resolve(collect(name, statements)));
      return { name, parameters, refusal };
    } catch (error) {
      return { name, parameters, failure: failureOf(error) };
    }
  });
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  throw error;
}

/** @returns what is wrong with the first that cannot be set */
function setAll(parameters: Parameters, values: ReadonlyMap<string, string[]>): Failure | undefined {
  let refusal: Failure | undefined;
  for (const [name, list] of values) {
    try {
      parameters.set(name, list);
    } catch (error) {
      refusal ??= failureOf(error);
    }
  }
  return refusal;
}

const without = (name: string): string => name.replace(/(^|\.)no([^.]+)$/, '$1$2');

function collect(jail: string, statements: readonly Statement[]): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  // The name of the block is that of the jail, or its ID.
  entries.set(/^\d+$/.test(jail) ? 'jid' : 'name', { isVariable: false, values: [[{ text: jail }]] });
  if (/^\d+$/.test(jail)) entries.set('name', { isVariable: true, values: [[{ text: jail }]] });
  for (const { name, isVariable, append, values } of statements) {
    const before = entries.get(name);
    if (before !== undefined && before.isVariable !== isVariable && name !== 'name')
      throw new Failure(1, `variable "$${name}" cannot have the same name as a parameter.`);
    // `persist` and `nopersist` speak of the same thing: the later one counts.
    for (const other of [...entries.keys()])
      if (other !== name && (without(other) === name || without(name) === other)) entries.delete(other);
    entries.set(name, { isVariable, values: append && before ? [...before.values, ...values] : values });
  }
  return entries;
}

/** The values of all parameters. @throws Failure a variable cannot be replaced */
function resolve(entries: ReadonlyMap<string, Entry>): Map<string, string[]> {
  const valuesOf = (name: string, within: readonly string[]): string[] =>
    entries.get(name)!.values.flatMap((pieces) => value(name, pieces, within));

  const value = (name: string, pieces: readonly Piece[], within: readonly string[]): string[] => {
    const parts = pieces.map((piece) => {
      if ('text' in piece) return [piece.text];
      const { variable } = piece;
      if (!entries.has(variable)) throw new Failure(1, `${name}: variable "${variable}" not found`);
      if (within.includes(variable)) throw new Failure(1, `${variable}: variable loop`);
      return valuesOf(variable, [...within, variable]);
    });
    if (parts.length === 1) return parts[0];
    if (parts.some(({ length }) => length !== 1))
      throw new Failure(1, `${name}: array cannot be substituted inline`);
    return [parts.map(([part]) => part).join('')];
  };

  const result = new Map<string, string[]>();
  for (const [name, { isVariable }] of entries) {
    const values = valuesOf(name, [name]);
    if (!isVariable) result.set(name, values);
  }
  return result;
}
