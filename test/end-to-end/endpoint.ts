import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import type { Machine } from '../support/machine.js';

/** What one end of a conversation saw: SHA-256 of what it sent and of what it received. */
export interface Seen {
  sent: string;
  received: string;
  octets: number;
  /** Datagrams, or pieces of a stream. */
  reads: number;
}

/** Counters of a network stack, as /proc/net/snmp and snmp6 name them. */
export type StackCounters = Record<string, number>;

/** Those that say that a packet arrived damaged. */
const DAMAGE = [
  'IpInHdrErrors',
  'IpReasmFails',
  'IcmpInCsumErrors',
  'TcpInErrs',
  'TcpInCsumErrors',
  'UdpInErrors',
  'UdpInCsumErrors',
  'Ip6InHdrErrors',
  'Ip6ReasmFails',
  'Icmp6InCsumErrors',
  'Udp6InErrors',
  'Udp6InCsumErrors',
];

/** A program in a jail that sends and receives: see endpoint.py. */
export class Endpoint {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private complaints = '';

  constructor(box: Machine, jail: string) {
    this.child = box.spawn('jexec', jail, 'python3', join(import.meta.dirname, 'endpoint.py'));
    this.child.stderr.on('data', (text) => {
      this.complaints += text;
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask<T>(what: object): Promise<T> {
    this.child.stdin.write(`${JSON.stringify(what)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`the endpoint ended: ${this.complaints}`);
    const answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(`${answer.error} ${this.complaints}`);
    return answer;
  }

  counters(): Promise<StackCounters> {
    return this.ask({ do: 'counters' });
  }

  /** Nothing that the network stack received was damaged. Returns its counters. */
  async expectNoDamage(): Promise<StackCounters> {
    const counters = await this.counters();
    const damage = DAMAGE.map((name) => [name, counters[name]]);
    expect(damage).toEqual(DAMAGE.map((name) => [name, 0]));
    return counters;
  }
}

/** Both have what the other sent. */
function expectSame(asked: Seen, served: Seen): Seen {
  expect(served).toMatchObject({ received: asked.sent, sent: asked.received });
  expect(served.octets).toBe(asked.octets);
  expect(served.octets).toBeGreaterThan(0);
  return served;
}

/** Sends `size` octets each way over TCP, both at the same time. */
export async function exchangeTcp(from: Endpoint, server: Endpoint, to: string, size: number): Promise<Seen> {
  const asked = await from.ask<Seen>({ do: 'tcp', to, size });
  expect(asked.octets).toBe(size);
  return expectSame(asked, await server.ask({ do: 'served' }));
}

/**
 * Sends datagrams, and as many come back. With `segment` each of `sizes` is handed to the kernel as one send, to be
 * cut into datagrams of that size (UDP_SEGMENT). Returns what the server saw.
 */
export async function exchangeUdp(
  from: Endpoint,
  server: Endpoint,
  to: string,
  sizes: readonly number[],
  segment?: number,
): Promise<Seen> {
  const asked = await from.ask<Seen>({ do: 'udp', to, sizes, segment });
  expect(asked.octets).toBe(sizes.reduce((total, size) => total + size, 0));
  return expectSame(asked, await server.ask({ do: 'served' }));
}
