/** Which jails of a file come before others. */
import { Failure } from '../command.js';
import type { ConfiguredJail } from './config.js';

/** The jails that one needs to be there: those it depends on, and the one around it if that is in the file. */
export function needsOf({ name, parameters }: ConfiguredJail, all: readonly ConfiguredJail[]): string[] {
  const around = name.slice(0, Math.max(name.lastIndexOf('.'), 0));
  return [
    ...parameters.list('depend'),
    ...all.filter((other) => other.name === around).map((other) => other.name),
  ];
}

/** Jails, each behind those that it needs, which come along. Nothing can be done to one that can never be served. */
export function inOrder(all: readonly ConfiguredJail[], wanted: readonly ConfiguredJail[]): ConfiguredJail[] {
  const result = new Map<string, ConfiguredJail>();
  const visit = (one: ConfiguredJail, within: readonly string[]): void => {
    if (result.has(one.name)) return;
    let { failure } = one;
    for (const name of needsOf(one, all)) {
      const needed = all.find((other) => other.name === name);
      if (needed === undefined) failure ??= new Failure(1, `depend: jail "${name}" not found`);
      else if ([...within, one.name].includes(name)) failure ??= new Failure(1, 'dependency loop');
      else visit(needed, [...within, one.name]);
    }
    result.set(one.name, { ...one, failure });
  };
  for (const one of wanted) visit(one, []);
  return [...result.values()];
}
