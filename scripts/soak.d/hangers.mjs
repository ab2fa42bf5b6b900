/** Clients that misbehave: they say half of something, they do not listen, they stand still. */
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { NetgraphClient, run, SOCKET, sleep, start, tool } from './box.mjs';
import { tally } from './report.mjs';

const KINDS = [
  'silent',
  'half a head',
  'half a record',
  'garbage',
  'too long',
  'deaf',
  'flood',
  'reader',
  'slow reader',
  'halted reader',
  'stopped',
];
const READERS = new Set(['reader', 'slow reader', 'halted reader']);
/** A slow reader takes a chunk, 64 KiB at most, in so many ms: less than there is. */
const PAUSE = 100;

const record = (kind, id, body) => {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(5 + body.length);
  head[4] = kind;
  head.writeUInt32LE(id, 5);
  return Buffer.concat([head, body]);
};
const call = (id, method, params) => record(1, id, Buffer.from(JSON.stringify({ method, params })));

export class Hangers {
  /** What takes each away again. */
  ends = new Set();
  counts = tally(KINDS);
  faults = [];
  /** How many frames came to those who read. */
  frames = { reader: 0, 'slow reader': 0 };

  constructor(ledger, chance, note) {
    Object.assign(this, { ledger, chance, note });
  }

  /** One more of them. @param pair with a hub to listen to, if there is one */
  async add(pair) {
    const kind = this.chance.pick(KINDS);
    this.note(`client: ${kind}`);
    this.counts[kind]++;
    if (READERS.has(kind)) await this.listen(pair, kind);
    else if (kind === 'stopped') await this.stopped();
    else this.raw(kind);
  }

  raw(kind) {
    const socket = connect(SOCKET);
    socket.on('error', () => {});
    socket.on('data', () => {});
    const hello = call(1, 'hello', { version: 1 });
    const writes = {
      silent: [],
      'half a head': [Buffer.from([200, 0])],
      'half a record': [hello, call(2, 'open', {}), record(2, 3, Buffer.alloc(1000)).subarray(0, 300)],
      garbage: [Buffer.from(Array.from({ length: 500 }, () => this.chance.below(256)))],
      'too long': [Buffer.from([255, 255, 255, 255, 1])],
      deaf: [
        hello,
        call(2, 'open', {}),
        ...Array.from({ length: 2000 }, (_, i) => call(i + 3, 'sysctl.list', {})),
      ],
      flood: [
        hello,
        ...Array.from({ length: 3000 }, (_, i) => call(i + 2, i % 2 ? 'jail.list' : 'nonsense', {})),
      ],
    };
    if (kind === 'deaf') socket.pause();
    for (const bytes of writes[kind]) socket.write(bytes);
    this.ends.add(() => socket.destroy());
  }

  /** On the hub of a pair: everything that passes there is for one of the two. */
  async listen(pair, kind) {
    const hub = pair?.keys.hub;
    if (hub === undefined || !pair.whole) return;
    const transport = connect(SOCKET);
    const client = await this.ledger.ask(() => NetgraphClient.connect({ transport }));
    const id = await this.ledger.ask(() => client.nodeId());
    const key = this.ledger.model.add('', 'socket', '');
    this.ledger.model.node(key).id = id;
    const hook = `x${key}`;
    const over = async () => {
      await client.close().catch(() => {});
      this.ledger.model.shutdown(key);
    };
    this.ends.add(over);
    if (!(await this.ledger.connect(hub, hook, key, 'in'))) return;
    if (kind === 'halted reader') {
      transport.pause();
      return;
    }
    if (kind === 'slow reader') this.slow(transport, client);
    void this.check(client, Object.values(pair.tokens), pair.name, kind);
  }

  /** Reads less than there is, and asks meanwhile: frames are lost, answers are not. */
  slow(transport, client) {
    transport.on('data', () => transport.pause());
    const timer = setInterval(() => transport.resume(), PAUSE);
    transport.on('close', () => clearInterval(timer));
    const ask = async () => {
      for (;;) {
        await client.nodeInfo('.');
        await sleep(PAUSE);
      }
    };
    ask().catch((error) => {
      if (error.code === 'ETIMEDOUT') this.faults.push(`a slow reader: ${error.message}`);
    });
  }

  async check(client, tokens, name, kind) {
    try {
      for await (const { data } of client.frames()) {
        this.frames[kind]++;
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
        const wrong = faultOf(bytes, tokens);
        if (wrong !== undefined)
          this.faults.push(`on the hub of ${name}: ${wrong}: ${bytes.toString('hex', 0, 100)}`);
      }
    } catch {
      // The daemon went.
    }
  }

  /** A program that is stopped while it listens, and killed in the end. */
  async stopped() {
    const child = start(tool('nghook', '-a', 'nowhere:', 'h'), { stdio: 'ignore' });
    await sleep(this.chance.below(250));
    child.kill('SIGSTOP');
    this.ends.add(() => child.kill('SIGKILL'));
  }

  /** Takes some of them away. */
  async thin(share) {
    for (const end of [...this.ends]) {
      if (!this.chance.maybe(share)) continue;
      this.ends.delete(end);
      await end();
    }
  }

  /** The daemon is gone: there is nothing left to hang on to. */
  async clear() {
    for (const end of this.ends) await end();
    this.ends.clear();
  }
}

/** What is wrong with an Ethernet frame with one of our datagrams in it; others are not looked at. */
function faultOf(bytes, tokens) {
  if (bytes.length < 42 || bytes.readUInt16BE(12) !== 0x0800 || bytes[23] !== 17) return undefined;
  if ((bytes.readUInt16BE(20) & 0x3fff) !== 0) return undefined; // a fragment
  const ip = bytes.subarray(14, 14 + bytes.readUInt16BE(16));
  const udp = ip.subarray(4 * (ip[0] & 15));
  if (udp.readUInt16BE(2) !== 5001) return undefined;
  const data = udp.subarray(8);
  const [to, from] = [data.toString('hex', 0, 8), data.toString('hex', 8, 16)];
  if (!tokens.includes(to) || !tokens.includes(from)) return `it is for ${to} from ${from}`;
  if (crc32(data.subarray(0, -4)) !== data.readUInt32BE(data.length - 4)) return 'the CRC is wrong';
  return undefined;
}

/** Tools of ours, as people use them. */
export const tryTool = (chance) =>
  run(
    chance.pick([
      tool('ngctl', 'list'),
      tool('ngctl', '-j', 'chaos', 'list'),
      tool('jls'),
      tool('netgraph', 'status', '--json'),
      tool('ngctl', 'dot'),
    ]),
  );
