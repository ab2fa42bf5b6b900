/**
 * Two jails and traffic between them, which checks itself. All pairs have the same addresses, on both layers, so that what
 * gets from one into another is received there, and told by what it says of itself.
 */
import { createInterface } from 'node:readline';
import { must, now, own, run, sleep, start, tool } from './box.mjs';

const ADDRESSES = { l: '10.0.0.1', r: '10.0.0.2' };
const SIDES = ['l', 'r'];
/**
 * Nothing but our traffic, and TCP that tries again each second, for minutes: left alone, one that got nothing through for
 * some time waits as long again. Linux before 6.15 does not know how to.
 */
const SYSCTLS = [
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv4.tcp_rto_max_ms=1000',
  'net.ipv4.tcp_retries2=255',
];
/** Until datagrams and stream go on, in ms. */
const PATIENCE = 60_000;
export const WAYS = ['collapsed', 'hub', 'tee', 'chain'];

/** One program that sends and receives: endpoint.py. */
class Endpoint {
  state = { sent: 0, received: 0, octets: 0, tcpSent: 0, tcpReceived: 0, tcp: 'none', last: 0 };
  gaps = [];
  faults = [];
  ended = false;

  constructor(jail, options) {
    const enter = ['nsenter', `--net=/run/netns/${jail}`, `--uts=/run/netgraph/uts/${jail}`];
    this.child = start([...enter, 'python3', own('endpoint.py'), JSON.stringify(options)], { stdio: 'pipe' });
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const { gaps, faults, ...state } = JSON.parse(line);
      this.state = state;
      this.gaps.push(...gaps);
      this.faults.push(...faults);
    });
    this.child.stderr.on('data', (text) => this.faults.push(`endpoint: ${text}`));
    this.child.on('exit', () => {
      this.ended = true;
    });
  }

  /** Whether waiting does not help. */
  get isHopeless() {
    return this.ended || this.faults.length > 0 || !['none', 'open'].includes(this.state.tcp);
  }

  end() {
    this.child.stdin.end();
  }
}

export class Pair {
  /** Keys of nodes in the model. */
  keys = {};
  ends = {};
  /** The side whose interface was deleted and has no addresses yet. */
  bare = undefined;
  /** Whether frames can pass. */
  whole = false;

  constructor(ledger, chance, name, { way, rate, octets }) {
    Object.assign(this, { ledger, chance, name, way, rate, octets });
    this.tokens = Object.fromEntries(
      SIDES.map((side) => [
        side,
        Array.from({ length: 8 }, () => chance.below(256).toString(16).padStart(2, '0')).join(''),
      ]),
    );
  }

  jail(side) {
    return `${this.name}${side}`;
  }

  async build() {
    for (const side of SIDES) {
      await this.ledger.createJail(this.jail(side));
      await must(['nsenter', `--net=/run/netns/${this.jail(side)}`, 'sysctl', '-eqw', ...SYSCTLS]);
      await this.makeInterface(side);
      await this.makeWormhole(side);
    }
    await this.join();
    this.startTraffic();
  }

  /** An interface in a jail, with its addresses. */
  async makeInterface(side) {
    const jail = this.jail(side);
    // It may be there already: the daemon was killed before we could go on.
    const there = [...this.ledger.model.nodes.values()].find(
      (node) => node.jail === jail && node.type === 'eiface',
    );
    const key = there?.key ?? (await this.ledger.make(jail, 'eiface', 'ether'));
    if (there === undefined) await this.ledger.release(jail);
    this.keys[`if-${side}`] = key;
    const { name } = this.ledger.model.node(key);
    const number = side === 'l' ? 1 : 2;
    await must(['ip', '-n', jail, '-batch', '-'], {
      input: `link set ${name} address 02:00:00:00:00:0${number}
address replace ${ADDRESSES[side]}/24 dev ${name}
link set ${name} up\n`,
    });
    this.bare = undefined;
  }

  async makeWormhole(side) {
    const key = await this.ledger.make('', 'wormhole', 'evthorizon', `${this.name}${side}`);
    const far = await this.ledger.open(key, this.jail(side));
    this.keys[`w-${side}`] = key;
    this.keys[`far-${side}`] = far;
    await this.plug(side);
    await this.ledger.release('');
  }

  plug(side) {
    return this.required(
      this.ledger.connect(this.keys[`far-${side}`], 'evthorizon', this.keys[`if-${side}`], 'ether'),
    );
  }

