import { NetgraphSocket } from '../client/index.js';
import { ENOBUFS, Frame, type Message, NgError } from '../netgraph/index.js';
import { ControlSocket, DataSocket } from '../nodes/socket.js';
import type { Vnet } from '../vnet/index.js';
import type { World } from './world.js';

/** A socket node in a world of this process, with the interface that programs have through the daemon. */
export class LocalSocket extends NetgraphSocket {
  private readonly control: ControlSocket;
  private readonly data: DataSocket;

  /** Made by `World.socket`. */
  constructor(
    private readonly world: World,
    vnet: Vnet,
    name: string | undefined,
  ) {
    super();
    this.control = new ControlSocket(world.graph, vnet, {
      message: (from, message) => (this.messageArrived({ from, message }) ? 0 : ENOBUFS),
      end: () => this.ended(),
    });
    this.data = new DataSocket(world.graph, vnet, {
      data: (hook, frame) => (this.frameArrived({ hook, data: frame.view().slice() }) ? 0 : ENOBUFS),
      end: () => {},
    });
    this.data.attach(this.control.node!);
    if (name !== undefined) this.control.bind(name);
  }

  protected override async deliver(path: string, message: Message): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.control.send(path, message, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  override async sendData(hook: string | undefined, data: Uint8Array): Promise<void> {
    const error = this.data.send(hook, new Frame(data));
    if (error !== 0) throw NgError.fromErrno(error);
  }

  override async close(): Promise<void> {
    this.control.close();
    this.data.close();
    this.ended();
    await this.world.settled();
  }
}
