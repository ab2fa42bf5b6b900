import { NgError } from '../errors.js';

export type Token = '{' | '}' | '[' | ']' | '=' | 'string' | 'word' | 'end' | 'error';

const space = /[\t\n\v\f\r ]*/y;
const word = /[^\t\n\v\f\r {}[\]="]+/y;
const integer = /[\t\n\v\f\r ]*([+-]?)(?:0[xX]([0-9a-fA-F]*)|(0[0-7]*)|([1-9][0-9]*))/y;
const hexadecimal = /[\t\n\v\f\r ]*([+-]?)(?:0[xX])?([0-9a-fA-F]*)/y;

/** What does not fit 64 bits counts as this, whatever it was: strtol(3) saturates, and nobody looks further. */
const beyond = 1n << 64n;

/**
 * The ASCII form of arguments being parsed, one character per byte, and where the parser stands in it.
 * `at` moves exactly as the offset of FreeBSD's parser does, so that it tells where parsing stopped after
 * success and failure alike (sys/netgraph/ng_parse.c).
 */
export class Text {
  readonly source: string;
  /** Byte offset of the parser. */
  at = 0;
  /** Length in bytes of the token that `token` or `string` found at `at`. */
  length = 0;
  /** No string that opens here or later is closed: known once, so that bad input is not scanned again and again. */
  #unclosed = Number.POSITIVE_INFINITY;

  /** A JavaScript string stands for its UTF-8 bytes. As in C, the text ends at the first NUL. */
  constructor(text: string | Uint8Array) {
    const bytes = binaryString(text);
    const end = bytes.indexOf('\0');
    this.source = end < 0 ? bytes : bytes.slice(0, end);
  }

  skipSpace(): void {
    this.at = this.#after(space, this.at);
  }

  /** Moves to the next token and says what it is. The caller steps over it: `at += length`. */
  token(): Token {
    this.skipSpace();
    const first = this.source[this.at];
    switch (first) {
      case undefined:
        this.length = 0;
        return 'end';
      case '{':
      case '}':
      case '[':
      case ']':
      case '=':
        this.length = 1;
        return first;
      case '"': {
        const end = this.#stringEnd();
        if (end < 0) return 'error';
        this.length = end - this.at;
        return 'string';
      }
      default:
        this.length = this.#after(word, this.at) - this.at;
        return 'word';
    }
  }

  /** Steps over a token that must be there. */
  expect(wanted: Token): void {
    if (this.token() !== wanted) this.refuse(`expected "${wanted}", found ${this.found()}`);
    this.at += this.length;
  }

  /** The token that `token` has just found, as text. */
  get tokenText(): string {
    return this.source.slice(this.at, this.at + this.length);
  }

  /** Whether "=" follows the token at `at`. */
  equalsFollows(): boolean {
    return this.source[this.#after(space, this.at + this.length)] === '=';
  }

  /** Steps over a whole value, however deep its brackets, without looking at what it means. */
  skipValue(): void {
    const start = this.at;
    let braces = 0;
    let brackets = 0;
    let length = 0;
    do {
      const token = this.token();
      // An unterminated string is as long here as the token before it: FreeBSD finds the error later, or never.
      if (token !== 'error') length = this.length;
      if (token === '{') braces++;
      else if (token === '[') brackets++;
      const unopened = (token === '}' && braces-- === 0) || (token === ']' && brackets-- === 0);
      if (unopened || token === 'end') {
        const found = this.found();
        this.at = start;
        this.refuse(`expected a value, found ${found}`);
      }
      this.at += length;
    } while (braces > 0 || brackets > 0);
  }

  /**
   * The bytes of the quoted string at `at`, after white space; undefined when there is none, or it has no end.
   * `length` tells how far to step over it.
   */
  string(): Uint8Array | undefined {
    this.skipSpace();
    if (this.source[this.at] !== '"') return undefined;
    const end = this.#stringEnd();
    if (end < 0) return undefined;
    this.length = end - this.at;
    return unescapeBytes(this.source.slice(this.at + 1, end - 1));
  }

  /** The quoted string at `at`, which must be there (EINVAL). */
  needString(): Uint8Array {
    return this.string() ?? this.refuse(`expected a string in double quotes, found ${this.found()}`);
  }

  /**
   * The number at `at`, read as strtol(3) does with base 0 (or 16) and stepped over; undefined when there is none.
   * A magnitude that needs more than 64 bits comes out as 2^64.
   */
  integer(base: 0 | 16 = 0): { value: bigint; end: number } | undefined {
    const match = this.#match(base === 16 ? hexadecimal : integer);
    if (match === null) return undefined;
    const hex = match[2];
    const digits = hex ?? match[3] ?? match[4];
    if (digits === '') return undefined;
    const magnitude = toBigInt(digits, hex !== undefined ? '0x' : match[3] !== undefined ? '0o' : '');
    return { value: match[1] === '-' ? -magnitude : magnitude, end: this.at + match[0].length };
  }

  /** Throws EINVAL, or `code`. `parse` adds where in the text it was. */
  refuse(sentence: string, code: 'EINVAL' | 'ENOENT' | 'E2BIG' | 'EALREADY' = 'EINVAL'): never {
    throw new NgError(code, sentence);
  }

  /** What stands at `at`, short enough for an error sentence. */
  found(): string {
    const rest = this.source.slice(this.at, this.at + 24);
    return rest === '' ? 'the end' : JSON.stringify(rest);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source);
  }

  /** Offset behind what `pattern` matches at `from`. */
  #after(pattern: RegExp, from: number): number {
    pattern.lastIndex = from;
    return pattern.test(this.source) ? pattern.lastIndex : from;
  }

  /** Offset behind the closing quote of the string that opens at `at`, or -1. */
  #stringEnd(): number {
    if (this.at >= this.#unclosed) return -1;
    for (let i = this.at + 1; i < this.source.length; i++) {
      const c = this.source[i];
      if (c === '"') return i + 1;
      if (c === '\\') i++;
    }
    this.#unclosed = this.at;
    return -1;
  }
}

