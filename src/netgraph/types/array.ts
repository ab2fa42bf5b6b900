import {
  type ArgType,
  alignUp,
  type Data,
  type FieldLookup,
  type Output,
  type Place,
  type Printer,
  show,
  skipWritten,
  Type,
} from './core.js';
import { IntegerType } from './integer.js';
import { skipPadding } from './struct.js';
import type { Text } from './text.js';

/**
 * How many elements an array has: the dotted path of an earlier field of the structure around it (`'numnames'`,
 * `'nodeinfo.hooks'`), or a function of the place (FreeBSD's getLength). The function may return undefined when it
 * cannot know, as with `arglen` while encoding: then it is as many as are given.
 */
export type Count = string | ((place: Place) => number | undefined);

/** Default of each element by its index, as a value of the element's type. */
export type ElementDefault = (index: number) => unknown;

const unbound = (path: string) => (): never => {
  throw new TypeError(`the length "${path}" is a field, but there is no structure around the array`);
};

/** A sequence of elements of one type, as bytes and as text: `[ value ... ]`, `[ index=value ... ]`. */
abstract class Elements<T> extends Type<T> {
  abstract override readonly kind: string;
  readonly align: number;
  readonly size: number | undefined;
  protected readonly count: (place: Place) => number | undefined;

  constructor(
    protected readonly element: ArgType,
    protected readonly length: number | Count,
    protected readonly elementDefault?: ElementDefault,
  ) {
    super();
    // An array has at most as many elements as bytes: what keeps a wrong length from looping for long.
    if (element.size === 0) throw new TypeError('the elements of an array cannot be empty');
    this.align = element.align;
    this.count =
      typeof length === 'number' ? () => length : typeof length === 'string' ? unbound(length) : length;
    const stride = element.size === undefined ? undefined : alignUp(element.size, this.align);
    this.size = typeof length === 'number' && stride !== undefined ? stride * length : undefined;
  }

  override describe(): string {
    return `[ ${this.element.describe()} ... ]`;
  }

  override parse(text: Text, out: Output): void {
    const count = this.#countFor(out);
    const given = positions(text, count);
    this.build(out, count, (index) => {
      const at = given.get(index);
      if (at === undefined) return this.#writeDefault(index, out);
      text.at = at;
      this.element.parse(text, out);
    });
  }

  override print(data: Data, printer: Printer): void {
    const count = this.count(data) ?? 0;
    const start = data.at;
    printer.put('[');
    let next = 0;
    for (let index = 0; index < count; index++) {
      if (index >= data.bytes.length) data.tooShort(1);
      data.pad(this.align, start);
      if (this.#skipDefault(index, data)) continue;
      printer.put(index === next ? ' ' : ` ${index}=`);
      this.element.print(data, printer);
      next = index + 1;
    }
    printer.put(next > 0 ? ' ]' : ']');
    data.pad(this.align, start);
  }

  override writeDefault(out: Output): void {
    this.build(out, this.#countFor(out), (index) => this.#writeDefault(index, out));
  }

  override skipDefault(data: Data): boolean {
    const count = this.count(data) ?? 0;
    const start = data.at;
    let matches = count >= 0 && count <= data.bytes.length - start;
    for (let index = 0; matches && index < count; index++) {
      matches = skipPadding(data, this.align, start) && this.#skipDefault(index, data);
    }
    matches &&= skipPadding(data, this.align, start);
    if (!matches) data.at = start;
    return matches;
  }

  /** Appends the values given, then defaults. */
  protected writeElements(values: ArrayLike<unknown>, out: Output): void {
    const count = this.count(out) ?? values.length;
    if (values.length > count) out.refuse(`${values.length} elements where ${count} fit`, 'E2BIG');
    out.expect(values.length * alignUp(this.element.size ?? 0, this.align));
    this.build(out, count, (index) => {
      if (index < values.length) this.element.write(values[index], out);
      else this.#writeDefault(index, out);
    });
  }

  /** How many elements there are to read; EINVAL when there cannot be so many. */
  protected countToRead(data: Data): number {
    const count = this.count(data) ?? 0;
    if (count < 0 || count > data.bytes.length - data.at) data.tooShort(count);
    return count;
  }

  protected build(out: Output, count: number, append: (index: number) => void): void {
    const start = out.at;
    for (let index = 0; index < count; index++) {
      if (index > out.limit) out.refuse(`more than ${out.limit} elements`, 'ERANGE');
      out.pad(this.align, start);
      append(index);
    }
    out.pad(this.align, start);
  }

  /** FreeBSD cannot allocate for a negative length, hence the errno. */
  #countFor(out: Output): number {
    const count = this.count(out) ?? 0;
    if (count < 0) out.refuse(`an array of ${count} elements`, 'ENOMEM');
    return count;
  }

  #writeDefault(index: number, out: Output): void {
    if (this.elementDefault === undefined) this.element.writeDefault(out);
    else this.element.write(this.elementDefault(index), out);
  }

  #skipDefault(index: number, data: Data): boolean {
    if (this.elementDefault === undefined) return this.element.skipDefault(data);
    return skipWritten(data, this.element, (out) => this.#writeDefault(index, out));
  }
}

