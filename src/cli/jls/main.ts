import { EX, fail, getopt, print } from '../command.js';
import { listJails, notFound, pickJail, withDaemon } from '../system.js';
import { type Form, formatJails, jailsAsJson } from './format.js';
import { allParameters, checkParameter, type ListedJail, withChildren } from './parameters.js';

export const USAGE = 'usage: jls [--libxo json[,pretty]] [-cdhNnqsv] [-j jail] [param ...]\n';

interface Options {
  form: Form;
  jail?: string;
  /** `-c`: say by the exit code whether it exists. */
  checkOnly: boolean;
  json?: 'plain' | 'pretty';
}

/** Takes libxo's options out, which may stand anywhere: xo_parse_args(3). */
function takeLibxo(argv: readonly string[]): { rest: string[]; json: Options['json'] } {
  const rest = [...argv];
  const at = rest.findIndex((word) => /^--libxo([:=]|$)/.test(word));
  if (at < 0) return { rest, json: undefined };
  const [word] = rest.splice(at, 1);
  if (word.startsWith('--libxo:')) {
    const letters = word.slice('--libxo:'.length);
    if (letters.includes('J')) return { rest, json: letters.includes('P') ? 'pretty' : 'plain' };
    return { rest, json: undefined };
  }
  const wishes = (word.startsWith('--libxo=') ? word.slice(8) : (rest.splice(at, 1)[0] ?? '')).split(',');
  if (wishes.includes('text')) return { rest, json: undefined };
  if (!wishes.includes('json')) fail(1, `--libxo ${wishes.join(',')}: only json and text are there`);
  return { rest, json: wishes.includes('pretty') ? 'pretty' : 'plain' };
}

/** What the command line asks for, jls(8). */
export function parseJls(argv: readonly string[]): Options {
  const { rest, json } = takeLibxo(argv);
  const { options, operands } = getopt(rest, 'acdhj:Nnqsv');
  const form: Form = {
    kind: 'table',
    header: false,
    names: false,
    jailNames: false,
    quoted: false,
    settable: false,
    parameters: [],
  };
  let verbose = false;
  const result: Options = { form, checkOnly: false, json };
  for (const { option, value } of options) {
    // The later of -h, -n, -s and -v counts, as far as they exclude each other.
    if (option === 'c') result.checkOnly = true;
    else if (option === 'j') result.jail = value!;
    else if (option === 'N') form.jailNames = true;
    else if (option === 'q') form.quoted = true;
    else if (option === 'h') Object.assign(form, { header: true, settable: false });
    else if (option === 'n') form.names = true;
    else if (option === 's')
      Object.assign(form, { header: false, names: true, quoted: true, settable: true });
    else if (option === 'v') Object.assign(form, { header: false, names: false, settable: false });
    if ('hnsv'.includes(option)) verbose = option === 'v';
  }
  form.parameters = operands.flatMap((name) => (name === 'all' ? allParameters() : [name]));
  for (const name of form.parameters) checkParameter(name);
  if (operands.length > 0) form.kind = 'values';
  else if (verbose) form.kind = 'verbose';
  else if (form.header || form.names) Object.assign(form, { kind: 'values', parameters: allParameters() });
  return result;
}

/** jls(8) */
export async function jls(argv: readonly string[], out: (text: string) => void = print): Promise<number> {
  const { form, jail, checkOnly, json } = parseJls(argv);
  const jails = withChildren(await withDaemon(listJails));
  const wanted = jail === undefined ? jails : select(jails, jail, checkOnly);
  if (wanted === undefined) return 1;
  if (checkOnly) return EX.OK;
  out(json === undefined ? formatJails(wanted, form) : jailsAsJson(wanted, form, json === 'pretty'));
  return EX.OK;
}

function select(jails: readonly ListedJail[], name: string, quiet: boolean): ListedJail[] | undefined {
  const found = pickJail(jails, name);
  if (found !== undefined) return [found];
  return quiet ? undefined : notFound(name);
}