  async join() {
    const { ledger, keys, name } = this;
    const [l, r] = [keys['w-l'], keys['w-r']];
    if (this.way === 'collapsed') {
      await this.required(ledger.connect(l, 'evthorizon', r, 'evthorizon'));
    } else {
      keys.hub = await ledger.mkpeer(l, 'evthorizon', 'hub', 'left');
      await ledger.name(keys.hub, `${name}hub`);
      let last = keys.hub;
      for (let i = 0; this.way === 'chain' && i < 4; i++)
        last = await ledger.mkpeer(last, `h${i}`, 'hub', `g${i}`);
      if (this.way === 'tee') {
        keys.tee = await ledger.mkpeer(last, 'right', 'tee', 'left');
        await this.required(ledger.connect(keys.tee, 'right', r, 'evthorizon'));
        await ledger.mkpeer(keys.tee, 'left2right', 'hole', 'in');
      } else {
        await this.required(ledger.connect(last, 'right', r, 'evthorizon'));
      }
      keys.last = last;
    }
    this.whole = true;
  }

  /** Puts a tee before the right wormhole, or takes it out again. */
  async changeWay() {
    const { ledger, keys } = this;
    if (keys.hub === undefined || !this.whole) return;
    if (keys.tee !== undefined) {
      await this.required(ledger.shutdown(keys.tee));
      keys.tee = undefined;
      return;
    }
    const { key, hook } = ledger.model.node(keys['w-r']).hooks.get('evthorizon');
    await this.required(ledger.rmhook(keys['w-r'], 'evthorizon'));
    keys.tee = await ledger.mkpeer(keys['w-r'], 'evthorizon', 'tee', 'right');
    await this.required(ledger.connect(keys.tee, 'left', key, hook));
  }

  /** Somebody deletes an interface; it is made anew. */
  async loseInterface() {
    const side = this.chance.pick(SIDES);
    this.bare = side;
    const noticed = await this.ledger.deleteLink(this.keys[`if-${side}`]);
    await noticed();
    await this.makeInterface(side);
    await this.plug(side);
  }

  /** After an interruption: whatever is missing of it is made again. */
  async repair() {
    const { ledger, keys } = this;
    const { model } = ledger;
    const isFree = (key, hook) => !model.node(key).hooks.has(hook);
    for (const side of SIDES) {
      if (this.bare === side || !model.nodes.has(keys[`if-${side}`])) await this.makeInterface(side);
      if (isFree(keys[`far-${side}`], 'evthorizon')) await this.plug(side);
    }
    if (this.way === 'collapsed') return;
    if (!model.nodes.has(keys.tee)) keys.tee = undefined;
    if (isFree(keys['w-r'], 'evthorizon')) {
      await this.required(ledger.connect(keys['w-r'], 'evthorizon', keys.last, 'right'));
      return;
    }
    const { key } = model.node(keys['w-r']).hooks.get('evthorizon');
    if (model.node(key).type !== 'tee') return;
    keys.tee = key;
    if (isFree(key, 'left')) await this.required(ledger.connect(key, 'left', keys.last, 'right'));
  }

  async setOffloads() {
    const on = this.chance.below(2);
    const key = this.keys[`if-${this.chance.pick(SIDES)}`];
    await this.required(this.ledger.tell(key, 'setoffload', String(on), 'offload', on));
  }

  async setMtu() {
    const mtu = this.chance.pick([1500, 1500, 9000, 1400]);
    for (const side of SIDES) {
      const { name } = this.ledger.model.node(this.keys[`if-${side}`]);
      await must(['ip', '-n', this.jail(side), 'link', 'set', name, 'mtu', String(mtu)]);
    }
  }

  startTraffic() {
    for (const side of SIDES) {
      const other = side === 'l' ? 'r' : 'l';
      const { rate: datagrams, octets } = this;
      const options = {
        me: this.tokens[side],
        peer: this.tokens[other],
        to: ADDRESSES[other],
        datagrams,
        octets,
      };
      this.ends[side] = new Endpoint(this.jail(side), {
        ...options,
        listen: side === 'l',
        seed: this.chance.below(1e9),
      });
    }
  }

  /** What was wrong with what arrived. */
  takeFaults() {
    return SIDES.flatMap((side) =>
      (this.ends[side]?.faults.splice(0) ?? []).map((what) => `${this.jail(side)}: ${what}`),
    );
  }

