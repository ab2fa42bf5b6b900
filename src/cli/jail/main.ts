import { existsSync, writeFileSync } from 'node:fs';
import type { NetgraphClient } from '../../client/client.js';
import type { JailStatus } from '../../protocol/index.js';
import { complain, EX, Failure, fail, print, reasonOf } from '../command.js';
import { asFailure, withDaemon } from '../system.js';
import { readConf } from './conf.js';
import { type ConfiguredJail, configuredJails, isWild, matchesWild } from './config.js';
import { keyOf, Lives, type Target } from './life.js';
import { type JailOptions, parseJail } from './options.js';
import { inOrder, needsOf } from './order.js';
import { Parameters, quoteValue } from './parameters.js';

export const USAGE = `usage: jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            -[cmr] param=value ... [command=command ...]
       jail [-dqv] [-f file] [-p limit] -[cmr] [jail]
       jail [-qv] [-f file] [-p limit] -[rR] ['*' | jail ...]
       jail [-f file] -e separator
       jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            [-n jailname] [-s securelevel]
            path hostname [ip[,...]] command ...
`;

const CONF_FILE = '/etc/jail.conf';

/** jail(8) */
export async function jail(argv: readonly string[]): Promise<number> {
  const options = parseJail(argv);
  if (options.exhibit !== undefined) {
    return exhibit(configuredJails(readConf(options.file ?? CONF_FILE)), options.exhibit);
  }
  return withDaemon((client) => new Run(client, options).run());
}

/** `-e` */
function exhibit(jails: readonly ConfiguredJail[], separator: string): number {
  let status: number = EX.OK;
  for (const { name, parameters, failure, refusal } of jails) {
    const wrong = failure ?? refusal;
    if (wrong === undefined) print(`${describe(parameters).join(separator)}\n`);
    else {
      complain(`jail: ${name}: ${wrong.message}\n`);
      status = 1;
    }
  }
  return status;
}

/** `name=value` of each parameter. */
const describe = (parameters: Parameters): string[] =>
  parameters
    .entries()
    .map(([name, values]) => (values.length === 0 ? name : `${name}=${values.map(quoteValue).join(',')}`));

class Run {
  private readonly lives: Lives;
  private configured: ConfiguredJail[] = [];
  private failed = false;
  /** Names of the jails of the file that something went wrong with. */
  private readonly faulty = new Set<string>();
  /** Whether removals are worth a line: only when it is not plain what was removed. */
  private tellRemovals = false;
  private idLines = '';

  constructor(
    client: NetgraphClient,
    private readonly options: JailOptions,
  ) {
    const say = (target: Target, text: string) =>
      print(target.label === undefined ? `${text}\n` : `${target.label}: ${text}\n`);
    const { verbosity, printId } = options;
    this.lives = new Lives(client, {
      detail: (target, text) => {
        if (verbosity > 0) say(target, text);
      },
      done: (target, text) => {
        const worth = text === 'removed' && options.remove ? this.tellRemovals : target.label !== undefined;
        if (verbosity > 0 || (verbosity === 0 && worth)) say(target, text);
      },
      created: (target, { jid }) => {
        if (printId) print(`${jid}\n`);
        if (verbosity > 0 || (verbosity === 0 && target.label !== undefined)) say(target, 'created');
      },
    });
  }

  async run(): Promise<number> {
    const { create, modify, remove, idFile } = this.options;
    if (idFile !== undefined) this.writeIds(idFile);
    if (remove && !create && !modify) await this.removeAll();
    else for (const target of this.described()) await this.attempt(target, () => this.operate(target));
    if (idFile !== undefined) this.writeIds(idFile);
    return this.failed ? 1 : EX.OK;
  }

  /** The jails to make or change: that of the command line, or those of the file, each behind those it needs. */
  private described(): Target[] {
    const { parameters, operands, file } = this.options;
    if (parameters !== undefined) return [{ parameters }];
    this.configured = configuredJails(readConf(file ?? CONF_FILE));
    const [name] = operands;
    const wanted = this.configured.filter(
      (one) => name === undefined || one.name === name || (isWild(name) && matchesWild(name, one.name)),
    );
    if (name !== undefined && wanted.length === 0) fail(1, `"${name}" not found`);
    return inOrder(this.configured, wanted).map((one) => this.asTarget(one));
  }

  private async operate(target: Target): Promise<void> {
    const { create, modify, remove } = this.options;
    if (target.refusal !== undefined) throw target.refusal;
    if (target.needs?.some((name) => this.faulty.has(name))) fail(1, 'skipped');
    const key = keyOf(target);
    const running = await this.lives.find(key);
    // One that another needs is only to be there, and of many those that are not.
    if (
      running !== undefined &&
      (this.cameAlong(target) || (create && !modify && !remove && this.isOneOfMany(target)))
    )
      return;
    if (!create && running === undefined)
      fail(1, key === undefined ? 'no jail specified' : `"${key}" not found`);
    const restart =
      remove && running !== undefined && (!modify || this.lives.fixedChange(target, running) !== undefined);
    if (restart) await this.lives.remove(target, running, false);
    if (running !== undefined && modify && !restart) await this.lives.modify(target, running);
    else this.recordId(target, await this.lives.create(target));
  }

