/** sysctl(8) of the netgraph daemon; what is not its own is left to the system's. */
import { spawnSync } from 'node:child_process';
import { NgError } from '../../netgraph/errors.js';
import type { Result } from '../../protocol/index.js';
import { complain, EX, getopt, print, UsageError } from '../command.js';
import { withDaemon } from '../system.js';

export const USAGE = `usage: sysctl [-deiNnq] name[=value] ...
       sysctl [-deNnq] -a
`;

/** Branches of the tree that are the daemon's. */
const OWN = /^net\.graph(\.|$)/;
/** Not by $PATH: in `netgraph shell` we stand in front of it. */
const SYSTEM_PATH = '/usr/sbin:/sbin:/usr/bin:/bin';

export interface Format {
  /** `-n` */
  valuesOnly: boolean;
  /** `-N` */
  namesOnly: boolean;
  /** `-d` */
  describe: boolean;
  /** Between name and value: `: `, or `=` for `-e`. */
  between: string;
}

export type Sysctl = Result<'sysctl.list'>[number];

/** One line for one of them. */
export function formatSysctl({ name, value, description }: Sysctl, format: Format): string {
  if (format.namesOnly) return `${name}\n`;
  const text = format.describe ? description : String(value);
  return format.valuesOnly ? `${text}\n` : `${name}${format.between}${text}\n`;
}

/** sysctl(8) */
export async function sysctl(argv: readonly string[], out: (text: string) => void = print): Promise<number> {
  // The system's has options of its own, which are its business.
  if (!argv.some((word) => OWN.test(word)) && !argv.some((word) => /^-[A-Za-z]*[aAX]/.test(word)))
    return system(argv);
  const { options, operands } = getopt(argv, 'aAbdeFiNnqWwX');
  const has = (...wanted: string[]) => options.some(({ option }) => wanted.includes(option));
  const format: Format = {
    valuesOnly: has('n'),
    namesOnly: has('N'),
    describe: has('d'),
    between: has('e') ? '=' : ': ',
  };
  const all = has('a', 'A', 'X');
  if (!all && operands.length === 0) throw new UsageError('');
  let failures = 0;
  await withDaemon(async (client) => {
    const list = await client.call('sysctl.list', {});
    for (const one of all ? list : []) out(formatSysctl(one, format));
    for (const operand of all ? [] : operands.filter((word) => OWN.test(word))) {
      const [name, value] = splitOnce(operand);
      const found = list.filter((one) => one.name === name || one.name.startsWith(`${name}.`));
      if (found.length === 0) {
        if (has('i')) continue;
        if (!has('q')) complain(`sysctl: unknown oid '${name}'\n`);
        failures++;
      } else if (value === undefined) {
        for (const one of found) out(formatSysctl(one, format));
      } else {
        failures += (await write(client, found[0], value, format, out)) ? 0 : 1;
      }
    }
  });
  const rest = operands.filter((word) => !OWN.test(word));
  if (all || rest.length > 0) {
    const words = argv.filter((word) => word.startsWith('-'));
    if (system([...words, ...rest]) !== 0) failures++;
  }
  return failures > 0 ? 1 : EX.OK;
}

type Caller = Parameters<Parameters<typeof withDaemon>[0]>[0];

async function write(
  client: Caller,
  one: Sysctl,
  value: string,
  format: Format,
  out: (text: string) => void,
): Promise<boolean> {
  try {
    const { value: now } = await client.call('sysctl.write', { name: one.name, value });
    out(format.valuesOnly ? `${now}\n` : `${one.name}${format.between}${one.value} -> ${now}\n`);
    return true;
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    complain(`sysctl: ${one.name}=${value}: ${error.message}\n`);
    return false;
  }
}

function splitOnce(word: string): [name: string, value: string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/** Runs the system's own. Returns its exit code. */
function system(argv: readonly string[]): number {
  const env = { ...process.env, PATH: SYSTEM_PATH };
  const { status, error } = spawnSync('sysctl', argv, { stdio: 'inherit', env });
  if (error !== undefined) complain(`sysctl: the system has none: ${error.message}\n`);
  return status ?? 1;
}
