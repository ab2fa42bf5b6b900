import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { NgError, type NodeType } from '../netgraph/index.js';
import { nodeTypes } from '../nodes/index.js';

const EXTENSIONS = ['js', 'mjs', 'cjs'];

/**
 * Finds node types by name: those that come with the program first, then modules `ng_<type>.js` (or .mjs, .cjs) on
 * a search path, whose default export is what `defineNode` gave. Loading is synchronous, as messages are.
 */
export class ModuleLoader {
  private readonly require = createRequire(import.meta.url);

  constructor(private readonly searchPath: readonly string[]) {}

  /** @throws NgError ENOEXEC there is a module but it cannot be used */
  load(name: string): NodeType | undefined {
    const own = nodeTypes.get(name);
    if (own !== undefined) return own;
    if (!/^[A-Za-z0-9_]+$/.test(name)) return undefined;
    for (const directory of this.searchPath) {
      for (const extension of EXTENSIONS) {
        const file = join(directory, `ng_${name}.${extension}`);
        if (existsSync(file)) return this.loadFile(file, name);
      }
    }
    return undefined;
  }

  private loadFile(file: string, name: string): NodeType {
    let exported: { default?: unknown };
    try {
      exported = this.require(file) as { default?: unknown };
    } catch (error) {
      throw new NgError('ENOEXEC', `${file}: ${NgError.fromSystem(error).message}`);
    }
    const type = exported.default ?? exported;
    if (!isNodeType(type)) throw new NgError('ENOEXEC', `${file}: its default export is not a node type`);
    if (type.type !== name) throw new NgError('ENOEXEC', `${file}: defines type "${type.type}"`);
    return type;
  }
}

function isNodeType(value: unknown): value is NodeType {
  const type = value as Partial<NodeType> | null;
  return typeof type?.create === 'function' && type.commands instanceof Map && typeof type.type === 'string';
}