function toBigInt(digits: string, prefix: string): bigint {
  const significant = digits.replace(/^0+/, '');
  if (significant.length > 22) return beyond;
  const value = significant === '' ? 0n : BigInt(prefix + significant);
  return value > beyond ? beyond : value;
}

/** One character per byte: of the UTF-8 form for a string, of the bytes as they are otherwise. */
export function binaryString(text: string | Uint8Array): string {
  if (typeof text === 'string' && isAscii(text)) return text;
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  let result = '';
  for (const byte of bytes) result += String.fromCharCode(byte);
  return result;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

const simpleEscapes: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13 };
const numericEscape = /\\(?:x([0-9a-fA-F]*)|([0-7]+))/y;

/**
 * Undoes the escapes of a string. FreeBSD takes octal and hexadecimal escapes of any length, keeping the low
 * eight bits, and reads an unknown escape as the character itself.
 */
function unescapeBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; ) {
    if (text[i] !== '\\') {
      bytes[length++] = text.charCodeAt(i++);
      continue;
    }
    numericEscape.lastIndex = i;
    const match = numericEscape.exec(text);
    if (match === null) {
      bytes[length++] = simpleEscapes[text[i + 1]] ?? text.charCodeAt(i + 1);
      i += 2;
    } else {
      // Two hexadecimal or three octal digits hold all of the low eight bits.
      bytes[length++] =
        match[1] === undefined ? parseInt(match[2].slice(-3), 8) : parseInt(`0${match[1].slice(-2)}`, 16);
      i += match[0].length;
    }
  }
  return bytes.subarray(0, length);
}

const printedEscapes = new Map<number, string>([
  [9, '\\t'],
  [10, '\\n'],
  [11, '\\v'],
  [12, '\\f'],
  [13, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

const isHexDigit = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);

/**
 * The quoted form of a string. Since `\x` takes any number of digits, a digit right after a `\xNN` would be read as
 * part of it. FreeBSD prints such a digit plainly and so loses bytes; `exact` escapes it as well.
 */
export function quote(bytes: Uint8Array, exact = false): string {
  let text = '"';
  let afterHex = false;
  for (const byte of bytes) {
    const printed = printedEscapes.get(byte);
    const hex: boolean =
      printed === undefined && (byte < 0x20 || byte > 0x7e || (exact && afterHex && isHexDigit(byte)));
    text += printed ?? (hex ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte));
    afterHex = hex;
  }
  return `${text}"`;
}
