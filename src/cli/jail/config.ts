/** From the blocks of jail.conf(5) to the parameters of each jail. */
import { Failure } from '../command.js';
import type { Definition, Piece, Statement } from './conf.js';
import { Parameters } from './parameters.js';

export interface ConfiguredJail {
  /** As it stands in front of the block; messages begin with it. */
  name: string;
  parameters: Parameters;
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

/** The jails of a file, in its order. Later statements go before earlier ones, whether in blocks or in `*`. */
export function configuredJails(definitions: readonly Definition[]): ConfiguredJail[] {
  const names = new Set(definitions.map(({ name }) => name).filter((name) => !isWild(name)));
  return [...names].map((name) => {
    const own = definitions.filter((one) =>
      isWild(one.name) ? matchesWild(one.name, name) : one.name === name,
    );
    return {
      name,
      parameters: resolve(
        name,
        collect(
          name,
          own.flatMap(({ statements }) => statements),
        ),
      ),
    };
  });
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
      throw new Failure(1, `${jail}: variable "$${name}" cannot have the same name as a parameter.`);
    // `persist` and `nopersist` speak of the same thing: the later one counts.
    for (const other of [...entries.keys()])
      if (other !== name && (without(other) === name || without(name) === other)) entries.delete(other);
    entries.set(name, { isVariable, values: append && before ? [...before.values, ...values] : values });
  }
  return entries;
}

function resolve(jail: string, entries: ReadonlyMap<string, Entry>): Parameters {
  const valuesOf = (name: string, within: readonly string[]): string[] =>
    entries.get(name)!.values.flatMap((pieces) => value(name, pieces, within));

  const value = (name: string, pieces: readonly Piece[], within: readonly string[]): string[] => {
    const parts = pieces.map((piece) => {
      if ('text' in piece) return [piece.text];
      const { variable } = piece;
      if (!entries.has(variable)) throw new Failure(1, `${jail}: ${name}: variable "${variable}" not found`);
      if (within.includes(variable)) throw new Failure(1, `${jail}: ${variable}: variable loop`);
      return valuesOf(variable, [...within, variable]);
    });
    if (parts.length === 1) return parts[0];
    if (parts.some(({ length }) => length !== 1))
      throw new Failure(1, `${jail}: ${name}: array cannot be substituted inline`);
    return [parts.map(([part]) => part).join('')];
  };

  const parameters = new Parameters();
  for (const [name, { isVariable }] of entries) {
    const values = valuesOf(name, [name]);
    try {
      if (!isVariable) parameters.set(name, values);
    } catch (error) {
      if (error instanceof Failure) throw new Failure(1, `${jail}: ${error.message}`);
      throw error;
    }
  }
  return parameters;
}