  /** Whether it is here only because a jail that was named depends on it. */
  private cameAlong({ label }: Target): boolean {
    const [name] = this.options.operands;
    return label !== undefined && name !== undefined && name !== label && !isWild(name);
  }

  private isOneOfMany({ label }: Target): boolean {
    return label !== undefined && this.options.operands[0] !== label;
  }

  private async removeAll(): Promise<void> {
    const { operands, bare, file, verbosity } = this.options;
    const fromFile = !bare && (file !== undefined || existsSync(CONF_FILE));
    if (fromFile) this.configured = configuredJails(readConf(file ?? CONF_FILE));
    this.tellRemovals = fromFile || operands.length > 1 || operands.some(isWild);
    for (const operand of operands) {
      if (this.options.cleanUp) {
        await this.cleanUp(operand);
        continue;
      }
      const found = await this.running(operand);
      if (found.length === 0 && !isWild(operand)) {
        if (verbosity >= 0) complain(`jail: "${operand}" not found\n`);
        this.failed = true;
      }
      for (const one of found) {
        const target = this.targetOf(one);
        // Removing another one may have taken it along.
        if ((await this.lives.find(String(one.jid))) !== undefined)
          await this.attempt(target, () => this.lives.remove(target, one, bare));
      }
    }
  }

  /** The running jails that an operand of `-r` means, those first that need others. */
  private async running(operand: string): Promise<JailStatus[]> {
    const jails = await this.lives.list();
    if (isWild(operand)) {
      const matching = jails.filter(({ name }) => matchesWild(operand, name)).reverse();
      return this.dependentsFirst(matching, jails);
    }
    const one = await this.lives.find(operand);
    return one === undefined ? [] : this.dependentsFirst([one], jails);
  }

  private dependentsFirst(wanted: JailStatus[], jails: JailStatus[]): JailStatus[] {
    const result: JailStatus[] = [];
    const visit = (one: JailStatus): void => {
      if (result.includes(one)) return;
      for (const configured of this.configured) {
        const other = jails.find((running) => running.name === configured.name);
        if (other !== undefined && other !== one && needsOf(configured, this.configured).includes(one.name))
          visit(other);
      }
      if (!result.includes(one)) result.push(one);
    };
    for (const one of wanted) visit(one);
    return result;
  }

  /** `-C`: for jails that are gone. */
  private async cleanUp(name: string): Promise<void> {
    const named = this.configured.filter((one) =>
      isWild(name) ? matchesWild(name, one.name) : one.name === name,
    );
    if (named.length === 0) fail(1, `"${name}" not found`);
    for (const target of named.map((one) => this.asTarget(one))) {
      await this.attempt(target, async () => {
        if ((await this.lives.find(keyOf(target))) !== undefined)
          fail(1, `"${keyOf(target)}" is there still`);
        await this.lives.cleanUp(target, undefined);
      });
    }
  }

  private targetOf({ jid, name }: JailStatus): Target {
    const configured = this.configured.find((one) => one.name === name || one.name === String(jid));
    return configured === undefined
      ? { label: name, parameters: new Parameters() }
      : this.asTarget(configured);
  }

  private asTarget({ name, parameters, failure, refusal }: ConfiguredJail): Target {
    const needs = needsOf({ name, parameters }, this.configured);
    return { label: name, parameters, needs, failure, refusal };
  }

  /** Does something to one jail; what goes wrong does not keep us from the others. */
  private async attempt({ label, failure }: Target, work: () => Promise<void>): Promise<void> {
    try {
      if (failure !== undefined) throw failure;
      await work();
    } catch (error) {
      const failure = asFailure(error);
      if (!(failure instanceof Failure)) throw error;
      const about = label !== undefined && !failure.message.startsWith('"') ? `${label}: ` : '';
      complain(`jail: ${about}${failure.message}\n`);
      this.failed = true;
      if (label !== undefined) this.faulty.add(label);
    }
  }

  /** `-J` */
  private recordId({ parameters }: Target, { jid, path, hostname }: JailStatus): void {
    const rest = describe(parameters).filter((word) => !word.startsWith('jid='));
    const words = this.options.oldStyle
      ? [String(jid), path, hostname, '', parameters.list('command').join(' ')].join('\t')
      : [`jid=${jid}`, ...rest].join(' ');
    this.idLines += `${words}\n`;
  }

  private writeIds(file: string): void {
    try {
      writeFileSync(file, this.idLines);
    } catch (error) {
      fail(1, `open ${file}: ${reasonOf(error)}`);
    }
  }
}
