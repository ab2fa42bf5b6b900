import { expect, it } from 'vitest';
import { getopt } from '../../src/cli/command.js';

const read = (line: string, spec: string) => {
  const { options, operands } = getopt(line === '' ? [] : line.split(' '), spec);
  return [
    ...options.map(({ option, value }) => (value === undefined ? option : `${option}=${value}`)),
    '|',
    ...operands,
  ]
    .join(' ')
    .trim();
};

it.each([
  ['', 'ab:', '|'],
  ['-a -b x y', 'ab:', 'a b=x | y'],
  ['-abx y', 'ab:', 'a b=x | y'],
  ['-f- y', 'df:', 'f=- | y'],
  ['-f - y', 'df:', 'f=- | y'],
  ['-b -a', 'ab:', 'b=-a |'],
  ['y -a', 'ab:', '| y -a'],
  ['- -a', 'ab:', '| - -a'],
  ['-a -- -a', 'ab:', 'a | -a'],
  ['-a -b x -b y', 'ab:', 'a b=x b=y |'],
  ['-b --', 'ab:', 'b=-- |'],
])('%j with %s', (line, spec, expected) => {
  expect(read(line, spec)).toBe(expected);
});

it.each([
  ['-x', 'illegal option -- x'],
  ['-ax', 'illegal option -- x'],
  ['-:', 'illegal option -- :'],
  ['-a -b', 'option requires an argument -- b'],
  ['--help', 'illegal option -- -'],
])('%s is refused', (line, sentence) => {
  expect(() => read(line, 'ab:')).toThrow(sentence);
});
