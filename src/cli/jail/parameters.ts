/** The parameters of jail(8): which there are, what they may be, who acts on them. */
import type { JailParameters } from '../../protocol/index.js';
import { Failure } from '../command.js';

type Kind = 'text' | 'boolean' | 'integer' | 'system';
/**
 * Who acts on a parameter: the daemon, this command, or nobody, as it only says what is so here anyway (nothing is
 * forbidden in a jail) or what Linux has no notion of. `refused` would be a promise that we do not keep.
 */
type Actor = 'daemon' | 'command' | 'nobody' | 'refused';

interface Known {
  kind: Kind;
  actor: Actor;
  /** Its value on the command line is a list with commas; in jail.conf(5) every value may be one. */
  list?: true;
}

const known = (actor: Actor, kind: Kind): Known => ({ actor, kind });

const KNOWN: Readonly<Record<string, Known>> = {
  jid: known('daemon', 'integer'),
  name: known('daemon', 'text'),
  path: known('daemon', 'text'),
  vnet: known('daemon', 'system'),
  'host.hostname': known('daemon', 'text'),
  persist: known('daemon', 'boolean'),
  'children.max': known('daemon', 'integer'),
  // Our own: a network namespace that is there already.
  netns: known('daemon', 'text'),
  command: known('command', 'text'),
  depend: { actor: 'command', kind: 'text', list: true },
  'exec.clean': known('command', 'boolean'),
  'exec.consolelog': known('command', 'text'),
  'exec.jail_user': known('command', 'text'),
  'exec.system_jail_user': known('command', 'boolean'),
  'exec.system_user': known('command', 'text'),
  'exec.timeout': known('command', 'integer'),
  'exec.prepare': known('command', 'text'),
  'exec.prestart': known('command', 'text'),
  'exec.created': known('command', 'text'),
  'exec.start': known('command', 'text'),
  'exec.poststart': known('command', 'text'),
  'exec.prestop': known('command', 'text'),
  'exec.stop': known('command', 'text'),
  'exec.poststop': known('command', 'text'),
  'exec.release': known('command', 'text'),
  'stop.timeout': known('command', 'integer'),
  'vnet.interface': { actor: 'command', kind: 'text', list: true },
  host: known('nobody', 'system'),
  'host.domainname': known('nobody', 'text'),
  'host.hostid': known('nobody', 'text'),
  'host.hostuuid': known('nobody', 'text'),
  ip4: known('nobody', 'system'),
  ip6: known('nobody', 'system'),
  'exec.fib': known('nobody', 'integer'),
  securelevel: known('nobody', 'integer'),
  devfs_ruleset: known('nobody', 'integer'),
  enforce_statfs: known('nobody', 'integer'),
  osrelease: known('nobody', 'text'),
  osreldate: known('nobody', 'integer'),
  linux: known('nobody', 'system'),
  sysvmsg: known('nobody', 'system'),
  sysvsem: known('nobody', 'system'),
  sysvshm: known('nobody', 'system'),
  'mount.devfs': known('nobody', 'boolean'),
  'mount.fdescfs': known('nobody', 'boolean'),
  'mount.procfs': known('nobody', 'boolean'),
  'ip4.addr': known('refused', 'text'),
  'ip6.addr': known('refused', 'text'),
  interface: known('refused', 'text'),
  ip_hostname: known('refused', 'boolean'),
  mount: known('refused', 'text'),
  'mount.fstab': known('refused', 'text'),
};

const REFUSALS: Readonly<Record<string, string>> = {
  mount: 'file systems are not mounted for jails here; exec.prestart can do it',
  'mount.fstab': 'file systems are not mounted for jails here; exec.prestart can do it',
};
const NO_ADDRESSES =
  'a jail is not held to addresses here: make it with vnet, and give its interfaces addresses with ifconfig -j';

function lookUp(name: string): Known | undefined {
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name];
  if (/^allow\.[a-z_.]+$/.test(name)) return known('nobody', 'boolean');
  if (/^linux\.[a-z_]+$/.test(name)) return known('nobody', 'text');
  return undefined;
}

