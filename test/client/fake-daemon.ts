import { type Duplex, duplexPair } from 'node:stream';
import type { Transport } from '../../src/client/index.js';
import { type ControlRecord, encodeRecord, Kind, RecordReader } from '../../src/protocol/index.js';

type Answer = (record: ControlRecord, daemon: FakeDaemon) => void;

/** The other end of a client's connection, in the same process. */
export class FakeDaemon {
  /** What the client connects with. */
  readonly transport: Transport;
  readonly stream: Duplex;
  /** Requests that came, in words. */
  readonly requests: string[] = [];
  /** Its process ends. */
  readonly die: () => void;
  private readonly reader = new RecordReader();

  constructor(private readonly answer: Answer = () => {}) {
    const [near, far] = duplexPair();
    this.die = () => near.destroy();
    this.transport = near;
    this.stream = far;
    far.on('data', (chunk: Buffer) => {
      for (const record of this.reader.push(chunk)) this.handle(record);
    });
    far.on('end', () => far.end());
  }

  send(kind: number, id: number, ...parts: (Uint8Array | string)[]): void {
    this.stream.write(encodeRecord(kind, id, ...parts));
  }

  result(id: number, value: unknown = {}): void {
    this.send(Kind.RESULT, id, new Uint8Array(4), JSON.stringify(value));
  }

  refuse(id: number, errno: number, sentence: string): void {
    this.send(Kind.RESULT, id, new Uint8Array([errno, 0, 0, 0]), sentence);
  }

  private handle(record: ControlRecord): void {
    const text = Buffer.from(record.body).toString('latin1');
    this.requests.push(`${record.kind} ${text.split('\0', 1)[0]}`);
    const { method } = record.kind === Kind.CALL ? JSON.parse(text) : { method: undefined };
    if (method === 'hello') this.result(record.id, { pid: 7, version: '1.2.3', jid: 0 });
    else if (method === 'open') this.result(record.id, { id: 5 });
    else this.answer(record, this);
  }
}
