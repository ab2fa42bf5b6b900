import { type ArgType, type Count, type Field, t } from '../../src/netgraph/types/index.js';

/** A type as the recorded vectors describe it: shared/vectors/README.md. */
export interface Schema {
  kind: string;
  align: number;
  default?: string | null;
  size?: number;
  fields?: { name: string; align_override: number; type: Schema }[];
  length?: number;
  elem?: Schema;
  custom_elem_default?: number;
}

/** What a schema does not say: code of FreeBSD's. Keys are the path of field names, '' for the type itself. */
export interface Missing {
  /** Lengths of arrays and byte arrays. */
  counts?: Readonly<Record<string, Count>>;
  /** Defaults of elements. */
  elementDefaults?: Readonly<Record<string, (index: number) => unknown>>;
}

/** Thrown for a schema that cannot be built from what is known. */
export class Unbuildable extends Error {}

const primitives: Readonly<Record<string, ArgType>> = {
  int8: t.int8,
  uint8: t.uint8,
  hint8: t.hint8,
  int16: t.int16,
  uint16: t.uint16,
  hint16: t.hint16,
  int32: t.int32,
  uint32: t.uint32,
  hint32: t.hint32,
  int64: t.int64,
  uint64: t.uint64,
  hint64: t.hint64,
  string: t.string,
  sizedstring: t.sizedString,
  ipaddr: t.ipaddr,
  enaddr: t.enaddr,
};

/** Builds the type that a schema describes. */
export function fromSchema(schema: Schema, missing: Missing = {}, path: readonly string[] = []): ArgType {
  const primitive = primitives[schema.kind];
  if (primitive !== undefined) return primitive;
  const key = path.join('.');
  switch (schema.kind) {
    case 'fixedstring':
      return t.fixedString(schema.size!);
    case 'bytearray':
      return t.bytes(countOf(missing, key));
    case 'array':
      return t.array(
        element(schema, missing, path),
        countOf(missing, key),
        elementOptions(schema, missing, key),
      );
    case 'fixedarray':
      return t.fixedArray(
        element(schema, missing, path),
        schema.length!,
        elementOptions(schema, missing, key),
      );
    case 'struct':
      return t.struct(
        Object.fromEntries(schema.fields!.map((field) => [field.name, toField(field, missing, path)])),
      );
    default:
      throw new Unbuildable(`${schema.kind} at "${key}"`);
  }
}

const element = (schema: Schema, missing: Missing, path: readonly string[]): ArgType =>
  fromSchema(schema.elem!, missing, path);

function toField(
  { name, align_override, type }: { name: string; align_override: number; type: Schema },
  missing: Missing,
  path: readonly string[],
): ArgType | Field<unknown> {
  const built = fromSchema(type, missing, [...path, name]);
  return align_override === 0 ? built : t.field(built, { align: align_override });
}

function countOf(missing: Missing, key: string): Count {
  const count = missing.counts?.[key];
  if (count === undefined) throw new Unbuildable(`the length of "${key}"`);
  return count;
}

function elementOptions(
  schema: Schema,
  missing: Missing,
  key: string,
): { default?: (index: number) => unknown } {
  if (!schema.custom_elem_default) return {};
  const value = missing.elementDefaults?.[key];
  if (value === undefined) throw new Unbuildable(`the default of the elements of "${key}"`);
  return { default: value };
}
