/** `netgraph restore`: carries out what `netgraph save` printed, all of it or nothing. */
import { type JailParameters, type JailStatus, NetgraphClient, NgError } from '../../client/index.js';
import { complain, EX, fail, getopt, reasonOf, UsageError } from '../command.js';
import { commands } from '../ngctl/commands.js';
import { fileLines, lines as linesOf, openFile } from '../ngctl/lines.js';
import { Shell, Status } from '../ngctl/shell.js';
import { listJails } from '../system.js';
import { Recorder } from './recorder.js';

/** A jail that the script wants to be there. */
interface WantedJail {
  readonly line: number;
  readonly jid: number;
  /** With the names of the jails around it, as seen from where the script runs. */
  readonly name: string;
  readonly parameters: JailParameters;
}

export async function restore(words: string[]): Promise<number> {
  const { options, operands } = getopt(words, 'j:');
  if (operands.length > 1) throw new UsageError(`too many words: ${operands.slice(1).join(' ')}`);
  const lines = await read(operands[0] ?? '-');
  const wanted = lines.flatMap(wantedJail);
  const client = await NetgraphClient.connect({ jail: options.at(-1)?.value });
  const made: JailStatus[] = [];
  const recorder = new Recorder(client);
  try {
    for (const jail of await missing(client, wanted)) made.push(await create(client, jail));
    await run(client, lines, recorder);
    return EX.OK;
  } catch (error) {
    for (const line of await undo(client, recorder, made)) complain(`netgraph: ${line}\n`);
    throw error;
  } finally {
    await client.close();
  }
}

async function read(path: string): Promise<string[]> {
  try {
    const lines: string[] = [];
    const source = path === '-' ? linesOf(process.stdin) : fileLines(openFile(path));
    for await (const line of source) lines.push(line);
    return lines;
  } catch (error) {
    fail(EX.NOINPUT, `${path}: ${reasonOf(error)}`);
  }
}

/** Reads `# jail -c jid=3 name=demo vnet ...`. Other lines describe no jail. */
function wantedJail(text: string, index: number): WantedJail[] {
  const match = /^# jail -c (.*)$/.exec(text);
  if (match === null) return [];
  const parameters = Object.fromEntries(
    (match[1].match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, 'true'] : [word.slice(0, at), plain(word.slice(at + 1))];
    }),
  );
  const { jid, name } = parameters;
  if (!/^[1-9]\d{0,8}$/.test(jid ?? '') || !name)
    fail(EX.DATAERR, `line ${index + 1}: a jail needs its jid and its name: ${text}`);
  return [{ line: index + 1, jid: Number(jid), name, parameters }];
}

function plain(value: string): string {
  try {
    return value.startsWith('"') ? String(JSON.parse(value)) : value;
  } catch {
    return value;
  }
}

/** Those that are not there. @throws Failure another jail is in the way: nothing was done yet */
async function missing(client: NetgraphClient, wanted: readonly WantedJail[]): Promise<WantedJail[]> {
  if (wanted.length === 0) return [];
  const there = await listJails(client);
  return wanted.filter(({ line, jid, name, parameters }) => {
    const sameId = there.find((jail) => jail.jid === jid);
    const sameName = there.find((jail) => jail.name === name);
    const refuse = (why: string) => fail(EX.OSERR, `line ${line}: ${why}; nothing was done`);
    if (sameName !== undefined && sameName.jid !== jid)
      refuse(`jail ${name} has jid ${sameName.jid} here, the script needs jid ${jid}`);
    if (sameId !== undefined && sameId.name !== name)
      refuse(`jid ${jid} is jail ${sameId.name} here, the script needs it to be ${name}`);
    const vnet = parameters.vnet === undefined && parameters.netns === undefined ? 'inherit' : 'new';
    if (sameId !== undefined && sameId.vnet !== vnet)
      refuse(`jail ${name} ${vnet === 'new' ? 'has no' : 'has a'} vnet of its own here`);
    return sameId === undefined;
  });
}

/** Makes a jail inside the one that its name says. */
async function create(client: NetgraphClient, { line, name, parameters }: WantedJail): Promise<JailStatus> {
  const dot = name.lastIndexOf('.');
  try {
    const outer =
      dot < 0 ? undefined : (await listJails(client)).find((jail) => jail.name === name.slice(0, dot));
    if (dot >= 0 && outer === undefined)
      throw new NgError('ENOENT', `there is no jail ${name.slice(0, dot)}`);
    const own = { ...parameters, name: name.slice(dot + 1) };
    if (outer === undefined) return await client.call('jail.create', { parameters: own });
    return await inJail(outer.jid, (inside) => inside.call('jail.create', { parameters: own }));
  } catch (error) {
    if (!(error instanceof NgError)) throw error;
    fail(EX.OSERR, `line ${line}: cannot make jail ${name}: ${error.message}`);
  }
}

/** Carries the lines out as `ngctl -f` does. */
async function run(client: NetgraphClient, lines: readonly string[], recorder: Recorder): Promise<void> {
  let number = 0;
  let said = '';
  const shell = new Shell(client, commands, {
    out: () => {},
    err: (text) => {
      said += text;
    },
    explain: true,
  });
  client.trace = recorder;
  let signalled: string | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      signalled = signal;
    });
  async function* counted() {
    for (const line of lines) {
      number++;
      yield line;
      await recorder.look();
      if (signalled !== undefined) fail(EX.OSERR, `line ${number}: ended by ${signalled}`);
    }
  }
  const status = await shell.runLines(counted());
  if (status === Status.OK || status === Status.QUIT) return;
  const reasons = said.split('\n').filter((line) => line !== '' && !line.endsWith(': error in file'));
  const reason = reasons.map((line) => line.replace(/^ngctl: /, '')).join(' ');
  fail(EX.OSERR, `line ${number}: ${lines[number - 1]}: ${reason}`);
}

/** Takes away what was made, the newest first. Says what could not be. */
async function undo(
  client: NetgraphClient,
  recorder: Recorder,
  jails: readonly JailStatus[],
): Promise<string[]> {
  const left: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if ((error as NgError).code !== 'ENOENT')
        left.push(`${what} is still there: ${(error as Error).message}`);
    }
  };
  client.trace = undefined;
  const away = new Set(jails.map(({ jid }) => jid));
  for (const [jid, ids] of recorder.made) {
    if (away.has(jid)) continue;
    const shutDown = async (inside: NetgraphClient) => {
      for (const id of [...ids].reverse())
        await attempt(`node [${id.toString(16)}]:`, () => inside.shutdown(`[${id.toString(16)}]:`));
    };
    await attempt(`what was made in jail ${jid}`, () =>
      jid === client.jid ? shutDown(client) : inJail(jid, shutDown),
    );
  }
  for (const { jid, name } of [...jails].reverse())
    await attempt(`jail ${name}`, () => client.call('jail.remove', { jail: String(jid) }));
  return left;
}

async function inJail<T>(jid: number, work: (client: NetgraphClient) => Promise<T>): Promise<T> {
  const client = await NetgraphClient.connect({ jail: String(jid) });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
