import { NetgraphSocket } from '../../src/client/index.js';
import { Frame, type Message, type Netgraph, NgError } from '../../src/netgraph/index.js';
import { ControlSocket, DataSocket } from '../../src/nodes/socket.js';
import type { Vnet } from '../../src/vnet/index.js';

/** A socket node in a graph of the same process: what a client is without the daemon between. */
export class GraphSocket extends NetgraphSocket {
  readonly control: ControlSocket;
  private readonly data: DataSocket;

  constructor(graph: Netgraph, vnet: Vnet, name?: string) {
    super();
    this.control = new ControlSocket(graph, vnet, {
      message: (from, message) => (this.messageArrived({ from, message }) ? 0 : 55),
      end: () => this.ended(),
    });
    if (name !== undefined) this.control.bind(name);
    this.data = new DataSocket(graph, vnet, {
      data: (hook, frame) => (this.frameArrived({ hook, data: frame.view().slice() }) ? 0 : 55),
      end: () => {},
    });
    this.data.attach(this.control.node!);
  }

  override async sendData(hook: string | undefined, data: Uint8Array): Promise<void> {
    this.trace?.write(hook, data);
    const error = this.data.send(hook, new Frame(data));
    if (error !== 0) throw NgError.fromErrno(error);
  }

  override async close(): Promise<void> {
    this.control.close();
    this.data.close();
    this.ended();
  }

  protected override deliver(path: string, message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.control.send(path, message, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}
