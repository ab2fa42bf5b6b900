import type { VnetVariable } from './variable.js';
import type { Vnet } from './vnet.js';

/** A sysctl's value as a program sees it. Structures are bytes. */
export type SysctlValue = number | string | Uint8Array;

export type SysctlFormat = 'int' | 'uint' | 'string' | 'struct';

/** A per-vnet sysctl: `read` and `write` act on the copy of the given vnet. */
export interface Sysctl {
  readonly name: string;
  readonly format: SysctlFormat;
  readonly description: string;
  readonly read: (vnet: Vnet) => SysctlValue;
  /** Absent for read-only ones. Throws `SysctlError` when the value is refused. */
  readonly write?: (vnet: Vnet, value: SysctlValue) => void;
}

export class SysctlError extends Error {
  override readonly name = 'SysctlError';
  constructor(
    readonly code: 'ENOENT' | 'EPERM' | 'EINVAL',
    message: string,
  ) {
    super(message);
  }
}

interface Options {
  /** CTLFLAG_RD. */
  readOnly?: boolean;
}

/** Where a number is: a variable, or what stands for one. */
type NumberVariable = Pick<VnetVariable<number>, 'get' | 'set'>;

interface NumberOptions extends Options {
  min?: number;
  max?: number;
}

/** How a structure is stored in a per-vnet variable and seen as bytes: sysctl's `S,name` format. */
interface StructCodec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** The SYSCTL_VNET_* family: one declaration, one value in each vnet. */
export class Sysctls {
  private readonly entries = new Map<string, Sysctl>();

  /** SYSCTL_VNET_INT. */
  int(name: string, variable: NumberVariable, description: string, options: NumberOptions = {}): void {
    this.number('int', name, variable, description, { min: -0x80000000, max: 0x7fffffff, ...options });
  }

  /** SYSCTL_VNET_UINT. */
  uint(name: string, variable: NumberVariable, description: string, options: NumberOptions = {}): void {
    this.number('uint', name, variable, description, { min: 0, max: 0xffffffff, ...options });
  }

  /** SYSCTL_VNET_STRING: at most `size` bytes with the terminating NUL. */
  string(
    name: string,
    variable: VnetVariable<string>,
    size: number,
    description: string,
    options: Options = {},
  ): void {
    const write = (vnet: Vnet, value: SysctlValue) => {
      if (typeof value !== 'string' || new TextEncoder().encode(value).length >= size)
        throw new SysctlError('EINVAL', `${name}: not a string of fewer than ${size} bytes: ${value}`);
      variable.set(vnet, value);
    };
    this.add(name, 'string', description, (vnet) => variable.get(vnet), options.readOnly ? undefined : write);
  }

  /** SYSCTL_VNET_STRUCT. */
  struct<T>(
    name: string,
    variable: VnetVariable<T>,
    codec: StructCodec<T>,
    description: string,
    options: Options = {},
  ): void {
    const write = (vnet: Vnet, value: SysctlValue) => {
      if (!(value instanceof Uint8Array)) throw new SysctlError('EINVAL', `${name}: not a structure`);
      variable.set(vnet, codec.decode(value));
    };
    const read = (vnet: Vnet) => codec.encode(variable.get(vnet));
    this.add(name, 'struct', description, read, options.readOnly ? undefined : write);
  }

  /**
   * SYSCTL_VNET_PROC: functions in place of a variable. They are given the vnet of the caller, in which they
   * find their own variables (VNET_SYSCTL_ARG).
   */
  proc(
    name: string,
    format: SysctlFormat,
    description: string,
    read: Sysctl['read'],
    write?: Sysctl['write'],
  ): void {
    this.add(name, format, description, read, write);
  }

  remove(name: string): void {
    this.entries.delete(name);
  }

  /** All sysctls, sorted by name. */
  list(): Sysctl[] {
    return [...this.entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  read(vnet: Vnet, name: string): SysctlValue {
    return this.find(name).read(vnet);
  }

  write(vnet: Vnet, name: string, value: SysctlValue): void {
    const entry = this.find(name);
    if (entry.write === undefined) throw new SysctlError('EPERM', `${name} is read-only`);
    entry.write(vnet, value);
  }

  private number(
    format: 'int' | 'uint',
    name: string,
    variable: NumberVariable,
    description: string,
    { min, max, readOnly }: NumberOptions & { min: number; max: number },
  ): void {
    const write = (vnet: Vnet, value: SysctlValue) => {
      const next = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof next !== 'number' || !Number.isInteger(next) || next < min || next > max)
        throw new SysctlError('EINVAL', `${name}: not a whole number from ${min} to ${max}: ${value}`);
      variable.set(vnet, next);
    };
    this.add(name, format, description, (vnet) => variable.get(vnet), readOnly ? undefined : write);
  }

  private add(
    name: string,
    format: SysctlFormat,
    description: string,
    read: Sysctl['read'],
    write: Sysctl['write'],
  ): void {
    if (this.entries.has(name)) throw new Error(`sysctl ${name} is there already`);
    this.entries.set(name, { name, format, description, read, write });
  }

  private find(name: string): Sysctl {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new SysctlError('ENOENT', `unknown sysctl ${name}`);
    return entry;
  }
}
