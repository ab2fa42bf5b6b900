import { complain, EX, getopt, print, UsageError } from '../command.js';
import { withDaemon } from '../system.js';
import { type Module, moduleName, modules } from './load.js';

export const USAGE = `usage: kldstat [-h] [-q] [-v] [-i id] [-n filename]
       kldstat [-q] [-m modname]
`;

/** Width of `0xffffffff80200000`. What is loaded here has no address and no size. */
const ADDRESS = '0x0'.padStart(18);
const SIZE = '0'.padStart(8);

/** The table of kldstat(8). */
export function formatModules(list: readonly Module[], verbose: boolean): string {
  const lines = ['Id Refs Address                Size Name'];
  for (const { id, refs, name } of list) {
    const file = id === 1 ? name : `${name}.ko`;
    const row = `${String(id).padStart(2)} ${String(refs).padStart(4)} ${ADDRESS} ${SIZE} ${file}`;
    lines.push(verbose ? `${row} (netgraph/${file})` : row);
    if (verbose) lines.push('\tContains modules:', '\t\t Id Name', `\t\t${String(id).padStart(3)} ${name}`);
  }
  return `${lines.join('\n')}\n`;
}

/** kldstat(8) */
export async function kldstat(argv: readonly string[], out: (text: string) => void = print): Promise<number> {
  const { options, operands } = getopt(argv, 'hi:m:n:qv');
  if (operands.length > 0) throw new UsageError('');
  const has = (wanted: string) => options.some(({ option }) => option === wanted);
  const value = (wanted: string) => options.findLast(({ option }) => option === wanted)?.value;
  const [quiet, verbose] = [has('q'), has('v')];
  const [id, modname, file] = [value('i'), value('m'), value('n')];
  if (id !== undefined && !/^\d+$/.test(id)) throw new UsageError('');
  const list = modules(await withDaemon((client) => client.call('type.list', {})));
  const missing = (text: string): number => {
    if (!quiet) complain(`kldstat: ${text}: No such file or directory\n`);
    return 1;
  };
  if (modname !== undefined) {
    const found = list.find(({ name }) => name === modname);
    if (found === undefined) return missing(`can't find module ${modname}`);
    const row = `${String(found.id).padStart(3)} ${String(found.refs).padStart(4)} ${found.name}`;
    if (!quiet) out(`Id  Refs Name\n${row}\n`);
    return EX.OK;
  }
  const wanted = list.filter(
    (module) =>
      (file === undefined || module.name === moduleName(file)) &&
      (id === undefined || module.id === Number(id)),
  );
  if (wanted.length === 0)
    return missing(id === undefined ? `can't find file ${file}` : `can't stat file id ${id}`);
  if (!quiet) out(formatModules(wanted, verbose));
  return EX.OK;
}
