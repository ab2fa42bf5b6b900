import {
  type ArgType,
  alignUp,
  type Data,
  type FieldLookup,
  type Output,
  type Printer,
  show,
  Type,
} from './core.js';
import { IntegerType } from './integer.js';
import type { Text } from './text.js';

/** A field of a structure that needs more than a type. */
export interface Field<out T> {
  readonly type: ArgType<T>;
  /** Overrides the type's alignment, in bytes. */
  readonly align: number;
}

export type Fields = Readonly<Record<string, ArgType | Field<unknown>>>;

/** The TypeScript type of a structure with these fields. */
export type StructOf<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends ArgType<infer T> ? T : F[K] extends Field<infer T> ? T : never;
};

interface Member {
  readonly name: string;
  readonly type: ArgType;
  readonly align: number;
  /** Offset in the structure; undefined behind a field of variable size. */
  readonly offset: number | undefined;
  /** The field that holds how many elements this one has. */
  readonly counter: Counter | undefined;
}

interface Counter {
  readonly path: readonly string[];
  readonly offset: number;
  readonly type: IntegerType;
}

type Values = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null;

/** A C structure: `{ name=value ... }`. Fields equal to their default are not printed. */
export class StructType<T extends object> extends Type<T> {
  readonly kind = 'struct';
  readonly align: number;
  readonly size: number | undefined;
  readonly #members: readonly Member[];
  readonly #index: ReadonlyMap<string, number>;

  constructor(fields: Fields) {
    super();
    const members: Member[] = [];
    let end: number | undefined = 0;
    for (const [name, field] of Object.entries(fields)) {
      const align = field.align;
      const { type, counter } = bind('type' in field ? field.type : field, members, name);
      const offset: number | undefined = end === undefined ? undefined : alignUp(end, align);
      members.push({ name, type, align, offset, counter });
      end = offset === undefined || type.size === undefined ? undefined : offset + type.size;
    }
    this.align = Math.max(0, ...members.map((member) => member.type.align));
    this.size = end === undefined ? undefined : alignUp(end, this.align);
    this.#members = members;
    this.#index = new Map(members.map((member, i) => [member.name, i]));
  }

  override describe(): string {
    const fields = this.#members.map(({ name, type }) => `${name}=${type.describe()} `);
    return `{ ${fields.join('')}}`;
  }

