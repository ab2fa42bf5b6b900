/** The command lines of jail(8). */
import { fail, getopt, UsageError } from '../command.js';
import { Parameters } from './parameters.js';

export interface JailOptions {
  create: boolean;
  modify: boolean;
  remove: boolean;
  /** `-R`: remove without the commands that go with it. */
  bare: boolean;
  /** `-C`: only what follows a removal. */
  cleanUp: boolean;
  /** `-e`: show the configured jails, with this between their parameters. */
  exhibit?: string;
  /** `-f`; by default a file that need not be there for a removal. */
  file?: string;
  /** `-i` */
  printId: boolean;
  /** `-q` is -1, `-v` is 1. */
  verbosity: -1 | 0 | 1;
  /** `-J` */
  idFile?: string;
  /** Names of jails, as far as they are not told by parameters. */
  operands: string[];
  /** Of the one jail that the command line describes; undefined: jails are taken from the file or by name. */
  parameters?: Parameters;
  /** The command line of old: path, hostname, address, command. */
  oldStyle: boolean;
}

/** @throws UsageError, and Failure for a parameter that is unknown or wrong */
export function parseJail(argv: readonly string[]): JailOptions {
  const { options, operands } = getopt(argv, 'cCde:f:hiJ:lmn:p:qrRs:u:U:v');
  const result: JailOptions = {
    create: false,
    modify: false,
    remove: false,
    bare: false,
    cleanUp: false,
    printId: false,
    verbosity: 0,
    operands,
    oldStyle: false,
  };
  const parameters = new Parameters();
  let described = false;
  const describe = (name: string, value?: string): void => {
    parameters.set(name, value === undefined ? [] : [value]);
    described = true;
  };
  for (const { option, value } of options) {
    if (option === 'c') result.create = true;
    else if (option === 'm') result.modify = true;
    else if (option === 'r') result.remove = true;
    else if (option === 'R') Object.assign(result, { remove: true, bare: true });
    else if (option === 'C') Object.assign(result, { remove: true, cleanUp: true });
    else if (option === 'e') result.exhibit = value;
    else if (option === 'f') result.file = value;
    else if (option === 'i') Object.assign(result, { printId: true, verbosity: -1 });
    else if (option === 'J') result.idFile = value;
    else if (option === 'q') result.verbosity = -1;
    else if (option === 'v') result.verbosity = 1;
    else if (option === 'h') describe('ip_hostname');
    else if (option === 'l') describe('exec.clean');
    else if (option === 'n') describe('name', value);
    else if (option === 's') describe('securelevel', value);
    else if (option === 'u' || option === 'U') {
      describe('exec.jail_user', value);
      describe('exec.system_jail_user', String(option === 'u'));
    }
    // -d, as no jail lingers on when it is removed, and -p: commands are run one at a time anyway.
  }
  if (result.exhibit !== undefined) return result;
  if (!result.create && !result.modify && !result.remove) return oldStyle(result, parameters);
  if (result.remove && !result.create && !result.modify) {
    const isParameter = !result.bare && operands.some((word) => word.includes('='));
    if (described || operands.length === 0 || isParameter) throw new UsageError('');
    return result;
  }
  if (operands.length > 1 || described || operands[0]?.includes('=')) {
    if (result.bare) throw new UsageError('');
    addWords(parameters, operands);
    return { ...result, operands: [], parameters };
  }
  if (result.bare) throw new UsageError('');
  return result;
}

/** `command=` takes the rest of the line as its own words. */
function addWords(parameters: Parameters, words: readonly string[]): void {
  const at = words.findIndex((word) => /^command(=|$)/.test(word));
  for (const word of at < 0 ? words : words.slice(0, at)) parameters.add(word);
  if (at < 0) return;
  const [first, ...rest] = words.slice(at);
  const command = [...(first.includes('=') ? [first.slice('command='.length)] : []), ...rest];
  if (command.join('') === '') fail(1, 'command: no command given');
  parameters.set('command', command);
}

function oldStyle(result: JailOptions, parameters: Parameters): JailOptions {
  const [path, hostname, addresses, ...command] = result.operands;
  if (command.length === 0 || !path.startsWith('/')) throw new UsageError('');
  parameters.set('path', [path]);
  parameters.set('host.hostname', [hostname]);
  if (addresses !== '') parameters.set('ip4.addr', addresses.split(','));
  parameters.set('command', command);
  return { ...result, create: true, oldStyle: true, operands: [], parameters };
}
