import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = fileURLToPath(new URL('../src/', import.meta.url));

/** What the files of each folder may import: other folders, or single files of theirs. Types are always free. */
const arrows: Record<string, readonly string[]> = {
  vnet: [],
  wire: [],
  netgraph: ['vnet', 'wire'],
  nodes: ['netgraph', 'vnet', 'wire'],
  linux: ['netgraph/errors.ts', 'netgraph/frame.ts', 'netgraph/device.ts', 'wire'],
  jail: ['linux', 'netgraph', 'vnet'],
  protocol: ['netgraph'],
  client: ['netgraph', 'protocol'],
  state: [],
  world: ['client', 'jail', 'linux', 'netgraph', 'nodes', 'state', 'vnet', 'wire'],
  daemon: ['jail', 'linux', 'netgraph', 'nodes', 'protocol', 'state', 'vnet', 'world'],
  // `netgraph daemon` is the daemon; `netgraph types` prints the declarations of node types.
  cli: [
    'client',
    'daemon/main.ts',
    'linux',
    'netgraph/errors.ts',
    'netgraph/index.ts',
    'nodes/index.ts',
    'protocol',
  ],
};

/** Folders that run anywhere: they do no I/O, and time and chance are given to them. */
const pure = ['vnet', 'netgraph', 'wire'];

const impure =
  /(?<![.\w'"])(Buffer|Date|performance|process|console|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|require|Math\.random|crypto)\s*[.(]/;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly types: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

const source = (file: string): string =>
  readFileSync(join(src, file), 'utf8')
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/(?<!:)\/\/.*$/gm, '');

const importStatement =
  /^\s*(?:import|export)\s+(type\s)?[^'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+(?<bare>)['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

function importsOf(file: string): Import[] {
  return [...source(file).matchAll(importStatement)].map((match) => {
    const to = match[2] ?? match[4] ?? match[5];
    const inside = to.startsWith('.');
    return {
      from: file,
      to: inside ? relative(src, join(src, dirname(file), to)).replace(/\.js$/, '.ts') : to,
      types: match[1] !== undefined,
    };
  });
}

const folderOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');
const isOurs = ({ to }: Import): boolean => files.includes(to);
const imports = files.flatMap(importsOf);
const say = ({ from, to }: Import): string => `${from} imports ${to}`;

describe('the layers of design.md', () => {
  it('have arrows for every folder', () => {
    expect(Object.keys(arrows).sort()).toEqual([...new Set(files.map(folderOf))].filter(Boolean).sort());
  });

  it('are found: the files of a folder that has any import each other', () => {
    expect(imports.filter(isOurs).length).toBeGreaterThan(50);
    expect(imports.filter((one) => !isOurs(one) && one.to.endsWith('.ts')).map(say)).toEqual([]);
  });

  it('are imported along the arrows only', () => {
    const wrong = imports.filter((one) => {
      const folder = folderOf(one.from);
      // The front door and the world may use everything below.
      if (folder === '' || one.types || !isOurs(one)) return false;
      const allowed = arrows[folder];
      return folderOf(one.to) !== folder && !allowed.includes(folderOf(one.to)) && !allowed.includes(one.to);
    });
    expect(wrong.map(say)).toEqual([]);
  });

  it('are not imported from outside by the front door of the library, but for the tools and the daemon', () => {
    const wrong = imports.filter(
      ({ from, to }) => from === 'index.ts' && ['cli', 'daemon'].includes(folderOf(to)),
    );
    expect(wrong.map(say)).toEqual([]);
  });

  it('have one user of the native bindings: linux', () => {
    const users = files.filter((file) => /['"][^'"]*native-bindings['"]/.test(source(file))).map(folderOf);
    expect([...new Set(users)]).toEqual(['linux']);
  });
});

describe.each(pure)('src/%s', (folder) => {
  const own = files.filter((file) => folderOf(file) === folder);

  it('imports nothing of Node and no package', () => {
    const wrong = imports.filter((one) => folderOf(one.from) === folder && !one.types && !isOurs(one));
    expect(wrong.map(say)).toEqual([]);
  });

  it('reads no clock, does no I/O and leaves nothing to chance', () => {
    const wrong = own
      .map((file) => [file, impure.exec(source(file))?.[0]])
      .filter(([, found]) => found !== undefined);
    expect(wrong).toEqual([]);
  });
});

describe('src/nodes', () => {
  it('has one file for a type, and every type is in the list', () => {
    const declaring = files.filter(
      (file) => folderOf(file) === 'nodes' && source(file).includes('defineNode('),
    );
    const listed = imports.filter(({ from }) => from === 'nodes/index.ts').map(({ to }) => to);
    expect(declaring.filter((file) => !listed.includes(file))).toEqual([]);
    for (const file of declaring)
      expect([file, source(file).split('defineNode({').length - 1]).toEqual([file, 1]);
  });
});
