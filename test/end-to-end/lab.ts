import { afterAll, beforeAll, expect } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { Machine } from '../support/machine.js';
import { Endpoint } from './endpoint.js';

export type Side = 'left' | 'right';

/** Where the jails reach one another. */
export const ADDRESSES = {
  left: { IPv4: '192.0.2.1', IPv6: '2001:db8::1' },
  right: { IPv4: '192.0.2.2', IPv6: '2001:db8::2' },
} as const;

export const FAMILIES = ['IPv4', 'IPv6'] as const;

/** One way, and the other. */
export const WAYS = [
  ['left', 'right'],
  ['right', 'left'],
] as const;

/** Two jails with an eiface each, and a wormhole to each from the host, `wl` and `wr`, that leads nowhere yet. */
const JAILS = (['left', 'right'] as const)
  .map((name, i) => {
    const wormhole = `w${name[0]}`;
    return `
jail -c name=${name} vnet persist
ngctl -j ${name} mkpeer eiface e ether
ifconfig -j ${name} ngeth0 inet ${ADDRESSES[name].IPv4}/24 up
ifconfig -j ${name} ngeth0 inet6 ${ADDRESSES[name].IPv6}/64 no_dad
ngctl -f - <<EOF
mkpeer wormhole w evthorizon
name .:w ${wormhole}
msg ${wormhole}: open "${name}"
connect ${wormhole}:jid=${i + 1} ngeth0: evthorizon ether
rmhook w
EOF`;
  })
  .join('\n');

export const TOPOLOGIES = {
  'two eifaces and the wormhole that two collapsed into': `
ngctl connect wl: wr: evthorizon evthorizon`,

  // With an interface of the host on the hub, too, and copies from the tee that nobody reads.
  'two wormholes, and a hub and a tee on the host between them': `
ngctl -f - <<EOF
mkpeer wl: hub evthorizon left
name wl:evthorizon lan
mkpeer lan: tee right left
name lan:right snoop
connect snoop: wr: right evthorizon
mkpeer snoop: hole left2right in
mkpeer snoop: hole right2left in
mkpeer lan: eiface host ether
EOF
ifconfig ngeth0 up`,
} as const;

const COUNTERS = {
  /** From the jail's network stack into the graph. */
  rxFrames: 0,
  rxOctets: 0,
  /** From the graph into the network stack. */
  txFrames: 0,
  txOctets: 0,
  dropDown: 0,
  dropNoBuffer: 0,
  dropGone: 0,
  dropInvalid: 0,
};

/** What `getstats` of an eiface counts. */
export type Stats = typeof COUNTERS;

/** Counters of an eiface; those that are zero are left out of the text. */
export async function getStats(client: NetgraphClient, path = 'ngeth0:'): Promise<Stats> {
  const text = (await client.msg(path, 'getstats')) ?? '';
  const found = [...text.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name, Number(value)]);
  return { ...COUNTERS, ...Object.fromEntries(found) };
}

/** Counts since an earlier look. */
function since(before: Stats, after: Stats): Stats {
  const result = { ...after };
  for (const key of Object.keys(COUNTERS) as (keyof Stats)[]) result[key] -= before[key];
  return result;
}

/** Two jails joined by a graph, with a program in each that sends and receives. */
export class Lab {
  private constructor(
    readonly box: Machine,
    readonly left: Endpoint,
    readonly right: Endpoint,
    /** To talk with the nodes of each jail. */
    readonly clients: Readonly<Record<Side, NetgraphClient>>,
  ) {}

  /** @param environment variables for the daemon */
  static async build(graph: string, environment = ''): Promise<Lab> {
    const box = await Machine.start();
    const { stdout, stderr, status } = await box.run(`set -e\n${environment} jls\n${JAILS}\n${graph}`);
    if (status !== 0) throw new Error(`the graph cannot be built: ${stdout}${stderr}`);
    const sides = ['left', 'right'] as const;
    const [left, right] = sides.map((jail) => new Endpoint(box, jail));
    for (const endpoint of [left, right]) await endpoint.counters(); // it serves
    const [inLeft, inRight] = await Promise.all(sides.map((jail) => box.client({ jail })));
    return new Lab(box, left, right, { left: inLeft, right: inRight });
  }

  /** What the interface of one side counts during `work`. */
  async statsOf(side: Side, work: () => Promise<unknown>): Promise<Stats> {
    const before = await getStats(this.clients[side]);
    await work();
    return since(before, await getStats(this.clients[side]));
  }

  async setMtu(mtu: number): Promise<void> {
    await this.box.sh(`for jail in left right; do ip -n $jail link set ngeth0 mtu ${mtu}; done`);
  }

  /** Runs `work`; returns how many frames longer than `length` tcpdump saw meanwhile on the interface of a side. */
  async longer(side: Side, length: number, work: () => Promise<unknown>): Promise<number> {
    const dump = `tcpdump -i ngeth0 -nn -q greater ${length + 1} >/dev/null & read end; kill -INT $!; wait $!`;
    const child = this.box.spawn('jexec', side, 'sh', '-c', dump);
    let said = '';
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (text) => {
        said += text;
        if (said.includes('listening on')) resolve();
      });
      child.on('close', () => reject(new Error(`tcpdump ended: ${said}`)));
    });
    try {
      await work();
    } finally {
      child.stdin.end('end\n');
    }
    await ended;
    const received = /(\d+) packets? received by filter/.exec(said)?.[1];
    if (received === undefined) throw new Error(`tcpdump does not say what it saw: ${said}`);
    return Number(received);
  }

  /** Ends it all. The daemon must not have found a defect in itself. */
  async end(): Promise<void> {
    const log = await this.box.sh('cat /run/netgraph/daemon.log');
    await this.box.close();
    expect(log.split('\n')).toEqual([expect.stringMatching(/^\S+ info serving socket=\S+ pid=\d+$/), '']);
  }
}

/** One Lab for all tests of the present describe(). */
export function sharedLab(graph: string, environment?: string): { lab: Lab } {
  const holder = {} as { lab: Lab };
  beforeAll(async () => {
    holder.lab = await Lab.build(graph, environment);
  });
  afterAll(() => holder.lab?.end());
  return holder;
}