/** What a name alone means. */
const UNSAID: Partial<Record<Kind, string>> = { boolean: 'true', system: 'new' };

/** `persist` of `nopersist`, `allow.mount` of `allow.nomount`. */
const withoutNo = (name: string): string => name.replace(/(^|\.)no([^.]*)$/, '$1$2');

/** What is wrong with a parameter. */
const wrong = (text: string): Failure => new Failure(1, text);

/** The parameters of one jail in the order given. */
export class Parameters {
  /** Values by name; an empty list is a name alone. */
  private readonly values = new Map<string, string[]>();

  /**
   * Sets a parameter, or adds to its values. Names alone and with `no` in front are for what can be true or false.
   * @throws Failure naming the parameter that is unknown or wrong
   */
  set(name: string, values: readonly string[] = [], append = false): void {
    const direct = lookUp(name);
    const positive = direct === undefined ? withoutNo(name) : name;
    const parameter = direct ?? lookUp(positive);
    if (parameter === undefined || (positive !== name && !'boolean system'.includes(parameter.kind)))
      throw wrong(`unknown parameter: ${name}`);
    const { kind, actor } = parameter;
    if (actor === 'refused') throw wrong(`${name}: ${REFUSALS[name] ?? NO_ADDRESSES}`);
    let result = [...values];
    const last = result.at(-1);
    if (kind === 'boolean') result = [String(readBoolean(name, last) !== (positive !== name))];
    else if (kind === 'system') result = [readSystem(name, last, positive !== name)];
    else if (kind === 'integer' && !/^-?\d+$/.test(last ?? ''))
      throw wrong(`${name}: non-integer value "${last ?? ''}"`);
    const before = append && kind === 'text' ? (this.values.get(positive) ?? []) : [];
    this.values.set(positive, [...before, ...result]);
  }

  /** Takes `name`, `noname` or `name=value` from a command line. */
  add(word: string): void {
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    const values = lookUp(name)?.list ? word.slice(at + 1).split(',') : [word.slice(at + 1)];
    this.set(name, at < 0 ? [] : values, at >= 0);
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  delete(name: string): void {
    this.values.delete(name);
  }

  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** The value that counts of one that has one. */
  text(name: string): string | undefined {
    return this.list(name).at(-1);
  }

  boolean(name: string): boolean {
    return this.text(name) === 'true';
  }

  integer(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  /** What the daemon is to know of the jail. */
  forDaemon(): JailParameters {
    const own = [...this.values].filter(([name]) => lookUp(name)?.actor === 'daemon');
    return Object.fromEntries(own.map(([name, values]) => [name, values.at(-1) ?? 'true']));
  }

  /** Names and values, as `jail -J` and `jail -e` write them. */
  entries(): [name: string, values: readonly string[]][] {
    return [...this.values].map(([name, values]) => {
      const unsaid = UNSAID[lookUp(name)!.kind];
      return [name, values[0] === unsaid ? [] : values];
    });
  }
}

function readBoolean(name: string, value: string | undefined): boolean {
  if (value === undefined) return true;
  if (/^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
  if (/^-?\d+$/.test(value)) return Number(value) !== 0;
  throw wrong(`${name}: unknown boolean value "${value}"`);
}

/** jailsys parameters: what a jail has of its own and what of the system. */
function readSystem(name: string, value: string | undefined, negative: boolean): string {
  if (value === undefined || value === 'true') return negative ? 'inherit' : 'new';
  if (value === 'false') return 'inherit';
  if (/^(new|inherit|disable)$/.test(value)) return value;
  throw wrong(`${name}: unknown value "${value}"`);
}

/** A value as a shell or jail.conf(5) would need it. */
export function quoteValue(text: string): string {
  const quote =
    text === '' || text.includes("'") ? '"' : text.includes('"') ? "'" : /[ \t]/.test(text) ? '"' : '';
  const escaped = text.replace(/[\\'"]/g, (character) =>
    character === '\\' || character === quote ? `\\${character}` : character,
  );
  return `${quote}${escaped}${quote}`;
}
