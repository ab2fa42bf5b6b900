/** `ifconfig create`: the interfaces that are made by name, ifconfig(8) and if_clone(9). */
import { Rtnetlink } from '../../linux/rtnetlink.js';
import { fail } from '../command.js';
import { refuse } from './apply.js';

/** FreeBSD's kinds of interface, and Linux's. */
const CLONERS: Readonly<Record<string, string>> = { bridge: 'bridge', epair: 'veth', lo: 'dummy' };

/** `ifconfig -C` */
export const cloners = (): string[] => Object.keys(CLONERS);

/** Makes an interface by the name of its kind, with or without a number. Returns its name. */
export function create(netns: string, wanted: string): string {
  const [, kind, unit] = wanted.match(/^([a-z_]+)(\d*)$/) ?? [];
  if (kind === undefined || !Object.hasOwn(CLONERS, kind)) {
    const known = `interfaces that can be created are ${cloners().join(', ')}; for netgraph's, ngctl mkpeer eiface`;
    fail(1, `SIOCIFCREATE2 (${wanted}): Invalid argument (${known})`);
  }
  const kernel = new Rtnetlink(netns);
  const ends = kind === 'epair' ? ['a', 'b'] : [''];
  const taken = new Set(kernel.links().map(({ name }) => name));
  const isTaken = (number: string) => ends.some((end) => taken.has(`${kind}${number}${end}`));
  let number = unit;
  if (unit === '') {
    let free = 0;
    while (isTaken(String(free))) free++;
    number = String(free);
  }
  const name = `${kind}${number}${ends[0]}`;
  if (isTaken(number)) fail(1, `interface ${name} already exists`);
  try {
    kernel.createLink(name, CLONERS[kind], kind === 'epair' ? `${kind}${number}b` : undefined);
  } catch (error) {
    refuse(`SIOCIFCREATE2 (${wanted})`, error);
  }
  return name;
}
