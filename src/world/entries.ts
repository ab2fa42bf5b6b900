/** Whether a value of JSON has a shape. */
type Shape = (value: unknown) => boolean;

const isText: Shape = (value) => typeof value === 'string';
const isTruth: Shape = (value) => typeof value === 'boolean';
const isCount: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** Of a jail or a node; 0 is the host. */
const isId: Shape = (value) => isCount(value) && (value as number) <= 0xffffffff;
const isOwnId: Shape = (value) => isId(value) && value !== 0;
const oneOf =
  (...values: unknown[]): Shape =>
  (value) =>
    values.includes(value);
const listOf =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(shape);
const tuple =
  (...shapes: Shape[]): Shape =>
  (value) =>
    Array.isArray(value) && value.length === shapes.length && shapes.every((shape, i) => shape(value[i]));
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Others may be there besides: who reads it does not look at them. */
const fields =
  (needed: Record<string, Shape>, optional: Record<string, Shape> = {}): Shape =>
  (value) =>
    isObject(value) &&
    Object.entries(needed).every(([name, shape]) => Object.hasOwn(value, name) && shape(value[name])) &&
    Object.entries(optional).every(([name, shape]) => !Object.hasOwn(value, name) || shape(value[name]));

const isIdentity = fields({ dev: isCount, ino: isCount }, { born: isText });
const isNamespace = fields(
  { name: isText, path: isText, identity: isIdentity, created: isTruth },
  { utsPath: isText, utsIdentity: isIdentity, pid: isCount },
);
const isSettings = fields(
  {
    name: isText,
    hostname: isText,
    path: isText,
    vnet: oneOf('new', 'inherit'),
    persist: isTruth,
    childrenMax: isCount,
  },
  { jid: isOwnId, netns: isText },
);
const isJail = fields(
  {
    id: isOwnId,
    parent: isId,
    settings: isSettings,
    adopted: isTruth,
    stage: oneOf('making', 'made', 'removing'),
  },
  { namespace: isNamespace },
);
const isNode = fields(
  { id: isOwnId, type: isText, name: isText },
  { settings: listOf(tuple(isText, isText)) },
);
const isEdge = tuple(isId, isOwnId, isText, isId, isOwnId, isText);

/** What there may be of the kinds of `Entry`. */
const kinds: Readonly<Record<string, Shape>> = {
  boot: isText,
  made: isText,
  jail: isJail,
  jailGone: isOwnId,
  node: tuple(isId, isNode),
  nodeGone: tuple(isId, isOwnId),
  edge: isEdge,
  edgeGone: isEdge,
  lastId: tuple(isId, isId),
  sysctl: tuple(isId, isText, (value) => isText(value) || typeof value === 'number'),
  stopping: oneOf(true),
};

/** Checks a line of the journal of a world: an entry, or a list of them. @throws Error it is something else */
export function checkEntries(line: unknown): void {
  for (const entry of Array.isArray(line) ? line : [line]) {
    const [[kind, value] = ['', undefined], ...more] = isObject(entry) ? Object.entries(entry) : [];
    if (more.length === 0 && Object.hasOwn(kinds, kind) && kinds[kind](value)) continue;
    throw new Error(`this is no entry: ${JSON.stringify(entry).slice(0, 80)}`);
  }
}
