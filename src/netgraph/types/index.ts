/**
 * The argument-type language of control messages, after ng_parse(3). One declaration with `t` gives a message's binary
 * layout (amd64: little endian, C alignment), its ASCII form both ways, its TypeScript type and its help text:
 *
 *     const Config = t.struct({ loss: t.uint16, seed: t.uint32 });
 *     encode(Config, { loss: 5 });                 // 8 bytes; the seed is its default, 0
 *     unparse(Config, encode(Config, { loss: 5 })) // '{ loss=5 }'
 *     parse(Config, '{ seed=0x10 }').bytes
 *     Config.describe()                            // '{ loss=<uint16> seed=<uint32> }'
 */
import { NgError } from '../errors.js';
import { EthernetAddressType, Ip6AddressType, IpAddressType } from './address.js';
import { ArrayType, BytesType, type Count, type ElementDefault, withDefault } from './array.js';
import {
  type ArgType,
  Data,
  defaultBytes,
  type Given,
  newOutput,
  Output,
  ParseError,
  Printer,
} from './core.js';
import { Custom, type CustomType } from './custom.js';
import { Integer64Type, type IntegerFormat, IntegerType } from './integer.js';
import { FixedStringType, SizedStringType, StringType } from './string.js';
import { type Field, type Fields, type StructOf, StructType } from './struct.js';
import { Text } from './text.js';

export type { Count, ElementDefault } from './array.js';
export {
  type ArgType,
  Data,
  type Given,
  type Infer,
  Output,
  ParseError,
  type Place,
  type Printer,
} from './core.js';
export type { CustomType } from './custom.js';
export { bytesToString, stringToBytes } from './string.js';
export type { Field, Fields, StructOf } from './struct.js';
export { quote, Text, type Token } from './text.js';

const int = (bits: 8 | 16 | 32, format: IntegerFormat): ArgType<number> => new IntegerType(bits, format);
const int64 = (format: IntegerFormat): ArgType<bigint> => new Integer64Type(format);
const fixedString = (size: number): ArgType<string> => new FixedStringType(size);

interface ElementOptions<E> {
  /** The default of each element, where it is not the type's own. */
  default?: (index: number) => Given<E>;
}

/** The argument types. Strings are in bytes of UTF-8; sizes are in bytes. */
export const t = {
  int8: int(8, 'int'),
  uint8: int(8, 'uint'),
  /** Printed in hexadecimal, as all `hint` types. */
  hint8: int(8, 'hint'),
  int16: int(16, 'int'),
  uint16: int(16, 'uint'),
  hint16: int(16, 'hint'),
  int32: int(32, 'int'),
  uint32: int(32, 'uint'),
  hint32: int(32, 'hint'),
  int64: int64('int'),
  uint64: int64('uint'),
  hint64: int64('hint'),

  /** A string that ends with a NUL. */
  string: new StringType() as ArgType<string>,
  /** A string in a buffer of `size` bytes, the NUL included. */
  fixedString,
  /** A string after its length as uint16. */
  sizedString: new SizedStringType() as ArgType<string>,
  /** ng_parse_nodebuf_type */
  nodeName: fixedString(32),
  /** ng_parse_hookbuf_type */
  hookName: fixedString(32),
  /** ng_parse_typebuf_type */
  typeName: fixedString(32),
  /** ng_parse_cmdbuf_type */
  cmdString: fixedString(32),
  /** ng_parse_pathbuf_type */
  path: fixedString(512),

  /** `'1.2.3.4'` */
  ipaddr: new IpAddressType() as ArgType<string>,
  /** `'fe80::1'`; not in FreeBSD. */
  ip6addr: new Ip6AddressType() as ArgType<string>,
  /** `'00:11:22:aa:bb:cc'`; the only type without a default. */
  enaddr: new EthernetAddressType() as ArgType<string>,

  /** Bytes: as many as a field or function says, or a number of them. */
  bytes: (lengthFrom: Count | number): ArgType<Uint8Array> => new BytesType(lengthFrom),
  struct: <const F extends Fields>(fields: F): ArgType<StructOf<F>> => new StructType<StructOf<F>>(fields),
  /** A field with another alignment or default than its type has. */
  field: <T>(type: ArgType<T>, options: { align?: number; default?: Given<T> }): Field<T> => ({
    type: options.default === undefined ? type : withDefault(type, options.default),
    align: options.align ?? type.align,
  }),
  /** A type with another default. */
  withDefault: <T>(type: ArgType<T>, value: Given<T>): ArgType<T> => withDefault(type, value),
  fixedArray: <E>(element: ArgType<E>, length: number, options: ElementOptions<E> = {}): ArgType<E[]> =>
    new ArrayType(element, length, options.default as ElementDefault | undefined),
  array: <E>(element: ArgType<E>, count: Count, options: ElementOptions<E> = {}): ArgType<E[]> =>
    new ArrayType(element, count, options.default as ElementDefault | undefined),
  custom: <T>(definition: CustomType<T>): ArgType<T> => new Custom(definition),
};

