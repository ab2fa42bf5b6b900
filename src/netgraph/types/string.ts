import { type Data, Leaf, type Output, type Printer, show } from './core.js';
import { quote, type Text } from './text.js';

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Writes ASCII characters; false when there are others (then nothing else of `bytes` matters yet). */
function putAscii(bytes: Uint8Array, at: number, value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 0 || c > 0x7f) return false;
    bytes[at + i] = c;
  }
  return true;
}

/** The bytes of a string value: see `bytesToString`. */
export function stringToBytes(value: string): Uint8Array {
  if (!/[\udc80-\udcff]/u.test(value)) return utf8Encoder.encode(value);
  const bytes: number[] = [];
  for (const character of value) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code & 0xff);
    else bytes.push(...utf8Encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/**
 * The string value of bytes: their UTF-8 reading. Bytes that are not valid UTF-8 lose nothing either: each one above
 * 0x7f becomes a lone surrogate U+DC80..U+DCFF (the idea of Python's PEP 383), and turns back when encoded.
 */
export function bytesToString(bytes: Uint8Array, from: number, to: number): string {
  let value = '';
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte > 0x7f) return notAscii(bytes.subarray(from, to));
    value += String.fromCharCode(byte);
  }
  return value;
}

function notAscii(bytes: Uint8Array): string {
  try {
    return utf8Decoder.decode(bytes);
  } catch {
    let value = '';
    for (const byte of bytes) value += String.fromCharCode(byte > 0x7f ? 0xdc00 | byte : byte);
    return value;
  }
}

/** A string value as bytes without a NUL, which would cut it short. */
function checked(value: unknown, out: Output): Uint8Array {
  if (typeof value !== 'string') out.refuse(`${show(value)} is not a string`);
  const bytes = stringToBytes(value);
  if (bytes.includes(0)) out.refuse('the string contains a NUL');
  return bytes;
}

/** Offset of the NUL that ends the string at `from`, or `to` when there is none. */
function terminator(bytes: Uint8Array, from: number, to: number): number {
  let end = from;
  while (end < to && bytes[end] !== 0) end++;
  return end;
}

/** A string that ends with a NUL, of any length. */
export class StringType extends Leaf<string> {
  readonly kind = 'string';
  readonly align = 0;
  readonly size = undefined;
  protected readonly zeros = 1;

  override parse(text: Text, out: Output): void {
    const bytes = text.needString();
    text.at += text.length;
    out.append(bytes);
    out.reserve(1);
  }

  override print(data: Data, printer: Printer): void {
    printer.put(quote(this.#take(data), printer.exact));
  }

  override write(value: unknown, out: Output): void {
    out.append(checked(value, out));
    out.reserve(1);
  }

  override read(data: Data): string {
    const bytes = this.#take(data);
    return bytesToString(bytes, 0, bytes.length);
  }

  #take(data: Data): Uint8Array {
    const end = terminator(data.bytes, data.at, data.bytes.length);
    const from = data.take(end - data.at + 1);
    return data.bytes.subarray(from, end);
  }
}

/** A string in a buffer of `size` bytes, its NUL and zeros included: at most `size` - 1 bytes long (E2BIG). */
export class FixedStringType extends Leaf<string> {
  readonly kind = 'fixedstring';
  readonly align = 0;
  protected readonly zeros: number;

  constructor(readonly size: number) {
    super();
    this.zeros = size;
  }

  override describe(): string {
    return '<string>';
  }

  override parse(text: Text, out: Output): void {
    const bytes = text.needString();
    if (bytes.length >= this.size) text.refuse(this.#tooLong(bytes.length), 'E2BIG');
    text.at += text.length;
    const at = out.reserve(this.size);
    out.bytes.set(bytes, at);
  }

  override print(data: Data, printer: Printer): void {
    const from = data.take(this.size);
    const end = terminator(data.bytes, from, data.at);
    printer.put(quote(data.bytes.subarray(from, end), printer.exact));
  }

  override write(value: unknown, out: Output): void {
    const at = out.reserve(this.size);
    if (typeof value === 'string' && value.length < this.size && putAscii(out.bytes, at, value)) return;
    const bytes = checked(value, out);
    if (bytes.length >= this.size) out.refuse(this.#tooLong(bytes.length), 'E2BIG');
    out.bytes.set(bytes, at);
  }

  override read(data: Data): string {
    const from = data.take(this.size);
    return bytesToString(data.bytes, from, terminator(data.bytes, from, data.at));
  }

  #tooLong(length: number): string {
    return `a string of ${length} bytes where ${this.size - 1} fit`;
  }
}

/** A string of up to 65535 bytes after its length as uint16; it may contain NULs. Not aligned. */
export class SizedStringType extends Leaf<string> {
  readonly kind = 'sizedstring';
  readonly align = 0;
  readonly size = undefined;
  protected readonly zeros = 2;

  override describe(): string {
    return '<string>';
  }

  override parse(text: Text, out: Output): void {
    const bytes = text.needString();
    if (bytes.length > 0xffff) text.refuse(`a string of ${bytes.length} bytes where 65535 fit`);
    text.at += text.length;
    this.#put(bytes, out);
  }

  override print(data: Data, printer: Printer): void {
    printer.put(quote(this.#take(data), printer.exact));
  }

  override write(value: unknown, out: Output): void {
    if (typeof value !== 'string') out.refuse(`${show(value)} is not a string`);
    const bytes = stringToBytes(value);
    if (bytes.length > 0xffff) out.refuse(`a string of ${bytes.length} bytes where 65535 fit`);
    this.#put(bytes, out);
  }

  override read(data: Data): string {
    const bytes = this.#take(data);
    return bytesToString(bytes, 0, bytes.length);
  }

  #put(bytes: Uint8Array, out: Output): void {
    const at = out.reserve(2 + bytes.length);
    out.bytes[at] = bytes.length;
    out.bytes[at + 1] = bytes.length >> 8;
    out.bytes.set(bytes, at + 2);
  }

  #take(data: Data): Uint8Array {
    const at = data.take(2);
    const length = data.bytes[at] | (data.bytes[at + 1] << 8);
    const from = data.take(length);
    return data.bytes.subarray(from, from + length);
  }
}
