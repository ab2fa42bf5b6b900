import { type Address, IFF, type Link, Rtnetlink } from '../../linux/rtnetlink.js';
import { complain, EX, fail, getopt, print, UsageError } from '../command.js';
import { findJail, netnsOf } from '../system.js';
import { type Context, Interface, reclaim } from './apply.js';
import { cloners, create } from './create.js';
import { type Formats, isEthernet, type ShowOptions, showLink } from './show.js';
import { type Family, familyOf, readWords } from './words.js';

export const USAGE = `usage: ifconfig [-j jail] [-D] [-f type:format] interface [address_family]
                [address [dest_address]] [parameters]
       ifconfig [-j jail] interface create
       ifconfig -a [-j jail] [-Ddmuv] [address_family]
       ifconfig -l [-j jail] [-du] [address_family]
       ifconfig -C
`;

interface Options {
  jail?: string;
  all: boolean;
  namesOnly: boolean;
  cloners: boolean;
  /** Only interfaces that are up (true) or down (false). */
  up?: boolean;
  show: ShowOptions;
}

interface World {
  links: Link[];
  addresses: Address[];
}

/** What surrounds a run. */
export interface Surroundings extends Context {
  out(text: string): void;
}

const REAL: Surroundings = {
  // The namespace of the process, and not of one of its threads.
  netns: '/proc/self/ns/net',
  findJail,
  out: print,
  warn: (text) => complain(`ifconfig: ${text}\n`),
};

/** ifconfig(8) */
export async function ifconfig(argv: readonly string[], around: Partial<Surroundings> = {}): Promise<number> {
  const real = { ...REAL, ...around };
  const { options, operands } = parse(argv);
  if (options.cloners) {
    real.out(`${cloners().join(' ')}\n`);
    return EX.OK;
  }
  if (options.jail !== undefined) real.netns = netnsOf(await real.findJail(options.jail));
  const all = options.all || (!options.namesOnly && operands.length === 0);
  if (all || options.namesOnly) list(real, options, operands);
  else await one(real, options, operands);
  return EX.OK;
}

function parse(argv: readonly string[]): { options: Options; operands: string[] } {
  const { options: given, operands } = getopt(argv, 'aCDdf:j:klmnuv');
  const options: Options = { all: false, namesOnly: false, cloners: false, show: { formats: {} } };
  setFormats(options.show.formats!, process.env.IFCONFIG_FORMAT ?? '');
  let [up, down, media] = [false, false, false];
  for (const { option, value } of given) {
    if (option === 'a') options.all = true;
    else if (option === 'C') options.cloners = true;
    else if (option === 'D') options.show.driver = true;
    else if (option === 'd') down = true;
    else if (option === 'f') setFormats(options.show.formats!, value!);
    else if (option === 'j') options.jail = value!;
    else if (option === 'l') options.namesOnly = true;
    else if (option === 'm') media = true;
    else if (option === 'u') up = true;
  }
  if ((options.namesOnly && (options.all || media)) || (up && down)) throw new UsageError('');
  if (up || down) options.up = up;
  return { options, operands };
}

/** `inet:cidr,ether:dash` */
function setFormats(formats: Formats, text: string): void {
  for (const part of text.split(',')) {
    const [category, format] = part.split(':');
    if (category === 'inet' || category === 'inet6' || category === 'ether') formats[category] = format;
  }
}

function list(
  { netns, out, warn }: Surroundings,
  { namesOnly, up, show }: Options,
  operands: string[],
): void {
  if (operands.length > 1) throw new UsageError('');
  const family = operands.length === 1 ? familyOf(operands[0]) : undefined;
  if (operands.length === 1 && family === undefined) {
    warn(`Address family '${operands[0]}' unknown.`);
    throw new UsageError('');
  }
  const world = look(netns);
  const wanted = world.links.filter(
    (link) => (up === undefined || ((link.flags & IFF.UP) !== 0) === up) && hasFamily(world, link, family),
  );
  if (namesOnly) out(`${wanted.map(({ name }) => name).join(' ')}\n`);
  else out(wanted.map((link) => showLink(link, world.addresses, { ...show, family })).join(''));
}

function look(netns: string): World {
  const kernel = new Rtnetlink(netns);
  return { links: kernel.links(), addresses: kernel.addresses() };
}

function hasFamily({ addresses }: World, link: Link, family: Family | undefined): boolean {
  if (family === undefined) return true;
  if (family === 'ether') return isEthernet(link);
  return addresses.some((address) => address.index === link.index && address.family === family);
}

async function one(around: Surroundings, options: Options, [name, ...words]: string[]): Promise<void> {
  const { netns, out } = around;
  let world = look(netns);
  let link = world.links.find((candidate) => candidate.name === name);
  let isNew = false;
  if (words[0] === 'create' || words[0] === 'plumb') {
    // What FreeBSD calls lo0 is lo here, and yet lo is the name of a kind.
    if (cloners().includes(name)) link = undefined;
    if (link !== undefined && words.length === 1) fail(1, `interface ${name} already exists`);
    words.shift();
    if (link === undefined) {
      const made = create(netns, name);
      isNew = made !== name;
      world = look(netns);
      link = world.links.find((candidate) => candidate.name === made)!;
      if (words.length === 0) return isNew ? out(`${made}\n`) : undefined;
    }
  } else if (link === undefined && words[0] === '-vnet') {
    await reclaim(around, name, words[1] ?? fail(1, "'-vnet' requires argument"));
    words.splice(0, 2);
    if (words.length === 0) return;
    world = look(netns);
    link = world.links.find((candidate) => candidate.name === name);
  }
  if (link === undefined) fail(1, `interface ${name} does not exist`);
  const family = words.length > 0 ? familyOf(words[0]) : undefined;
  if (words.length === (family === undefined ? 0 : 1))
    return out(showLink(link, world.addresses, { ...options.show, family }));
  const actions = readWords(family === undefined ? words : words.slice(1), family);
  const target = new Interface(around, link.index, link.name);
  try {
    await target.apply(actions);
  } finally {
    // Scripts take the name from our output, even when something later in the line failed.
    if (isNew || target.renamed) out(`${target.name}\n`);
  }
}
