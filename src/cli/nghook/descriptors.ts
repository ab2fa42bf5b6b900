import { createReadStream, fstatSync, write } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { EX, fail, reasonOf } from '../command.js';

const writeSome = promisify(write);
const CHUNK = 64 * 1024;

/** What can be read from a descriptor, in the pieces that read(2) gives, at most 64 KiB each. */
export async function* inputFrom(fd: number): AsyncIterable<Uint8Array> {
  try {
    yield* pieces(fd);
  } catch (error) {
    fail(EX.OSERR, `read(stdin): ${reasonOf(error)}`);
  }
}

function pieces(fd: number): AsyncIterable<Uint8Array> {
  if (isatty(fd)) return new ReadStream(fd);
  const stat = fstatSync(fd);
  if (stat.isFIFO() || stat.isSocket()) return new Socket({ fd, readable: true, writable: false });
  return createReadStream('', { fd, highWaterMark: CHUNK, autoClose: false });
}

/** Writes all of it to a descriptor, in one write(2) where it can. */
export async function writeTo(fd: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += (await writeSome(fd, bytes, done)).bytesWritten;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Somebody else may have made it non-blocking.
      if (code === 'EAGAIN') await sleep(1);
      else if (code === 'EPIPE') process.exit(EX.OSERR);
      else fail(EX.OSERR, `write(stdout): ${reasonOf(error)}`);
    }
  }
}
