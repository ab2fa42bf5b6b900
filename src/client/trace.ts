import { NgError, strerror } from '../netgraph/errors.js';
import type { Message } from '../netgraph/message.js';
import { hexdump } from './hexdump.js';
import type { Received, ReceivedFrame } from './socket.js';

/** AF_NETGRAPH, and the bytes of struct sockaddr_ng besides the name. */
const AF_NETGRAPH = 32;
const SOCKADDR_OVERHEAD = 2;

/** Hears what goes over a socket. */
export interface Trace {
  sending(path: string, message: Message): void;
  refused(path: string, error: unknown): void;
  received(received: Received): void;
  write(hook: string | undefined, data: Uint8Array): void;
  read(frame: ReceivedFrame): void;
}

/**
 * Tells in the words of netgraph(3) what goes over a socket. Level 1: what is refused; 2: messages, and that there
 * was data; 3: data, too.
 */
export class DebugLog implements Trace {
  constructor(
    /** Where each line goes: NgSetErrLog. */
    private readonly log: (line: string) => void,
    /** NgSetDebug. */
    public level = 0,
  ) {}

  sending(path: string, message: Message): void {
    if (this.level < 2) return;
    this.log(`SENDING ${message.isReply ? 'RESPONSE' : 'MESSAGE'}:`);
    this.address(path);
    this.message(message);
  }

  refused(path: string, error: unknown): void {
    if (this.level >= 1 && error instanceof NgError) this.log(`sendto(${path}): ${strerror(error.errno)}`);
  }

  received({ from, message }: Received): void {
    if (this.level < 2) return;
    this.log(`RECEIVED ${message.isReply ? 'RESPONSE' : 'MESSAGE'}:`);
    this.address(from);
    this.message(message);
  }

  write(hook: string | undefined, data: Uint8Array): void {
    if (this.level < 2) return;
    this.log(`WRITE PACKET to hook "${hook ?? ''}" (${data.length} bytes)`);
    if (this.level >= 3) this.bytes(data);
  }

  read({ hook, data }: ReceivedFrame): void {
    if (this.level < 2) return;
    this.log(`READ PACKET from hook "${hook}" (${data.length} bytes)`);
    if (this.level >= 3) this.bytes(data);
  }

  private address(path: string): void {
    const length = Buffer.byteLength(path) + 1 + SOCKADDR_OVERHEAD;
    this.log(`SOCKADDR: { fam=${AF_NETGRAPH} len=${length} addr="${path}" }`);
  }

  private message(message: Message): void {
    this.log('NG_MESG :');
    this.log(`  vers   ${message.version}`);
    this.log(`  arglen ${message.data.length}`);
    this.log(`  flags  ${message.flags}`);
    this.log(`  token  ${message.token}`);
    this.log(`  cookie ${message.cookie}`);
    this.log(`  cmd    ${message.cmd}`);
    this.log(`  args (${message.data.length} bytes)`);
    this.bytes(message.data);
  }

  private bytes(data: Uint8Array): void {
    for (const line of hexdump(data)) this.log(line);
  }
}
