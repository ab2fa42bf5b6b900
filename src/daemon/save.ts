import { setImmediate as turn } from 'node:timers/promises';
import type { Jail } from '../jail/index.js';
import { NgError, scriptSteps } from '../netgraph/index.js';
import type { Connection } from './connection.js';

const HEADER =
  '# netgraph: `netgraph restore FILE` makes this again; `ngctl -f FILE` does where the jails are there already';

/** Milliseconds of a script in one go, before others get their turns. */
const SLICE = 4;
/** Scripts are written one after the other, whoever wants them. */
let last: Promise<unknown> = Promise.resolve();

/** The script that makes what a client can see: what `netgraph save` prints. */
export function saveScript(client: Connection): Promise<string> {
  const script = last.then(() => writeScript(client));
  last = script.catch(() => {});
  return script;
}

async function writeScript({ world, vnet, jail: home }: Connection): Promise<string> {
  if (vnet.state !== 'up') throw new NgError('ENXIO', 'the jail was removed');
  const jails = world.jails.list(home);
  const depth = (jail: Jail): number => (jail.parent === undefined ? 0 : 1 + depth(jail.parent));
  const lines = [...jails]
    .sort((a, b) => depth(a) - depth(b) || a.id - b.id)
    .map((jail) => `# jail -c ${jailWords(jail, home).join(' ')}`);
  const vnets = jails.filter(({ ownsVnet }) => ownsVnet).map((jail) => jail.vnet);
  const script = await inTurns(scriptSteps(world.graph, vnet, vnets));
  return [HEADER, ...lines, ...(script.length > 0 ? [''] : []), ...script, ''].join('\n');
}

async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const end = performance.now() + SLICE;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (performance.now() < end);
    await turn();
  }
}

/** The parameters of jail(8) that make a jail. */
function jailWords({ id, name, settings, adopted, namespace }: Jail, home: Jail | undefined): string[] {
  const { vnet, persist, hostname, path, childrenMax } = settings;
  const words = [`jid=${id}`, `name=${home === undefined ? name : name.slice(home.name.length + 1)}`];
  if (adopted) words.push(`netns=${word(namespace!.path)}`);
  else if (vnet === 'new') words.push('vnet');
  if (persist) words.push('persist');
  if (hostname !== '') words.push(`host.hostname=${word(hostname)}`);
  if (path !== '/') words.push(`path=${word(path)}`);
  if (childrenMax > 0) words.push(`children.max=${childrenMax}`);
  return words;
}

/** A value as it is, or in the quotes of JSON. */
const word = (value: string): string => (/^[\w./:@%+,=-]+$/.test(value) ? value : JSON.stringify(value));
