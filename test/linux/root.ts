/** What tests on the real system share. They leave nothing behind. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach } from 'vitest';
import { Namespace, type TapDevice, TapHost, type TapHostOptions } from '../../src/linux/index.js';
import type { EthernetEvents } from '../../src/netgraph/device.js';
import type { Frame } from '../../src/netgraph/frame.js';
import { type Vnet, VnetSystem } from '../../src/vnet/index.js';
import { describeReal } from '../support/sandbox.js';

/** describeReal() of what moves frames: with io_uring where it is allowed, and with a system call for each. */
export function describeFrames(name: string, tests: (t: { box: Sandbox }) => void): void {
  for (const ioUring of [true, false])
    describeReal(`${name}, ${ioUring ? 'many at a time' : 'one by one'},`, () => tests(sandbox({ ioUring })));
}

/** A receiver that does nothing. */
export const quiet: EthernetEvents = { receive() {}, gone() {} };

export const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });

/** `ip -j`: the independent judge. */
export const ipJson = (...args: string[]): Record<string, unknown>[] => JSON.parse(ip('-j', ...args) || '[]');

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds. */
export async function until(holds: () => boolean, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; !holds(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${holds}`);
  }
}

export const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/** Share of one CPU that this process uses during some time. */
export async function cpuShare(ms: number): Promise<number> {
  const before = process.cpuUsage();
  const start = performance.now();
  await sleep(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - start);
}

/** Namespaces, interfaces and processes of one test; all are gone after it. */
export class Sandbox {
  readonly vnets = new VnetSystem();
  private readonly hosts: TapHost[] = [];
  private readonly namespaces: Namespace[] = [];
  private readonly children: ChildProcess[] = [];
  private readonly places = new Map<Vnet, Namespace>();

  constructor(private readonly defaults: Partial<TapHostOptions> = {}) {}

  /** A name that no other run of the tests has. */
  name(): string {
    return `ngt${process.pid}-${randomBytes(3).toString('hex')}`;
  }

  netns(): Namespace {
    const namespace = Namespace.create(this.name());
    this.namespaces.push(namespace);
    return namespace;
  }

  /** A vnet in a namespace of its own. */
  vnet(namespace = this.netns()): Vnet {
    const vnet = this.vnets.alloc();
    this.places.set(vnet, namespace);
    return vnet;
  }

  netnsOf(vnet: Vnet): Namespace {
    return this.places.get(vnet)!;
  }

  host(options: Partial<TapHostOptions> = {}): TapHost {
    const host = new TapHost({ netnsOf: (vnet) => this.netnsOf(vnet), ...this.defaults, ...options });
    this.hosts.push(host);
    return host;
  }

  /** Two interfaces `e0` in two namespaces with 10.9.0.1 and 10.9.0.2, joined by a forwarder. */
  async pair(options: Partial<TapHostOptions> = {}, seen: (frame: Frame) => void = () => {}) {
    const host = this.host(options);
    const vnets = [this.vnet(), this.vnet()];
    const devices: TapDevice[] = vnets.map((vnet, i) =>
      host.createEthernet(vnet, 'e0', {
        receive(frame) {
          seen(frame);
          devices[1 - i]!.transmit(frame);
        },
        gone() {},
      }),
    );
    const names = vnets.map((vnet) => this.netnsOf(vnet).name);
    names.forEach((name, i) => {
      ip('-n', name, 'addr', 'add', `10.9.0.${i + 1}/24`, 'dev', 'e0');
      ip('-n', name, 'link', 'set', 'e0', 'up');
    });
    await until(() => devices.every((device) => device.up));
    return { host, vnets, devices, names };
  }

  /** Starts a program, ended with the test. */
  spawn(command: string, ...args: string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.children.push(child);
    return child;
  }

  /** Runs a program in a namespace while frames move; returns its output, throws when it fails. */
  run(netns: string, ...argv: string[]): Promise<string> {
    return output(this.spawn('ip', 'netns', 'exec', netns, ...argv), argv.join(' '));
  }

  /** Each thing by itself, so that one that fails leaves nothing of the others. */
  async clean(): Promise<void> {
    for (const child of this.children.splice(0)) child.kill('SIGKILL');
    const hosts = await Promise.allSettled(this.hosts.splice(0).map((host) => host.close()));
    const namespaces = await Promise.allSettled(
      this.namespaces.splice(0).map((namespace) => namespace.remove()),
    );
    for (const result of [...hosts, ...namespaces]) if (result.status === 'rejected') throw result.reason;
  }
}

export function output(child: ChildProcess, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (data) => {
      text += data;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${what}: exit ${code}\n${text}`));
    });
  });
}

/** A Sandbox for each test of the present describe(). */
export function sandbox(options: Partial<TapHostOptions> = {}): { box: Sandbox } {
  const holder = { box: new Sandbox(options) };
  beforeEach(() => {
    holder.box = new Sandbox(options);
  });
  afterEach(() => holder.box.clean());
  return holder;
}
