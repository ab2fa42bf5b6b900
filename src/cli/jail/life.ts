/** Making, changing and removing one jail, with all that jail(8) does around it. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetgraphClient } from '../../client/client.js';
import { ClientError } from '../../client/errors.js';
import { processesIn } from '../../linux/netns.js';
import { Rtnetlink } from '../../linux/rtnetlink.js';
import { NgError } from '../../netgraph/errors.js';
import type { JailStatus, Params } from '../../protocol/index.js';
import { Failure, fail } from '../command.js';
import { Interface, reclaim } from '../ifconfig/apply.js';
import { listJails, netnsOf, pickJail, withDaemon } from '../system.js';
import type { Parameters } from './parameters.js';
import { runCommand, runPhase } from './run.js';

/** A jail to work on, which may not be there yet. */
export interface Target {
  /** Its name in the file; undefined for one described on the command line, whose messages go without. */
  label?: string;
  parameters: Parameters;
  /** Labels of those that it needs to be there. */
  needs?: readonly string[];
  /** Why nothing can be done to it. */
  failure?: Failure;
  /** Why it can be neither made nor changed. */
  refusal?: Failure;
}

export interface Reports {
  /** One line, `-v` and above. */
  detail(target: Target, text: string): void;
  /** What happened to a jail. */
  done(target: Target, text: string): void;
  /** A jail was made. */
  created(target: Target, jail: JailStatus): void;
}

/** Seconds that processes get after SIGTERM, jail(8) stop.timeout. */
const STOP_TIMEOUT = 10;

export const keyOf = ({ label, parameters }: Target): string | undefined =>
  parameters.text('jid') ?? parameters.text('name') ?? label;

export class Lives {
  constructor(
    private readonly client: NetgraphClient,
    private readonly reports: Reports,
  ) {}

  async find(nameOrId: string | undefined): Promise<JailStatus | undefined> {
    if (nameOrId === undefined) return undefined;
    return pickJail(await this.list(), nameOrId);
  }

  list(): Promise<JailStatus[]> {
    return listJails(this.client);
  }

  async create(target: Target): Promise<JailStatus> {
    const { parameters } = target;
    const key = keyOf(target);
    if ((await this.find(key)) !== undefined) fail(1, `"${key}" already exists`);
    checkPath(parameters.text('path'));
    const persist = parameters.boolean('persist');
    const hasCommands = ['exec.start', 'command', 'exec.poststart'].some((name) => parameters.has(name));
    if (!persist && !hasCommands) fail(1, 'new jail must persist or attach');
    const before = this.context(target, undefined);
    await runPhase('exec.prepare', before);
    await runPhase('exec.prestart', before);
    const { jid } = await this.client.call('jail.create', {
      parameters: { ...parameters.forDaemon(), persist: 'true' },
    });
    const jail = (await this.find(String(jid))) ?? fail(1, `jail ${jid} was removed`);
    try {
      this.reports.created(target, jail);
      await this.start(target, jail);
    } catch (error) {
      await this.unlessGone(this.afterwards('jail.remove', { jail: String(jail.jid) }));
      this.reports.done(target, 'removed');
      await this.cleanUp(target, jail);
      throw error;
    }
    if (!persist) await this.letGo(jail);
    return jail;
  }

  /** Changes what can be changed of a running jail. */
  async modify(target: Target, jail: JailStatus): Promise<void> {
    const fixed = this.fixedChange(target, jail);
    if (fixed !== undefined) fail(1, `${fixed} cannot be changed after creation`);
    const { jid: _, ...parameters } = target.parameters.forDaemon();
    await this.client.call('jail.modify', { jail: String(jail.jid), parameters });
    this.reports.done(target, 'updated');
  }

  /** The parameter for whose change a jail must be made anew, if there is one. */
  fixedChange({ parameters }: Target, jail: JailStatus): string | undefined {
    const { vnet, netns, path } = parameters.forDaemon();
    if (vnet !== undefined && vnet !== jail.vnet) return 'vnet';
    if (netns !== undefined && !jail.adopted) return 'netns';
    return path !== undefined && path !== jail.path ? 'path' : undefined;
  }

  /** @param bare without any of the commands that belong to it */
  async remove(target: Target, jail: JailStatus, bare: boolean): Promise<void> {
    const context = this.context(target, jail);
    if (!bare) {
      await runPhase('exec.prestop', context);
      await runPhase('exec.stop', context);
      await this.terminate(target, jail);
      await this.returnInterfaces(target, jail);
    }
    await this.afterwards('jail.remove', { jail: String(jail.jid) });
    this.reports.done(target, 'removed');
    if (!bare) await this.cleanUp(target, jail);
  }