/** Bytes that FreeBSD's conversions between ASCII and binary have room for. */
const conversionSize = 20 * 1024;

export interface ParseOptions {
  /** Most bytes of binary; else ERANGE. Default 20480. */
  size?: number;
  /** `arglen` of the message that holds the text; default: its bytes and a NUL, as ngctl sends it. */
  arglen?: number;
}

/**
 * The binary form of text, and the byte offset where the parser stopped. What follows the value is not looked at.
 * @throws ParseError with FreeBSD's errno: EINVAL, ENOENT (no such field), EALREADY (given twice), E2BIG (too many
 * elements, too long a string), ERANGE (more than `size` bytes), EOPNOTSUPP (left out, but has no default).
 */
export function parse(
  type: ArgType,
  text: string | Uint8Array,
  options: ParseOptions = {},
): { bytes: Uint8Array; end: number } {
  const input = new Text(text);
  const limit = options.size ?? conversionSize;
  const out = new Output(limit, Math.min(type.size ?? 64, limit), options.arglen ?? input.source.length + 1);
  try {
    type.parse(input, out);
  } catch (error) {
    throw error instanceof NgError ? new ParseError(error.code, input.at, error.message) : error;
  }
  return { bytes: out.finish(), end: input.at };
}

export interface UnparseOptions {
  /** `arglen` of the message header; default: the length of `bytes`. */
  arglen?: number;
  /** FreeBSD's buffer size: text of `size` characters or more is ERANGE. Default: no limit. */
  size?: number;
  /** Print strings so that every byte survives parsing, where FreeBSD's form may lose some. See `quote`. */
  exact?: boolean;
}

/** The ASCII form of binary arguments. Fields equal to their default are left out. EINVAL when bytes are missing. */
export function unparse(type: ArgType, bytes: Uint8Array, options: UnparseOptions = {}): string {
  const printer = new Printer(options.size ?? Number.POSITIVE_INFINITY, options.exact ?? false);
  type.print(new Data(bytes, options.arglen ?? bytes.length), printer);
  return printer.text;
}

/** The default of a type, in binary. EOPNOTSUPP when there is none. */
export const defaultOf = (type: ArgType): Uint8Array => defaultBytes(type);

/**
 * The binary form of a value. Fields left out take their default, or the length of the array that they count. EINVAL
 * when a value does not fit its type, E2BIG for too long a string or array.
 */
export function encode<T>(type: ArgType<T>, value: Given<T>): Uint8Array {
  const out = newOutput(type);
  type.write(value, out);
  return out.finish();
}

/** The value of binary arguments; what follows them is not looked at. EINVAL when bytes are missing. */
export function decode<T>(type: ArgType<T>, bytes: Uint8Array, options: { arglen?: number } = {}): T {
  return type.read(new Data(bytes, options.arglen ?? bytes.length));
}
