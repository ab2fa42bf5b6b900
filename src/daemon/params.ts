import { NgError } from '../netgraph/index.js';
import type { Calls, Method, Params } from '../protocol/index.js';

/** `texts`: an object whose values are strings. With `?` it may be missing. */
type Shape = 'string' | 'number' | 'boolean' | 'texts' | 'string?';

/** What the parameters of each call are: a client may be anything. */
const shapes: { readonly [M in Method]: { readonly [P in keyof Params<M>]-?: Shape } } = {
  hello: { version: 'number', jail: 'string?' },
  open: { name: 'string?' },
  'jail.create': { parameters: 'texts' },
  'jail.modify': { jail: 'string', parameters: 'texts' },
  'jail.remove': { jail: 'string' },
  'jail.list': {},
  'type.load': { name: 'string' },
  'type.unload': { name: 'string' },
  'type.list': {},
  'sysctl.list': {},
  'sysctl.read': { name: 'string' },
  'sysctl.write': { name: 'string', value: 'string' },
  save: {},
  status: {},
  repair: { dryRun: 'boolean' },
  restart: {},
  stop: {},
};

const checks: { readonly [S in Shape]: (value: unknown) => boolean } = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  'string?': (value) => value === undefined || typeof value === 'string',
  texts: (value) => isObject(value) && Object.values(value).every((text) => typeof text === 'string'),
};

const sentences: { readonly [S in Shape]: string } = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  'string?': 'a string or left out',
  texts: 'an object of strings',
};

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a call from JSON. @throws NgError EINVAL naming what is wrong, ENOSYS no such call */
export function readCall(json: string): { method: Method; params: Calls[Method]['params'] } {
  let call: unknown;
  try {
    call = JSON.parse(json);
  } catch (error) {
    throw new NgError('EINVAL', `a call that is not JSON: ${(error as Error).message}`);
  }
  const { method, params = {} } = isObject(call) ? (call as { method?: unknown; params?: unknown }) : {};
  if (typeof method !== 'string') throw new NgError('EINVAL', 'a call without the name of a method');
  if (!Object.hasOwn(shapes, method)) throw new NgError('ENOSYS', `unknown call "${method}"`);
  if (!isObject(params)) throw new NgError('EINVAL', `${method}: its parameters must be an object`);
  for (const [name, shape] of Object.entries<Shape>(shapes[method as Method])) {
    const value = Object.hasOwn(params, name) ? (params as Record<string, unknown>)[name] : undefined;
    if (!checks[shape](value))
      throw new NgError('EINVAL', `${method}: "${name}" must be ${sentences[shape]}`);
  }
  return { method: method as Method, params: params as Calls[Method]['params'] };
}
