import { Buffer } from 'node:buffer';
import fs, { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

const FORMAT = 'netgraph-journal';
const VERSION = 1;
/** Longest line, in bytes. */
const MAX_LINE = 16 << 20;
const NEWLINE = 0x0a;
/** How long an entry may survive the end of the process but not the loss of power, in milliseconds. */
const SYNC_DELAY = 100;
/** Entries that are written in one go where others shall get their turns. */
const SLICE = 2000;
const HEADER = encode({ format: FORMAT, version: VERSION });

const appendTo = promisify(fs.appendFile);
const syncData = promisify(fs.fdatasync);

/** What an open found wrong with a journal. */
export interface Damage {
  /** Of the first byte of the line that is wrong. */
  offset: number;
  /** The number of that line, from 1. */
  line: number;
  reason: string;
  /** Where the damaged file was kept, untouched. */
  keptAs: string;
}

export interface OpenedJournal {
  journal: Journal;
  /** All of them, or those before the damage. */
  entries: unknown[];
  damage: Damage | undefined;
}

/**
 * An append-only file of entries, which are JSON values, for one process at a time. Each is a line: the CRC-32 of the
 * JSON in 8 hex digits, a space, the JSON. A line without its newline does not count, so that a kill at any instant
 * leaves an entry written wholly or not at all. The first line is a header with the format and its version.
 */
export class Journal {
  /** There may be something behind `end`. */
  private torn = false;
  private unsynced = false;
  private syncing = false;
  /** Lines that were appended while `compact` is at work; undefined: it is not, or was called off. */
  private appended: Buffer[] | undefined;

  private constructor(
    readonly path: string,
    private fd: number | undefined,
    private end: number,
  ) {}

  /**
   * Opens a journal, or makes it. What a kill left of a last line is cut off. If anything else is wrong, the file is
   * kept under another name, and a new one goes on with the entries before the damage.
   * @param check throws an Error with what is wrong with an entry: that is damage, too
   * @throws Error what is there cannot be read, or not by this version; it is left as it is
   */
  static open(path: string, check: (entry: unknown) => void = () => {}): OpenedJournal {
    try {
      const bytes = readIfAny(path);
      const { entries, end, fault } = scan(bytes, check);
      const damage = fault && { ...fault, keptAs: setAside(path) };
      if (damage !== undefined || end === 0) {
        const good = end === 0 ? HEADER : bytes.subarray(0, end);
        return { journal: new Journal(path, replaceFile(path, good), good.length), entries, damage };
      }
      const journal = new Journal(path, fs.openSync(path, constants.O_RDWR | constants.O_NOFOLLOW), end);
      if (end < bytes.length) journal.cut();
      return { journal, entries, damage };
    } catch (error) {
      throw new Error(`cannot open the journal ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** In bytes. */
  get size(): number {
    return this.end;
  }

  /**
   * Writes an entry with one write(2): from then on it survives the end of the process, and a moment later the loss of
   * power.
   * @throws MustRewrite it is too long for a line, or the file was removed; the journal is as before
   * @throws Error it could not be written (ENOSPC, say); the journal is as before
   */
  append(entry: unknown): void {
    const fd = this.descriptor();
    const line = encode(entry);
    if (fs.fstatSync(fd).nlink === 0) throw new MustRewrite(`${this.path} was removed`);
    if (this.torn) this.cut();
    try {
      const written = fs.writeSync(fd, line, 0, line.length, this.end);
      if (written < line.length) {
        const message = `ENOSPC: room for ${written} of ${line.length} bytes only, write '${this.path}'`;
        throw Object.assign(new Error(message), { code: 'ENOSPC' });
      }
    } catch (error) {
      try {
        this.cut();
      } catch {
        // The next append tries again.
      }
      throw error;
    }
    this.end += line.length;
    this.appended?.push(line);
    this.syncLater();
  }

  /**
   * Replaces everything at once by these entries.
   * @throws Error something failed; the journal is as before
   */
  rewrite(entries: Iterable<unknown>): void {
    const old = this.descriptor();
    const content = Buffer.concat([HEADER, ...Array.from(entries, encode)]);
    this.callOff();
    this.fd = replaceFile(this.path, content);
    this.end = content.length;
    this.torn = false;
    fs.closeSync(old);
  }

  /**
   * As `rewrite`, where that would take long: others get their turns, and may append meanwhile. Whatever else becomes of
   * the journal calls it off.
   * @returns whether it is done, and was not called off
   * @throws Error something failed; the journal is as if nobody had tried
   */
  async compact(entries: readonly unknown[]): Promise<boolean> {
    const before = this.descriptor();
    this.callOff();
    const appended: Buffer[] = [];
    this.appended = appended;
    const isOff = () => this.appended !== appended;
    const temporary = temporaryOf(this.path);
    let fd: number | undefined;
    try {
      fd = makeFile(temporary);
      await appendTo(fd, HEADER);
      for (let i = 0; i < entries.length && !isOff(); i += SLICE)
        await appendTo(fd, Buffer.concat(entries.slice(i, i + SLICE).map(encode)));
      await syncData(fd);
      if (isOff()) return false;
      // From here on in one go. What was appended may wait for its way to the disk as usual.
      fs.writeFileSync(fd, Buffer.concat(appended));
      const { size } = fs.fstatSync(fd);
      fs.renameSync(temporary, this.path);
      this.fd = fd;
      this.end = size;
      this.torn = false;
      fs.closeSync(before);
      syncDirectory(dirname(this.path));
      this.syncLater();
      return true;
    } finally {
      if (fd !== undefined && this.fd !== fd) fs.closeSync(fd);
      if (!isOff()) this.callOff();
    }
  }

  /** Whoever compacts finds that it is off; what it wrote so far goes. */
  private callOff(): void {
    if (this.appended === undefined) return;
    this.appended = undefined;
    fs.rmSync(temporaryOf(this.path), { force: true });
  }

  close(): void {
    this.callOff();
    if (this.fd !== undefined) fs.closeSync(this.fd);
    this.fd = undefined;
  }

  /** Closes the journal and takes its file away. Damaged ones that were kept stay. */
  remove(): void {
    this.close();
    for (const file of [this.path, temporaryOf(this.path)]) fs.rmSync(file, { force: true });
  }

  private descriptor(): number {
    if (this.fd === undefined) throw new Error(`the journal ${this.path} is closed`);
    return this.fd;
  }

  private cut(): void {
    this.torn = true;
    fs.ftruncateSync(this.descriptor(), this.end);
    this.torn = false;
  }

  private syncLater(): void {
    this.unsynced = true;
    if (!this.syncing) this.sync();
  }

  /** Brings to the disk what was appended, until nothing more comes. */
  private async sync(): Promise<void> {
    this.syncing = true;
    while (this.unsynced) {
      await sleep(SYNC_DELAY, undefined, { ref: false });
      if (this.fd === undefined) return;
      this.unsynced = false;
      try {
        // A descriptor of its own: the journal may be closed meanwhile.
        const file = await open(this.path, constants.O_RDONLY | constants.O_NOFOLLOW);
        await file.datasync().finally(() => file.close());
      } catch {
        // It was removed, or the disk fails: that will be seen by an append.
      }
    }
    this.syncing = false;
  }
}

function encode(entry: unknown): Buffer {
  const json = JSON.stringify(entry);
  if (json === undefined) throw new TypeError(`${typeof entry}: JSON has no such value`);
  const line = Buffer.from(`${checksum(json)} ${json}\n`);
  if (line.length > MAX_LINE) throw new MustRewrite(`an entry of ${line.length} bytes is too long`);
  return line;
}

function checksum(json: string | Buffer): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** It takes no more of them line by line, but can be written anew. */
export class MustRewrite extends Error {}

/** Something about a line that no kill explains. */
class Fault extends Error {}

function decode(line: Buffer): unknown {
  if (line.length >= MAX_LINE) throw new Fault('the line is too long');
  if (line.includes(0)) throw new Fault('there are NUL bytes');
  const start = line.toString('latin1', 0, 9);
  if (!/^[0-9a-f]{8} $/.test(start)) throw new Fault('the line does not begin with a checksum');
  const json = line.subarray(9);
  if (start !== `${checksum(json)} `) throw new Fault('the checksum is wrong');
  try {
    return JSON.parse(json.toString('utf8'));
  } catch (error) {
    throw new Fault(`the line is not JSON: ${(error as Error).message}`);
  }
}

interface Scan {
  entries: unknown[];
  /** Of what is good. */
  end: number;
  fault?: Omit<Damage, 'keptAs'>;
}

function scan(bytes: Buffer, check: (entry: unknown) => void): Scan {
  const entries: unknown[] = [];
  let end = 0;
  let line = 1;
  try {
    for (; end < bytes.length; line++) {
      const newline = bytes.indexOf(NEWLINE, end);
      if (newline < 0) {
        checkTail(bytes.subarray(end), line);
        break;
      }
      const value = decode(bytes.subarray(end, newline));
      if (line === 1) checkHeader(value);
      else entries.push(checked(value, check));
      end = newline + 1;
    }
    return { entries, end };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { entries, end, fault: { offset: end, line, reason: error.message } };
  }
}

function checked(entry: unknown, check: (entry: unknown) => void): unknown {
  try {
    check(entry);
    return entry;
  } catch (error) {
    throw new Fault((error as Error).message);
  }
}

/** A kill leaves the beginning of a line, never a whole one with something else for its newline. */
function checkTail(tail: Buffer, line: number): void {
  const start = tail.toString('latin1', 0, 9);
  const torn =
    line === 1
      ? tail.equals(HEADER.subarray(0, tail.length))
      : tail.length < MAX_LINE &&
        !tail.includes(0) &&
        /^([0-9a-f]{8} |[0-9a-f]{0,8}$)/.test(start) &&
        start !== `${checksum(tail.subarray(9, -1))} `;
  if (!torn) throw new Fault('there is no newline, but not the mere beginning of a line either');
}

function checkHeader(value: unknown): void {
  const { format, version } = (value ?? {}) as Record<string, unknown>;
  if (format === FORMAT && typeof version === 'number' && version > VERSION)
    throw new Error(`it is of version ${version}, and this program knows none above ${VERSION}`);
  if (format !== FORMAT || version !== VERSION) throw new Fault('this is not the header of a journal');
}

/** A file's content; nothing when there is no file. */
function readIfAny(path: string): Buffer {
  const status = fs.lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return Buffer.alloc(0);
  if (status.isDirectory()) throw new Error('it is a directory');
  if (!status.isFile()) throw new Error('it is not a regular file');
  return fs.readFileSync(path);
}

/** Gives a file a second name beside its own, one that is free. */
function setAside(path: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? `${path}.damaged` : `${path}.damaged-${count}`;
    try {
      fs.linkSync(path, name);
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // It got this name by an open that came no further.
      if (fs.lstatSync(name).ino === fs.lstatSync(path).ino) return name;
    }
  }
}

/** Where a journal is written that is to take the place of the one at `path`. */
function temporaryOf(path: string): string {
  return `${path}.new`;
}

/** Makes a file; one of that name that an earlier process left goes. */
function makeFile(path: string): number {
  fs.rmSync(path, { force: true });
  return fs.openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
}

/**
 * Makes a file, in the place of one that may be there and that stays when this fails.
 * @returns its descriptor
 */
function replaceFile(path: string, content: Buffer): number {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = temporaryOf(path);
  const fd = makeFile(temporary);
  try {
    fs.writeFileSync(fd, content);
    fs.fdatasyncSync(fd);
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.closeSync(fd);
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
  return fd;
}

/** Too late to fail: the new file is there already, if only the power stays. */
function syncDirectory(path: string): void {
  try {
    const fd = fs.openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {}
}
