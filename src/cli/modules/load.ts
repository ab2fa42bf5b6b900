/** Loading node types by the names of FreeBSD's modules: kldload(8), kldunload(8), kldstat(8). */
import { basename } from 'node:path';
import { NgError } from '../../netgraph/errors.js';
import { complain, EX, Failure, getopt, print, UsageError } from '../command.js';
import { withDaemon } from '../system.js';

export const LOAD_USAGE = 'usage: kldload [-nqv] file ...\n';
export const UNLOAD_USAGE = 'usage: kldunload [-fv] -i id ...\n       kldunload [-fv] [-n] name ...\n';

/** The framework itself, which is there as soon as the daemon is. */
const FRAMEWORK = 'netgraph';
/** The first two rows of kldstat: what stands for the kernel, and the framework. */
const FIRST_TYPE = 3;

/** A module as kldstat(8) lists it. */
export interface Module {
  id: number;
  refs: number;
  /** Without `.ko`. */
  name: string;
}

/** The name of a module in a path: `/boot/kernel/ng_eiface.ko` is `ng_eiface`. */
export const moduleName = (file: string): string => basename(file).replace(/\.ko$/, '');

/** What is loaded, the framework first. Each node is a reference. */
export function modules(types: readonly { name: string; nodes: number }[]): Module[] {
  const all = types.reduce((sum, { nodes }) => sum + nodes, 0);
  return [
    { id: 1, refs: types.length + 2, name: 'kernel' },
    { id: 2, refs: 1 + (all > 0 ? types.length : 0), name: FRAMEWORK },
    ...types.map(({ name, nodes }, i) => ({ id: FIRST_TYPE + i, refs: 1 + nodes, name: `ng_${name}` })),
  ];
}

/** kldload(8) */
export async function kldload(argv: readonly string[]): Promise<number> {
  const { options, operands } = getopt(argv, 'nqv');
  if (operands.length === 0) throw new UsageError('');
  const has = (wanted: string) => options.some(({ option }) => option === wanted);
  const [ifNeeded, quiet, verbose] = [has('n'), has('q'), has('v')];
  return withDaemon(async (client) => {
    let failures = 0;
    for (const file of operands) {
      const name = moduleName(file);
      const loaded = modules(await client.call('type.list', {})).find((module) => module.name === name);
      if (loaded !== undefined) {
        if (ifNeeded) {
          if (verbose) print(`${file} is already loaded\n`);
          continue;
        }
        if (!quiet) complain(`kldload: can't load ${file}: module already loaded or in kernel\n`);
        failures++;
        continue;
      }
      try {
        if (!name.startsWith('ng_')) throw new NgError('ENOENT');
        await client.call('type.load', { name });
        if (verbose) print(`Loaded ${file}\n`);
      } catch (error) {
        failures++;
        if (!(error instanceof NgError)) throw error;
        if (!quiet) complain(`kldload: can't load ${file}: ${plain(error)}\n`);
      }
    }
    return failures > 0 ? 1 : EX.OK;
  });
}

/** kldunload(8) */
export async function kldunload(argv: readonly string[]): Promise<number> {
  const { options, operands } = getopt(argv, 'fi:n:v');
  const named = options.filter(({ option }) => option === 'n').map(({ value }) => value!);
  const ids = options.filter(({ option }) => option === 'i').map(({ value }) => Number(value));
  const verbose = options.some(({ option }) => option === 'v');
  const files = [...named, ...operands];
  if (files.length + ids.length === 0) throw new UsageError('');
  return withDaemon(async (client) => {
    let failures = 0;
    const list = modules(await client.call('type.list', {}));
    const byId = ids.map((id) => list.find((module) => module.id === id)?.name ?? `id ${id}`);
    for (const file of [...byId, ...files]) {
      try {
        const found = list.find(({ name }) => name === moduleName(file));
        if (found === undefined) throw new Failure(1, `can't find file ${file}: No such file or directory`);
        // The framework goes with the daemon only.
        if (found.id < FIRST_TYPE) throw new Failure(1, `can't unload file: Device busy`);
        await client.call('type.unload', { name: found.name });
        if (verbose) print(`Unloading ${found.name}.ko, id=${found.id}\n`);
      } catch (error) {
        failures++;
        if (!(error instanceof Failure || error instanceof NgError)) throw error;
        const text = error instanceof NgError ? `can't unload file: ${plain(error)}` : error.message;
        complain(`kldunload: ${text}\n`);
      }
    }
    return failures > 0 ? 1 : EX.OK;
  });
}

/** The sentence of an error number, and what the daemon has to say if that is more. */
export function plain(error: NgError): string {
  const sentence = new NgError(error.code).message;
  return error.message === sentence ? sentence : `${sentence} (${error.message})`;
}
