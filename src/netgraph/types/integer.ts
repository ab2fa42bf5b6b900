import { type Data, Leaf, type Output, type Printer, show } from './core.js';
import type { Text } from './text.js';

export type IntegerFormat = 'int' | 'uint' | 'hint';

const clamp = (value: bigint, low: bigint, high: bigint): bigint =>
  value < low ? low : value > high ? high : value;

/** strtol(3) with 64-bit long: saturates. */
const asLong = (value: bigint): bigint => clamp(value, -(1n << 63n), (1n << 63n) - 1n);

/** strtoul(3), then assigned to a long as FreeBSD does: too large a number becomes ULONG_MAX, which is -1. */
const asUnsignedLong = (value: bigint): bigint =>
  value >= 1n << 64n || value <= -(1n << 64n) ? -1n : BigInt.asIntN(64, value);

/**
 * An integer of 8, 16 or 32 bits. In text and in values it may be given signed or unsigned, whatever the type: int8
 * and uint8 both take -128 to 255.
 */
export class IntegerType extends Leaf<number> {
  readonly kind: string;
  readonly align: number;
  readonly size: number;
  protected readonly zeros: number;
  readonly #low: number;
  readonly #high: number;
  readonly #signShift: number;

  constructor(
    bits: 8 | 16 | 32,
    readonly format: IntegerFormat,
  ) {
    super();
    this.kind = `${format}${bits}`;
    this.size = this.align = this.zeros = bits / 8;
    this.#low = -(2 ** (bits - 1));
    this.#high = 2 ** bits - 1;
    this.#signShift = 32 - bits;
  }

  override parse(text: Text, out: Output): void {
    const number = text.integer() ?? text.refuse(`expected an integer, found ${text.found()}`);
    const unsigned = this.size === 4 && this.format !== 'int';
    const value = unsigned ? asUnsignedLong(number.value) : asLong(number.value);
    if (value < this.#low || value > this.#high) text.refuse(`${text.found()} is ${this.#outside}`);
    text.at = number.end;
    this.write(Number(value), out);
  }

  override print(data: Data, printer: Printer): void {
    const value = this.read(data);
    printer.put(this.format === 'hint' ? `0x${value.toString(16)}` : String(value));
  }

  override write(value: unknown, out: Output): void {
    this.writeAt(out, out.reserve(this.size), value);
  }

  /** Writes over bytes that are already there. */
  writeAt(out: Output, at: number, value: unknown): void {
    if (typeof value !== 'number' || !Number.isInteger(value)) out.refuse(`${show(value)} is not an integer`);
    if (value < this.#low || value > this.#high) out.refuse(`${value} is ${this.#outside}`);
    const { bytes } = out;
    bytes[at] = value;
    if (this.size > 1) bytes[at + 1] = value >> 8;
    if (this.size > 2) {
      bytes[at + 2] = value >> 16;
      bytes[at + 3] = value >> 24;
    }
  }

  override read(data: Data): number {
    return this.readAt(data.bytes, data.take(this.size));
  }

  /** The integer at an offset that is known to be inside. */
  readAt(bytes: Uint8Array, at: number): number {
    let value = bytes[at];
    if (this.size > 1) value |= bytes[at + 1] << 8;
    if (this.size > 2) value |= (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    return this.format === 'int' ? (value << this.#signShift) >> this.#signShift : value >>> 0;
  }

  get #outside(): string {
    return `out of range for ${this.kind} (${this.#low} to ${this.#high})`;
  }
}

const scratchBytes = new Uint8Array(8);
const scratch = new DataView(scratchBytes.buffer);

/** An integer of 64 bits, a bigint in TypeScript. In text it saturates at the limits of int64, even when unsigned. */
export class Integer64Type extends Leaf<bigint> {
  readonly kind: string;
  readonly align = 8;
  readonly size = 8;
  protected readonly zeros = 8;

  constructor(readonly format: IntegerFormat) {
    super();
    this.kind = `${format}64`;
  }

  override parse(text: Text, out: Output): void {
    const number = text.integer() ?? text.refuse(`expected an integer, found ${text.found()}`);
    text.at = number.end;
    this.write(asLong(number.value), out);
  }

  override print(data: Data, printer: Printer): void {
    const value = this.read(data);
    printer.put(this.format === 'hint' ? `0x${value.toString(16)}` : String(value));
  }

  override write(value: unknown, out: Output): void {
    if (typeof value !== 'bigint') out.refuse(`${show(value)} is not a bigint`);
    if (value < -(1n << 63n) || value >= 1n << 64n) out.refuse(`${value} is out of range for ${this.kind}`);
    scratch.setBigUint64(0, value, true);
    const at = out.reserve(8);
    for (let i = 0; i < 8; i++) out.bytes[at + i] = scratchBytes[i];
  }

  override read(data: Data): bigint {
    const at = data.take(8);
    for (let i = 0; i < 8; i++) scratchBytes[i] = data.bytes[at + i];
    return this.format === 'int' ? scratch.getBigInt64(0, true) : scratch.getBigUint64(0, true);
  }
}
