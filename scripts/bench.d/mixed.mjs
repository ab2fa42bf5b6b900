/** Pass-through node types with code of their own: what a graph of many types is made of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dist, scratch } from './lab.mjs';

export const MIXED = 12;

/** The source of type `mixN`: counts frames or octets, each in its own way, and passes the frame on. */
const declaration = (n) => `defineNode({
  type: 'mix${n}', cookie: ${n + 1}, hooks: ['left', 'right'],
  create({ hooks }) {
    let count${n} = 0;
    return { receive: {
      left: (frame) => { count${n} = (count${n} + ${n % 3 ? `frame.length + ${n}` : n + 1}) | 0; return hooks.right; },
      right: (frame) => { count${n} = (count${n} + ${n % 2 ? `frame.length ^ ${n}` : n + 1}) | 0; return hooks.left; },
    } };
  },
})`;

/** The types, for a graph of this process. */
export const mixedTypes = (defineNode) =>
  Array.from({ length: MIXED }, (_, n) =>
    new Function('defineNode', `'use strict'; return ${declaration(n)}`)(defineNode),
  );

/** The same as modules for NETGRAPH_MODULE_PATH; returns the directory. */
export function mixedModules() {
  const directory = join(scratch, 'modules');
  mkdirSync(directory, { recursive: true });
  for (let n = 0; n < MIXED; n++) {
    const source = `import { defineNode } from '${dist}/index.js';\nexport default ${declaration(n)};\n`;
    writeFileSync(join(directory, `ng_mix${n}.mjs`), source);
  }
  return directory;
}

/** Name of the type of the n-th node of a mixed chain whose nodes all have hooks `left` and `right`. */
export function chainType(n) {
  const types = ['hub', 'tee', ...Array.from({ length: MIXED - 2 }, (_, i) => `mix${i}`)];
  return types[n % types.length];
}