  /** Waits until datagrams and stream go on, both ways. Returns what does not. */
  async flows() {
    if (!this.whole) return [];
    const before = SIDES.map((side) => this.ends[side].state);
    const stuck = () => {
      const found = [];
      for (const [i, side] of SIDES.entries()) {
        const { state, ended } = this.ends[side];
        const where = `${this.name} (${this.way}) ${side}`;
        if (ended) found.push(`${where}: the program ended`);
        if (state.received <= before[i].received) found.push(`${where}: no datagrams arrive`);
        if (state.tcp !== 'open') found.push(`${where}: the connection is ${state.tcp}`);
        else if (state.tcpReceived <= before[i].tcpReceived)
          found.push(`${where}: the connection does not go on`);
      }
      return found;
    };
    const hopeless = () => SIDES.some((side) => this.ends[side].isHopeless);
    for (const end = Date.now() + PATIENCE; stuck().length > 0 && !hopeless() && Date.now() < end; )
      await sleep(20);
    // What was wrong is said elsewhere, then.
    if (SIDES.some((side) => this.ends[side].faults.length > 0)) return [];
    const found = stuck();
    return found.length === 0 ? found : [...found, ...(await this.evidence())];
  }

  /** What the systems and the daemon know of its traffic. */
  async evidence() {
    const lines = [];
    for (const side of SIDES) {
      const jail = this.jail(side);
      const inside = ['nsenter', `--net=/run/netns/${jail}`];
      const { name } = this.ledger.model.node(this.keys[`if-${side}`]);
      for (const words of [
        [...inside, 'ss', '-Htneoim'],
        [...inside, 'nstat', '-as'],
        [...inside, 'ip', '-s', '-s', 'link', 'show', name],
        tool('ngctl', '-j', jail, 'msg', `${name}:`, 'getstats'),
      ]) {
        const { output, errors } = await run(words);
        lines.push(...(output + errors).split('\n').map((line) => `${jail}: ${line}`));
      }
    }
    return lines;
  }

  /** Milliseconds from a moment until datagrams arrived again, or undefined when none did or there was no gap. */
  gapAfter(moment) {
    const gaps = SIDES.flatMap((side) => this.ends[side]?.gaps ?? []);
    const over = gaps.filter(([from, to]) => BigInt(from) < moment && BigInt(to) > moment);
    return over.length === 0
      ? undefined
      : Math.max(...over.map(([, to]) => Number(BigInt(to) - moment) / 1e6));
  }

  /** The longest silence, in ms, within a time. */
  longestGap(from, to = now()) {
    const gaps = SIDES.flatMap((side) => this.ends[side]?.gaps ?? []).filter(
      ([start, end]) => BigInt(end) > from && BigInt(start) < to,
    );
    return Math.max(0, ...gaps.map(([start, end]) => (end - start) / 1e6));
  }

  forgetGaps() {
    for (const side of SIDES) this.ends[side]?.gaps.splice(0);
  }

  /** Counts of both ends. */
  totals() {
    const totals = { datagrams: 0, octets: 0, streamOctets: 0 };
    for (const side of SIDES) {
      const { received = 0, octets = 0, tcpReceived = 0 } = this.ends[side]?.state ?? {};
      totals.datagrams += received;
      totals.octets += octets;
      totals.streamOctets += tcpReceived;
    }
    return totals;
  }

  /** Takes it away, in one of many ways, under load. */
  async end(how) {
    const { ledger } = this;
    this.whole = false;
    const [first, second] = this.chance.maybe(0.5) ? SIDES : [...SIDES].reverse();
    if (how === 'netns') await (await ledger.deleteNamespace(this.jail(first)))();
    else if (how === 'wormhole') await ledger.shutdown(this.keys[`far-${first}`]);
    else if (how === 'quiet') for (const side of SIDES) this.ends[side]?.end();
    for (const side of [first, second])
      if (ledger.model.jails.has(this.jail(side))) await ledger.removeJail(this.jail(side));
    await this.sweep();
  }

  /** What may be left of it on the host. */
  async sweep() {
    const { ledger } = this;
    for (const node of [...ledger.model.nodes.values()]) {
      if (node.jail === '' && node.name?.startsWith(this.name) && ledger.model.nodes.has(node.key))
        await ledger.shutdown(node.key);
    }
  }

  /** Of one that was interrupted while it came or went. */
  async abandon() {
    this.whole = false;
    for (const side of SIDES)
      if (this.ledger.model.jails.has(this.jail(side))) await this.ledger.removeJail(this.jail(side));
    await this.sweep();
    for (const side of SIDES) this.ends[side]?.end();
  }

  async required(work) {
    if (!(await work)) throw new Error(`${this.name}: refused: ${this.ledger.refused.message}`);
  }
}
