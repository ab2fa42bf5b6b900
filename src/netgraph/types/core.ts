import { type ErrnoName, NgError } from '../errors.js';
import type { Text } from './text.js';

/** Somewhere in a message's arguments, while they are read or written: what the length of an array may look at. */
export interface Place {
  /** The arguments so far; offset 0 is the first byte after the message header. */
  readonly bytes: Uint8Array;
  /** Offset of the value that is read or written now. */
  readonly at: number;
  /** Offset of the structure around it. */
  readonly base: number;
  /** `arglen` of the message header; undefined while a value is being encoded, when it is not known yet. */
  readonly arglen: number | undefined;
}

/** Finds an earlier integer field of the structure being declared; the result reads it. */
export type FieldLookup = (path: string) => (place: Place) => number;

/**
 * One argument type: binary layout, ASCII form both ways, default, and the TypeScript type `T` of its values.
 * The methods work on cursors and are what composite types call; programs use the functions `parse`, `unparse`,
 * `encode`, `decode` and `defaultOf`. Everything that fails throws NgError.
 */
export interface ArgType<out T = unknown> {
  readonly kind: string;
  /** Alignment in bytes inside a structure; 0 for none. */
  readonly align: number;
  /** Size in bytes when every value has the same; else undefined. */
  readonly size: number | undefined;
  /** The default as a value, a new one each time. EOPNOTSUPP when there is none. */
  readonly zero: T;
  /** Short help: `{ loss=<uint16> seed=<uint32> }`. */
  describe(): string;
  /** ASCII to binary. */
  parse(text: Text, out: Output): void;
  /** Binary to ASCII. */
  print(data: Data, printer: Printer): void;
  /** Appends the default. EOPNOTSUPP when there is none. */
  writeDefault(out: Output): void;
  /** Steps over the default if that is what stands here; else says false and stays. */
  skipDefault(data: Data): boolean;
  /** Appends a value. EINVAL when it does not fit the type. */
  write(value: unknown, out: Output): void;
  read(data: Data): T;
  /** Called by the structure that holds this type; arrays find the field with their length. */
  bind?(lookup: FieldLookup): ArgType<T>;
}

/** The TypeScript type of a type's values. */
export type Infer<A> = A extends ArgType<infer T> ? T : never;

/** What `encode` takes for a `T`: fields of structures may be left out and take their default. */
export type Given<T> = T extends Uint8Array
  ? Uint8Array | readonly number[]
  : T extends readonly (infer E)[]
    ? readonly Given<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Given<T[K]> }
      : T;

/** Text that is not the ASCII form of the type. */
export class ParseError extends NgError {
  constructor(
    code: ErrnoName,
    /** Byte offset in the text where the parser stopped. */
    readonly offset: number,
    sentence: string,
  ) {
    super(code, `at offset ${offset}: ${sentence}`);
  }
}

const padding = (position: number, align: number): number =>
  align > 1 ? (align - (position % align)) % align : 0;

/** Rounds up to a multiple of `align`. */
export const alignUp = (position: number, align: number): number => position + padding(position, align);

/** Arguments being written. */
export class Output implements Place {
  bytes: Uint8Array;
  at = 0;
  base = 0;
  /** The field being encoded, for error sentences. */
  field = '';

  constructor(
    /** Most bytes that may be written. */
    readonly limit: number,
    capacity: number,
    readonly arglen: number | undefined = undefined,
  ) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Appends zeros and returns where. ERANGE beyond the limit. */
  reserve(size: number): number {
    const from = this.at;
    const end = from + size;
    if (end > this.limit) throw new NgError('ERANGE', `the arguments take more than ${this.limit} bytes`);
    if (end > this.bytes.length) this.#grow(end);
    this.at = end;
    return from;
  }

  /** Makes room for so much at once: to grow step by step takes longer than to write a long list. */
  expect(size: number): void {
    const end = this.at + size;
    if (end > this.bytes.length && end <= this.limit) this.#resize(end);
  }

  append(bytes: ArrayLike<number>): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Zeros up to the next multiple of `align`, counted from `start`. */
  pad(align: number, start: number): void {
    if (align > 1) this.reserve(padding(this.at - start, align));
  }

  finish(): Uint8Array {
    return this.at === this.bytes.length ? this.bytes : this.bytes.slice(0, this.at);
  }

  /** Throws EINVAL, or `code`, naming the field. */
  refuse(sentence: string, code: ErrnoName = 'EINVAL'): never {
    throw new NgError(code, this.field === '' ? sentence : `field "${this.field}": ${sentence}`);
  }

