import { NgError } from '../../src/netgraph/errors.js';
import { type ArgType, ParseError, parse, unparse } from '../../src/netgraph/types/index.js';

/** A case of parse_pure_cases.json, parse_messages.json or parse_special.json. */
export interface ParseCase {
  type: string;
  cookie?: number;
  cmd?: number;
  name?: string;
  which?: 'arg' | 'resp';
  dir?: 'unparse';
  text: string | null;
  errno: string | 0;
  off?: number;
  hex?: string;
  back?: string;
  buflen?: number;
  outlen?: number;
}

/** What was recorded, without what only describes the input. */
export function expected({ dir, text, errno, off, hex, back }: ParseCase): object {
  if (dir === 'unparse') return errno === 0 ? { errno, text } : { errno };
  return errno === 0 ? { errno, off, hex, back } : { errno, off };
}

/** What ours answers, in the same form. */
export function answer(type: ArgType, vector: ParseCase): object {
  try {
    return vector.dir === 'unparse' ? unparseCase(type, vector) : parseCase(type, vector);
  } catch (error) {
    if (error instanceof ParseError) return { errno: error.code, off: error.offset };
    if (error instanceof NgError) return { errno: error.code };
    throw error;
  }
}

function unparseCase(type: ArgType, { hex, outlen }: ParseCase): object {
  return { errno: 0, text: unparse(type, Buffer.from(hex!, 'hex'), { size: outlen ?? 20480 }) };
}

function parseCase(type: ArgType, { text, buflen }: ParseCase): object {
  // The recorder wrote bytes as Latin-1.
  const { bytes, end } = parse(type, Buffer.from(text!, 'latin1'), { size: buflen });
  return {
    errno: 0,
    off: end,
    hex: Buffer.from(bytes).toString('hex'),
    back: unparse(type, bytes, { size: 20480 }),
  };
}