  override parse(text: Text, out: Output): void {
    const given = this.#positions(text);
    this.#build(out, (member, i) => {
      if (given[i] === undefined) return member.type.writeDefault(out);
      text.at = given[i];
      member.type.parse(text, out);
    });
  }

  override print(data: Data, printer: Printer): void {
    const outer = data.base;
    const start = data.at;
    data.base = start;
    printer.put('{');
    let printed = false;
    for (const { name, type, align } of this.#members) {
      data.pad(align, start);
      if (type.skipDefault(data)) continue;
      data.field = name;
      printer.put(` ${name}=`);
      type.print(data, printer);
      printed = true;
    }
    printer.put(printed ? ' }' : '}');
    // FreeBSD forgets this padding, and so misreads what follows a structure inside another one.
    data.pad(this.align, start);
    data.base = outer;
  }

  override writeDefault(out: Output): void {
    this.#build(out, (member) => member.type.writeDefault(out));
  }

  override skipDefault(data: Data): boolean {
    const outer = data.base;
    const start = data.at;
    data.base = start;
    const matches =
      this.#members.every(({ type, align }) => skipPadding(data, align, start) && type.skipDefault(data)) &&
      skipPadding(data, this.align, start);
    if (!matches) data.at = start;
    data.base = outer;
    return matches;
  }

  override write(value: unknown, out: Output): void {
    if (!isObject(value)) out.refuse(`${show(value)} is not an object`);
    const outer = out.base;
    const start = out.at;
    out.base = start;
    for (const { name, type, align, counter } of this.#members) {
      const given = value[name];
      out.pad(align, start);
      out.field = name;
      if (given === undefined) type.writeDefault(out);
      else {
        if (counter !== undefined) fillCounter(counter, value, given, out, start);
        type.write(given, out);
      }
    }
    out.pad(this.align, start);
    out.base = outer;
  }

  override read(data: Data): T {
    const outer = data.base;
    const start = data.at;
    data.base = start;
    const value: Record<string, unknown> = {};
    for (const { name, type, align } of this.#members) {
      data.pad(align, start);
      data.field = name;
      value[name] = type.read(data);
    }
    data.pad(this.align, start);
    data.base = outer;
    return value as T;
  }

  /** An integer field by its dotted path: what the length of a later array refers to. */
  find(path: readonly string[]): { offset: number; type: IntegerType } | undefined {
    return findInteger(this.#members, path);
  }

  /** Appends each member's bytes at their place, padding included. */
  #build(out: Output, append: (member: Member, index: number) => void): void {
    const outer = out.base;
    const start = out.at;
    out.base = start;
    for (let i = 0; i < this.#members.length; i++) {
      const member = this.#members[i];
      out.pad(member.align, start);
      append(member, i);
    }
    out.pad(this.align, start);
    out.base = outer;
  }

  /** Where in the text the value of each field stands; undefined for those left out. */
  #positions(text: Text): (number | undefined)[] {
    const positions = new Array<number | undefined>(this.#members.length).fill(undefined);
    text.expect('{');
    for (;;) {
      const token = text.token();
      if (token === '}') break;
      if (token !== 'word') text.refuse(`expected a field name, found ${text.found()}`);
      const index = this.#index.get(text.tokenText) ?? this.#noField(text);
      const name = this.#members[index].name;
      text.at += text.length;
      text.expect('=');
      if (positions[index] !== undefined) text.refuse(`field "${name}" is given twice`, 'EALREADY');
      text.skipSpace();
      positions[index] = text.at;
      text.skipValue();
    }
    text.at += text.length;
    return positions;
  }

  #noField(text: Text): never {
    const known = this.#members.map(({ name }) => name).join(', ');
    text.refuse(
      `no field ${JSON.stringify(text.tokenText.slice(0, 32))} (there is ${known || 'none'})`,
      'ENOENT',
    );
  }
}

/** Steps over padding if it is all zeros. It may be missing at the very end. */
export function skipPadding(data: Data, align: number, start: number): boolean {
  const from = data.at;
  data.pad(align, start);
  for (let i = from; i < data.at; i++) if (data.bytes[i] !== 0) return false;
  return true;
}

/** Resolves the length of an array that is declared as the path of an earlier field. */
function bind(type: ArgType, members: readonly Member[], name: string): { type: ArgType; counter?: Counter } {
  let counter: Counter | undefined;
  const lookup: FieldLookup = (path) => {
    const found = findInteger(members, path.split('.'));
    if (found === undefined) throw new TypeError(`length of "${name}": no integer field "${path}" before it`);
    counter = { ...found, path: path.split('.') };
    return (place) => found.type.readAt(place.bytes, place.base + found.offset) | 0;
  };
  const bound = type.bind?.(lookup) ?? type;
  return { type: bound, counter };
}

function findInteger(members: readonly Member[], path: readonly string[]): Omit<Counter, 'path'> | undefined {
  const member = members.find(({ name }) => name === path[0]);
  if (member?.offset === undefined) return undefined;
  const { type, offset } = member;
  if (path.length === 1) return type instanceof IntegerType ? { type, offset } : undefined;
  const inner = type instanceof StructType ? type.find(path.slice(1)) : undefined;
  return inner && { type: inner.type, offset: offset + inner.offset };
}

/** Sets the length field of an array from the array, unless the value gives it. */
function fillCounter(counter: Counter, value: Values, array: unknown, out: Output, start: number): void {
  let given: unknown = value;
  for (const name of counter.path) given = isObject(given) ? given[name] : undefined;
  if (given === undefined)
    counter.type.writeAt(out, start + counter.offset, (array as ArrayLike<unknown>).length);
}
