import { NgError } from '../netgraph/errors.js';

/** What `jail -c` was told, checked. */
export interface JailSettings {
  name: string;
  /** Its ID; undefined: the next that is free. */
  jid: number | undefined;
  hostname: string;
  path: string;
  /** `new`: a vnet of its own; `inherit`: that of its parent. */
  vnet: 'new' | 'inherit';
  persist: boolean;
  /** How many jails may be made inside. */
  childrenMax: number;
  /** A namespace that is there already: name, path or PID. */
  netns: string | undefined;
}

/** Parameters that belong to the jail(8) command, and others that only say what is so anyway. */
const COMMAND = /^(exec\..*|command|vnet\.interface|depend|mount.*|devfs_ruleset|allow\..*|securelevel)$/;

const truth: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  '1': true,
  '': true,
  false: false,
  no: false,
  '0': false,
};

function boolean(name: string, value: string): boolean {
  const result = Object.hasOwn(truth, value) ? truth[value] : undefined;
  if (result === undefined) throw new NgError('EINVAL', `${name}: "${value}" is neither true nor false`);
  return result;
}

function number(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new NgError('EINVAL', `${name}: "${value}" is not a number`);
  return Number(value);
}

/** How long names may be; the kernel allows hostnames as much. */
const MAX_LENGTH = 64;

/** A jail's name: letters, digits and `_-`; not all digits, for that would be an ID. */
export function checkJailName(name: string): void {
  if (name.length > MAX_LENGTH)
    throw new NgError('EINVAL', `"${name}" cannot name a jail: more than ${MAX_LENGTH} characters`);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(name) || /^\d+$/.test(name))
    throw new NgError(
      'EINVAL',
      `"${name}" cannot name a jail: letters, digits, "_" and "-", not only digits`,
    );
}

/**
 * Applies parameters in the words of jail(8) to settings.
 * @throws NgError EINVAL naming the parameter that is unknown or wrong
 */
export function applyParameters(
  settings: JailSettings,
  parameters: Readonly<Record<string, string>>,
): JailSettings {
  const result = { ...settings };
  for (const [name, value] of Object.entries(parameters)) {
    switch (name) {
      case 'name':
        checkJailName(value);
        result.name = value;
        break;
      case 'host.hostname':
        if (value === '' || Buffer.byteLength(value) > MAX_LENGTH)
          throw new NgError('EINVAL', `host.hostname: "${value}" has not 1 to ${MAX_LENGTH} characters`);
        result.hostname = value;
        break;
      case 'path':
        if (!value.startsWith('/')) throw new NgError('EINVAL', `path: "${value}" is not absolute`);
        result.path = value;
        break;
      case 'vnet':
        if (value === 'new' || value === 'inherit') result.vnet = value;
        else result.vnet = boolean(name, value) ? 'new' : 'inherit';
        break;
      case 'novnet':
        result.vnet = 'inherit';
        break;
      case 'persist':
        result.persist = boolean(name, value);
        break;
      case 'nopersist':
        result.persist = !boolean(name, value);
        break;
      case 'children.max':
        result.childrenMax = number(name, value);
        break;
      case 'netns':
        result.netns = value;
        result.vnet = 'new';
        break;
      case 'jid':
        result.jid = number(name, value);
        if (result.jid === 0) throw new NgError('EINVAL', 'jid: 0 is the host');
        break;
      default:
        if (!COMMAND.test(name)) throw new NgError('EINVAL', `unknown parameter: ${name}`);
    }
  }
  return result;
}
