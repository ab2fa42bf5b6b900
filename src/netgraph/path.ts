import { NgError } from './errors.js';

/** A netgraph address taken apart. */
export interface Path {
  /** Name of the node where the hooks start, '.' for the local node; undefined when the path is relative. */
  node: string | undefined;
  /** Names of the hooks to follow from there. */
  hooks: string[];
}

/**
 * Takes an address apart: `[node:]hook.hook`. One leading and one trailing dot are ignored, so that `.` is the
 * local node, see netgraph(4), Addressing.
 * @throws NgError EINVAL
 */
export function parsePath(path: string): Path {
  const refuse = (why: string) => new NgError('EINVAL', `bad path "${path}": ${why}`);
  const colon = path.indexOf(':');
  let node: string | undefined;
  let rest = path;
  if (colon >= 0) {
    node = path.slice(0, colon);
    rest = path.slice(colon + 1);
    if (node === '') throw refuse('no node before the colon');
    if (node !== '.' && node.includes('.')) throw refuse('a node name has no dots');
    if (rest.includes(':')) throw refuse('more than one colon');
  }
  if (rest.includes('..')) throw refuse('two dots in a row');
  if (rest.startsWith('.')) rest = rest.slice(1);
  if (rest.endsWith('.')) rest = rest.slice(0, -1);
  return { node, hooks: rest === '' ? [] : rest.split('.') };
}

/** The ID in a name of the form `[hex]`; 0 when it is not of that form. */
export function decodeId(name: string): number {
  const match = /^\[((?:0[xX])?[0-9a-fA-F]+)\]$/.exec(name);
  if (match === null) return 0;
  const value = BigInt(`0x${match[1].replace(/^0[xX]/, '')}`);
  // IDs have 32 bits: FreeBSD looks at the lower ones of an unsigned long.
  return value >= 0xffff_ffff_ffff_ffffn ? 0 : Number(value & 0xffff_ffffn);
}

/** The name that addresses a node by its ID. */
export const idPath = (id: number): string => `[${id.toString(16)}]:`;
