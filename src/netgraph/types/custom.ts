import { type Data, noDefault, type Output, type Printer, skipWritten, Type } from './core.js';
import type { Text } from './text.js';

/** A type that no other one expresses: a socket address, a time. The methods are those of `ArgType`. */
export interface CustomType<T> {
  kind: string;
  /** In bytes; 0, the default, for none. */
  align?: number;
  /** In bytes, if always the same. */
  size?: number;
  /** Default: `<kind>`. */
  describe?(): string;
  /** Reads the value at `text.at`, leaves `text.at` behind it, and appends its bytes. */
  parse(text: Text, out: Output): void;
  /** Steps over the value at `data.at` and prints it. */
  unparse(data: Data, printer: Printer): void;
  /** Appends the default. Left out, there is none (EOPNOTSUPP). */
  default?(out: Output): void;
  encode(value: T, out: Output): void;
  decode(data: Data): T;
}

export class Custom<T> extends Type<T> {
  readonly kind: string;
  readonly align: number;
  readonly size: number | undefined;

  constructor(readonly definition: CustomType<T>) {
    super();
    this.kind = definition.kind;
    this.align = definition.align ?? 0;
    this.size = definition.size;
  }

  override describe(): string {
    return this.definition.describe?.() ?? super.describe();
  }

  override parse(text: Text, out: Output): void {
    this.definition.parse(text, out);
  }

  override print(data: Data, printer: Printer): void {
    this.definition.unparse(data, printer);
  }

  override writeDefault(out: Output): void {
    if (this.definition.default === undefined) noDefault(this, out);
    this.definition.default(out);
  }

  override skipDefault(data: Data): boolean {
    return skipWritten(data, this, (out) => this.writeDefault(out));
  }

  override write(value: unknown, out: Output): void {
    this.definition.encode(value as T, out);
  }

  override read(data: Data): T {
    return this.definition.decode(data);
  }
}