  #grow(size: number): void {
    this.#resize(Math.max(size, this.bytes.length * 2, 64));
  }

  #resize(size: number): void {
    const larger = new Uint8Array(size);
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

/** Arguments being read. */
export class Data implements Place {
  at = 0;
  base = 0;
  /** The field being read, for error sentences. */
  field = '';

  constructor(
    readonly bytes: Uint8Array,
    readonly arglen: number,
  ) {}

  /** Steps over `size` bytes and returns where they are. EINVAL when there are not that many. */
  take(size: number): number {
    const from = this.at;
    if (from + size > this.bytes.length) this.tooShort(size);
    this.at = from + size;
    return from;
  }

  /** Steps over padding; it may be missing at the very end, where nothing follows it. */
  pad(align: number, start: number): void {
    if (align > 1) this.at = Math.min(this.at + padding(this.at - start, align), this.bytes.length);
  }

  /** Steps over `size` zeros if they are here. */
  skipZeros(size: number): boolean {
    const end = this.at + size;
    if (end > this.bytes.length) return false;
    for (let i = this.at; i < end; i++) if (this.bytes[i] !== 0) return false;
    this.at = end;
    return true;
  }

  tooShort(size: number): never {
    const what = this.field === '' ? '' : ` for "${this.field}"`;
    throw new NgError(
      'EINVAL',
      `arguments too short: ${this.bytes.length} bytes, need ${size} at offset ${this.at}${what}`,
    );
  }
}

/** ASCII form being written. */
export class Printer {
  text = '';

  constructor(
    /** Size of FreeBSD's buffer: the text and its NUL must fit, else ERANGE. */
    readonly limit: number,
    readonly exact: boolean,
  ) {}

  put(text: string): void {
    this.text += text;
    if (this.text.length >= this.limit) {
      throw new NgError('ERANGE', `the ASCII form takes more than ${this.limit} bytes`);
    }
  }
}

/** What argument types have in common. */
export abstract class Type<T> implements ArgType<T> {
  abstract readonly kind: string;
  abstract readonly align: number;
  abstract readonly size: number | undefined;

  get zero(): T {
    const bytes = defaultBytes(this);
    return this.read(new Data(bytes, bytes.length));
  }

  describe(): string {
    return `<${this.kind}>`;
  }

  abstract parse(text: Text, out: Output): void;
  abstract print(data: Data, printer: Printer): void;
  abstract writeDefault(out: Output): void;
  abstract skipDefault(data: Data): boolean;
  abstract write(value: unknown, out: Output): void;
  abstract read(data: Data): T;
}

/** A type whose default is a run of zeros, or that has none. */
export abstract class Leaf<T> extends Type<T> {
  /** How many zeros are the default; undefined when there is no default. */
  protected abstract readonly zeros: number | undefined;

  override writeDefault(out: Output): void {
    if (this.zeros === undefined) noDefault(this, out);
    out.reserve(this.zeros);
  }

  override skipDefault(data: Data): boolean {
    return this.zeros !== undefined && data.skipZeros(this.zeros);
  }
}

export function noDefault(type: ArgType, out: Output): never {
  return out.refuse(`${type.describe()} must be given, it has no default`, 'EOPNOTSUPP');
}

/** Bytes that a message can have: keeps a wrong length from taking all memory. */
const messageLimit = 1 << 24;

/** Room for a value of `type` that is put together in memory. */
export const newOutput = (type: ArgType): Output => new Output(messageLimit, type.size ?? 64);

export function defaultBytes(type: ArgType): Uint8Array {
  const out = newOutput(type);
  type.writeDefault(out);
  return out.finish();
}

/** Steps over what `write` would write here, if that is what stands here. It is meant for a value of `type`. */
export function skipWritten(data: Data, type: ArgType, write: (out: Output) => void): boolean {
  const out = newOutput(type);
  // A size that varies may depend on what comes before.
  if (type.size === undefined) out.append(data.bytes.subarray(0, data.at));
  out.base = data.base;
  const from = out.at;
  try {
    write(out);
  } catch (error) {
    if (error instanceof NgError) return false;
    throw error;
  }
  const end = data.at + out.at - from;
  if (end > data.bytes.length) return false;
  for (let i = data.at; i < end; i++) if (data.bytes[i] !== out.bytes[from + i - data.at]) return false;
  data.at = end;
  return true;
}

/** A value for an error sentence. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