  /** What is to be done when a jail is gone. */
  async cleanUp(target: Target, jail: JailStatus | undefined): Promise<void> {
    await runPhase('exec.poststop', this.context(target, jail));
    await runPhase('exec.release', this.context(target, jail));
  }

  private async start(target: Target, jail: JailStatus): Promise<void> {
    const { label, parameters } = target;
    const context = this.context(target, jail);
    await runPhase('exec.created', context);
    for (const name of parameters.list('vnet.interface')) await this.give(target, jail, name);
    await runPhase('exec.start', context);
    const command = parameters.list('command');
    // On the command line its words are those of the command.
    if (label !== undefined) await runPhase('command', context);
    else if (command.length > 0) await runCommand('command', command, context);
    await runPhase('exec.poststart', context);
  }

  /** `ifconfig NAME vnet JAIL` */
  private async give(target: Target, jail: JailStatus, name: string): Promise<void> {
    this.reports.detail(target, `run command: ifconfig ${name} vnet ${jail.jid}`);
    const here = ifconfigContext(jail);
    const link = new Rtnetlink(here.netns).links().find((one) => one.name === name);
    if (link === undefined) fail(1, `vnet.interface: interface ${name} does not exist`);
    await new Interface(here, link.index, name).apply([{ do: 'vnet', jail: String(jail.jid) }]);
  }

  /** Virtual interfaces would be gone with the namespace. */
  private async returnInterfaces({ parameters }: Target, jail: JailStatus): Promise<void> {
    if (jail.vnet !== 'new' || jail.adopted) return;
    const names = parameters.list('vnet.interface');
    const there = names.length === 0 ? [] : new Rtnetlink(netnsOf(jail)).links().map(({ name }) => name);
    for (const name of names) {
      if (there.includes(name)) await reclaim(ifconfigContext(jail), name, String(jail.jid));
    }
  }

  private async terminate(target: Target, jail: JailStatus): Promise<void> {
    const timeout = target.parameters.integer('stop.timeout') ?? STOP_TIMEOUT;
    const pids = timeout > 0 ? processesOf(jail) : [];
    if (pids.length === 0) return;
    this.reports.detail(target, `sent SIGTERM to: ${pids.join(' ')}`);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // It ended by itself.
      }
    }
    for (let waited = 0; waited < timeout * 1000 && processesOf(jail).length > 0; waited += 20)
      await sleep(20);
  }

  /** Takes away what kept the jail while its commands ran; it goes when nobody is in it. */
  private letGo(jail: JailStatus): Promise<void> {
    const nopersist = { jail: String(jail.jid), parameters: { persist: 'false' } };
    return this.unlessGone(this.afterwards('jail.modify', nopersist));
  }

  /** Asks the next daemon, if this one was killed while commands ran. */
  private async afterwards<M extends 'jail.modify' | 'jail.remove'>(
    method: M,
    params: Params<M>,
  ): Promise<void> {
    try {
      await this.client.call(method, params);
    } catch (error) {
      if (!(error instanceof ClientError && error.code === 'ECONNRESET')) throw error;
      await withDaemon((client) => client.call(method, params));
    }
  }

  /** Its own command may have removed a jail. */
  private async unlessGone(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof NgError && error.code === 'ENOENT')) throw error;
    }
  }

  private context(target: Target, jail: JailStatus | undefined) {
    const note = (text: string) => this.reports.detail(target, text);
    return { parameters: target.parameters, jail, note };
  }
}

const ifconfigContext = (jail: JailStatus) => ({
  netns: '/proc/self/ns/net',
  findJail: async () => jail,
  warn: () => {},
});

function checkPath(path: string | undefined): void {
  if (path === undefined) return;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Failure(1, `path ${path}: No such file or directory`);
  if (!found.isDirectory()) throw new Failure(1, `path ${path}: Not a directory`);
}

/** Processes in a jail that we made; those in an adopted namespace were not ours to begin with. */
function processesOf(jail: JailStatus): number[] {
  if (jail.adopted) return [];
  const inode = (path: string) => statSync(path, { throwIfNoEntry: false })?.ino;
  const net = jail.vnet === 'new' ? inode(netnsOf(jail)) : undefined;
  const uts = jail.uts === '' ? undefined : inode(jail.uts);
  const all = [
    ...(net === undefined ? [] : processesIn('net', net)),
    ...(uts === undefined ? [] : processesIn('uts', uts)),
  ];
  return [...new Set(all)].filter((pid) => pid !== process.pid);
}
