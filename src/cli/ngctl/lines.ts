import { createReadStream, openSync } from 'node:fs';
import type { Readable } from 'node:stream';

/**
 * Opens a file of commands.
 * @throws the error of open(2)
 */
export const openFile = (path: string): number => openSync(path, 'r');

/** The lines of an open file, each as soon as it is there: it may be a pipe. Closes it at the end. */
export const fileLines = (fd: number): AsyncIterable<string> => lines(createReadStream('', { fd }));

/** The lines of a stream. The last one need not end. */
export async function* lines(stream: Readable): AsyncIterable<string> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const [first, ...more] = String(chunk).split('\n');
    const complete = more.length === 0 ? [] : [rest + first, ...more.slice(0, -1)];
    rest = more.length === 0 ? rest + first : more[more.length - 1];
    yield* complete;
  }
  if (rest !== '') yield rest;
}
