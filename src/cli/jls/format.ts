/** The forms in which jls(8) shows jails. */
import { printable } from '../command.js';
import { allParameters, isSettable, type ListedJail, readParameter, type Value } from './parameters.js';

export interface Form {
  /** What the rows consist of. */
  kind: 'table' | 'verbose' | 'values';
  /** `-h`: a line with the names of the parameters. */
  header: boolean;
  /** `-n`: names beside values. */
  names: boolean;
  /** `-N`: names in place of IDs in the table. */
  jailNames: boolean;
  /** `-q` */
  quoted: boolean;
  /** `-s` */
  settable: boolean;
  /** Of `values`. */
  parameters: string[];
}

const cell = (text: string, width: number): string => text.slice(0, width).padEnd(width);
const PATH_WIDTH = 74;
const HOST_WIDTH = 29;
const INDENT = ' '.repeat(8);

/** All of the output. */
export function formatJails(jails: readonly ListedJail[], form: Form): string {
  const lines = [...heading(form), ...jails.flatMap((jail) => rows(jail, form))];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function heading({ kind, header, jailNames, parameters }: Form): string[] {
  if (kind === 'verbose') {
    return [
      `   JID  ${cell('Hostname', HOST_WIDTH)} Path`,
      `${INDENT}${cell('Name', HOST_WIDTH)} State`,
      `${INDENT}CPUSetID`,
      `${INDENT}IP Address(es)`,
    ];
  }
  if (kind === 'values') return header ? [parameters.join(' ')] : [];
  const id = jailNames ? ` ${cell('JID', 15)} ` : '   JID  ';
  return [`${id}${cell('IP Address', 15)} ${cell('Hostname', HOST_WIDTH)} Path`];
}

function rows(jail: ListedJail, form: Form): string[] {
  const { jid, name, hostname, path } = jail;
  if (form.kind === 'values') return [values(jail, form).join(' ')];
  const number = `${String(jid).padStart(6)}  `;
  const place = `${cell(hostname, HOST_WIDTH)} ${path.slice(0, PATH_WIDTH)}`;
  if (form.kind === 'table') {
    // A jail with a vnet has no addresses that jail(8) gave it.
    return [`${form.jailNames ? ` ${name.padEnd(15)} ` : number}${cell('', 15)} ${place}`];
  }
  return [`${number}${place}`, `${INDENT}${cell(name, HOST_WIDTH)} ACTIVE`, `${INDENT}0`];
}

function values(jail: ListedJail, form: Form): string[] {
  const wanted = form.settable ? form.parameters.filter((name) => isSettable(jail, name)) : form.parameters;
  return wanted.map((name) => {
    const value = readParameter(jail, name);
    if (form.names && typeof value === 'boolean') return value ? name : negative(name);
    const text = shown(value, form);
    return form.names ? `${name}=${text}` : text;
  });
}

/** `allow.nomount` of `allow.mount` */
const negative = (name: string): string => name.replace(/([^.]*)$/, 'no$1');

function shown(value: Value, { quoted, names }: Form): string {
  if (Array.isArray(value) && value.length === 0) return quoted ? '""' : names ? '' : '-';
  const text = String(value);
  if (text === '') return '""';
  if (!quoted) return text;
  const quote = text.includes("'") ? '"' : text.includes('"') ? "'" : /[ \t]/.test(text) ? '"' : '';
  return `${quote}${text}${quote}`;
}

/** libxo(3): the same as JSON. */
export function jailsAsJson(jails: readonly ListedJail[], form: Form, pretty: boolean): string {
  const jail = jails.map((one) => Object.fromEntries(fields(one, form)));
  const document = { __version: '2', 'jail-information': { jail } };
  return `${JSON.stringify(document, null, pretty ? 2 : undefined)}\n`;
}

function fields(jail: ListedJail, form: Form): [string, Value][] {
  const { jid, name, hostname, path } = jail;
  if (form.kind === 'verbose') {
    const rest: [string, Value][] = [
      ['name', name],
      ['state', 'ACTIVE'],
      ['cpusetid', 0],
      ['ipv4_addrs', []],
      ['ipv6_addrs', []],
    ];
    return [['jid', jid], ['hostname', hostname], ['path', path], ...rest];
  }
  if (form.kind === 'table') {
    const first: [string, Value] = form.jailNames ? ['name', name] : ['jid', jid];
    return [first, ['ipv4', ''], ['hostname', hostname], ['path', path]];
  }
  return (form.parameters.length > 0 ? form.parameters : allParameters()).map((parameter) => {
    const value = readParameter(jail, parameter);
    // libxo knows only booleans and lists from text.
    return [parameter, typeof value === 'number' ? String(value) : value];
  });
}