/** Where in the text the value of each given element stands. */
function positions(text: Text, count: number): Map<number, number> {
  const given = new Map<number, number>();
  text.expect('[');
  for (let next = 0; ; next++) {
    const token = text.token();
    if (token === ']') break;
    if (token === 'word' && text.equalsFollows()) next = explicitIndex(text);
    else if (token !== '{' && token !== '[' && token !== 'word') {
      text.refuse(`expected an element, found ${text.found()}`);
    }
    if (next >= count) text.refuse(`element ${next} of an array of ${count}`, 'E2BIG');
    if (given.has(next)) text.refuse(`element ${next} is given twice`, 'EALREADY');
    text.skipSpace();
    given.set(next, text.at);
    text.skipValue();
  }
  text.at += text.length;
  return given;
}

/** Reads `index=`. As in FreeBSD the index is a 32-bit int, so that 4294967297 is 1. */
function explicitIndex(text: Text): number {
  const number = text.integer();
  const index =
    number === undefined || number.value >= 1n << 64n ? -1 : Number(BigInt.asIntN(32, number.value));
  if (number?.end !== text.at + text.length || index < 0) text.refuse(`${text.found()} is not an index`);
  text.at += text.length + 1;
  return index;
}

/** An array; its length is fixed or comes from elsewhere. Elements left out take their default. */
export class ArrayType<E> extends Elements<E[]> {
  readonly kind: 'fixedarray' | 'array';

  constructor(element: ArgType<E>, length: number | Count, elementDefault?: ElementDefault) {
    super(element, length, elementDefault);
    this.kind = typeof length === 'number' ? 'fixedarray' : 'array';
  }

  bind(lookup: FieldLookup): ArgType<E[]> {
    const element = this.element.bind?.(lookup) ?? this.element;
    if (typeof this.length !== 'string' && element === this.element) return this;
    const length = typeof this.length === 'string' ? lookup(this.length) : this.length;
    return new ArrayType(element as ArgType<E>, length, this.elementDefault);
  }

  override write(value: unknown, out: Output): void {
    if (!Array.isArray(value)) out.refuse(`${show(value)} is not an array`);
    this.writeElements(value, out);
  }

  override read(data: Data): E[] {
    const count = this.countToRead(data);
    const start = data.at;
    const values: E[] = [];
    for (let index = 0; index < count; index++) {
      data.pad(this.align, start);
      values.push(this.element.read(data) as E);
    }
    data.pad(this.align, start);
    return values;
  }
}

const hint8 = new IntegerType(8, 'hint');

/** Bytes, as many as another field says: in text a string or an array, `"abc"` or `[ 0x61 0x62 ]`. */
export class BytesType extends Elements<Uint8Array> {
  readonly kind = 'bytearray';
  override readonly align = 0;

  constructor(length: number | Count) {
    super(hint8, length);
  }

  override describe(): string {
    return '<bytes>';
  }

  bind(lookup: FieldLookup): ArgType<Uint8Array> {
    return typeof this.length === 'string' ? new BytesType(lookup(this.length)) : this;
  }

  override parse(text: Text, out: Output): void {
    const bytes = text.string();
    if (bytes === undefined) super.parse(text, out);
    else this.#parseString(bytes, text, out);
  }

  #parseString(bytes: Uint8Array, text: Text, out: Output): void {
    const count = this.count(out) ?? 0;
    const room = out.limit - out.at;
    if (count > room) out.refuse(`${count} bytes where ${room} fit`, 'ERANGE');
    if (bytes.length > count) text.refuse(`a string of ${bytes.length} bytes where ${count} fit`, 'E2BIG');
    text.at += text.length;
    const at = out.reserve(count);
    out.bytes.set(bytes, at);
  }

  override write(value: unknown, out: Output): void {
    if (value instanceof Uint8Array) {
      const count = this.count(out) ?? value.length;
      if (value.length > count) out.refuse(`${value.length} bytes where ${count} fit`, 'E2BIG');
      const at = out.reserve(Math.max(count, 0));
      out.bytes.set(value, at);
    } else if (Array.isArray(value)) this.writeElements(value, out);
    else out.refuse(`${show(value)} is not bytes`);
  }

  /** A copy. */
  override read(data: Data): Uint8Array {
    const from = data.take(this.countToRead(data));
    return data.bytes.slice(from, data.at);
  }
}

/** A type with another default. */
class DefaultedType<T> extends Type<T> {
  readonly kind: string;
  readonly align: number;
  readonly size: number | undefined;

  constructor(
    readonly inner: ArgType<T>,
    readonly value: unknown,
  ) {
    super();
    this.kind = inner.kind;
    this.align = inner.align;
    this.size = inner.size;
  }

  bind(lookup: FieldLookup): ArgType<T> {
    const inner = this.inner.bind?.(lookup) ?? this.inner;
    return inner === this.inner ? this : new DefaultedType(inner, this.value);
  }

  override describe(): string {
    return this.inner.describe();
  }

  override parse(text: Text, out: Output): void {
    this.inner.parse(text, out);
  }

  override print(data: Data, printer: Printer): void {
    this.inner.print(data, printer);
  }

  override writeDefault(out: Output): void {
    this.inner.write(this.value, out);
  }

  override skipDefault(data: Data): boolean {
    return skipWritten(data, this, (out) => this.writeDefault(out));
  }

  override write(value: unknown, out: Output): void {
    this.inner.write(value, out);
  }

  override read(data: Data): T {
    return this.inner.read(data);
  }
}

export const withDefault = <T>(type: ArgType<T>, value: unknown): ArgType<T> =>
  new DefaultedType(type, value);
