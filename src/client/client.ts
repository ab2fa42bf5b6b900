import { NgError } from '../netgraph/errors.js';
import type { Message } from '../netgraph/message.js';
import { instancePaths, type Method, type Params, PROTOCOL_VERSION, type Result } from '../protocol/index.js';
import { Connection } from './connection.js';
import { ClientError } from './errors.js';
import { NetgraphSocket } from './socket.js';
import { connectFailed, startDaemon } from './start.js';
import { connectUnix, nobodyListens, type Transport } from './transport.js';

export interface ConnectOptions {
  /** The daemon's socket. Default: that of this instance, see `instancePaths`. */
  socketPath?: string;
  /** Acts inside this jail, given by name or ID, below the caller's own. */
  jail?: string;
  /** Makes the socket node now and gives it this name. Without one it is made on first use. */
  name?: string;
  /** Whether to start the daemon when none runs, which root on the host may. Default: true, without `socketPath`. */
  startDaemon?: boolean;
  /** Speaks over this stream instead. */
  transport?: Transport;
}

/**
 * A program's way into netgraph, libnetgraph in TypeScript: a socket node in the vnet that the program runs in, and
 * calls to the daemon about jails, types and settings.
 *
 *     const netgraph = await NetgraphClient.connect({ name: 'demo' });
 *     await netgraph.mkpeer('.', 'eiface', 'e', 'ether');
 *     console.log(await netgraph.msg('.:e', 'getifname')); // "ngeth0"
 *     await netgraph.close();
 */
export class NetgraphClient extends NetgraphSocket implements AsyncDisposable {
  private readonly connection: Connection;
  private greeting: Result<'hello'> | undefined;
  private socketNode: Promise<number> | undefined;

  private constructor(transport: Transport) {
    super();
    this.connection = new Connection(transport, {
      message: (received) => this.messageArrived(received),
      frame: (frame) => this.frameArrived(frame),
      end: (error) => this.ended(error),
    });
  }

  /**
   * Connects to the daemon, and starts it if need be.
   * @throws ClientError ENOHOST (no such jail), EPERM, ENODAEMON, EPROTO; NgError when the node cannot have its name
   */
  static async connect(options: ConnectOptions = {}): Promise<NetgraphClient> {
    const { jail, name } = options;
    const client = new NetgraphClient(options.transport ?? (await reach(options)));
    try {
      await client.hello(jail);
      if (name !== undefined) await client.openNode(name);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Asks the daemon for something. Rejects with NgError as the daemon refuses it. */
  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.connection.call(method, params);
  }

  /** jid of the jail it acts in, 0 for the host. */
  get jid(): number {
    return this.greeting?.jid ?? 0;
  }

  /** Process ID and version of the daemon. */
  get daemon(): { pid: number; version: string } {
    const { pid = 0, version = '' } = this.greeting ?? {};
    return { pid, version };
  }

  /** ID of the socket node, which is made now if it was not. */
  nodeId(): Promise<number> {
    return this.openNode();
  }

  override async sendData(hook: string | undefined, data: Uint8Array): Promise<void> {
    await this.openNode();
    this.trace?.write(hook, data);
    await this.connection.sendFrame(hook, data);
  }

  override async close(): Promise<void> {
    await this.connection.close();
    this.ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  protected override async deliver(path: string, message: Message): Promise<void> {
    await this.openNode();
    await this.connection.sendMessage(path, message);
  }

  private openNode(name?: string): Promise<number> {
    this.socketNode ??= this.call('open', { name }).then(({ id }) => id);
    return this.socketNode;
  }

  private async hello(jail: string | undefined): Promise<void> {
    try {
      this.greeting = await this.call('hello', { version: PROTOCOL_VERSION, jail });
    } catch (error) {
      throw error instanceof NgError ? helloRefused(error, jail) : error;
    }
  }
}

async function reach(options: ConnectOptions): Promise<Transport> {
  const paths = instancePaths();
  const { socketPath = paths.socket, startDaemon: mayStart = options.socketPath === undefined } = options;
  try {
    return await connectUnix(socketPath);
  } catch (error) {
    if (!nobodyListens(error)) throw connectFailed(socketPath, error);
    if (!mayStart) throw new ClientError('ENODAEMON', `no netgraph daemon runs (${socketPath})`);
  }
  return startDaemon({ socketPath, logPath: paths.log });
}

function helloRefused(error: NgError, jail: string | undefined): ClientError {
  const options = { cause: error };
  if (error.code === 'EPROTO') return new ClientError('EPROTO', error.message, options);
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new ClientError('EPERM', error.message, options);
  // The words of jail_getid(3).
  if (jail !== undefined) return new ClientError('ENOHOST', `jail "${jail}" not found`, options);
  return new ClientError('ENODAEMON', `the netgraph daemon refuses us: ${error.message}`, options);
}
