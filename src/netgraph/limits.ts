import { type Vnet, type VnetSystem, vnetDefine } from '../vnet/index.js';
import { NG_VERSION } from './message.js';

/** Nested deliveries before a frame is queued instead: bounds the stack in graphs with loops. */
export const MAX_DEPTH = 256;
/** Hops that one frame entering the graph may cause before the rest is queued. */
export const MAX_HOPS = 16384;

/** Numbers of ng_message.h and ng_socket.h by which programs find out what they talk to. */
const CONSTANTS = [
  ['abi_version', 12, 'Version of the interface to node types'],
  ['msg_version', NG_VERSION, 'Version of control messages'],
  ['family', 32, 'Protocol family of sockets'],
  ['data.proto', 1, 'Protocol of data sockets'],
  ['control.proto', 2, 'Protocol of control sockets'],
] as const;

const UNSET = -1;

/** The vnet of the jail around one, as long as there is one. */
const around = ({ outer }: Vnet): Vnet | undefined => (outer?.state === 'gone' ? undefined : outer);

/** A bound that holds for each vnet by itself. A jail that was given none of its own has that of the jail around it. */
class Limit {
  private readonly own = vnetDefine('limit', () => UNSET);

  /** A jail must not take the memory or the descriptors of all; the host may let it have more. */
  constructor(
    private readonly ofHost: number,
    private readonly ofJails = ofHost,
  ) {}

  get(vnet: Vnet): number {
    const own = this.own.get(vnet);
    if (own !== UNSET) return own;
    const outer = around(vnet);
    if (outer !== undefined) return this.get(outer);
    return vnet.isDefault ? this.ofHost : this.ofJails;
  }

  set(vnet: Vnet, value: number): void {
    this.own.set(vnet, value);
  }
}

/** A limit, and what counts towards it: what there is in a vnet and in the jails inside that one. */
class Quota extends Limit {
  private readonly used = vnetDefine('used', () => 0);

  /** How many there are. */
  count(vnet: Vnet): number {
    return this.used.get(vnet);
  }

  /**
   * Whether there is room for so many more, in a vnet and in the jails around it.
   * @param times what the limit is multiplied by
   */
  hasRoom(vnet: Vnet, more = 1, times = 1): boolean {
    for (let at: Vnet | undefined = vnet; at !== undefined; at = around(at))
      if (this.used.get(at) + more > times * this.get(at)) return false;
    return true;
  }

  /** So many more are there, or fewer. */
  add(vnet: Vnet, more: number): void {
    for (let at: Vnet | undefined = vnet; at !== undefined && at.state !== 'gone'; at = at.outer)
      this.used.set(at, this.used.get(at) + more);
  }
}

/** What bounds a vnet. */
export const limits = {
  maxNodes: new Quota(1 << 20, 1 << 16),
  maxHooks: new Quota(1 << 21, 1 << 17),
  maxInterfaces: new Quota(1 << 16, 1024),
  maxData: new Quota(4096),
  maxDataOctets: new Quota(64 * 1024 * 1024),
  maxDatagram: new Limit(128 * 1024),
  receiveSpace: new Limit(4 * 1024 * 1024),
  maxReceiveSpace: new Limit(64 * 1024 * 1024),
  maxClients: new Limit(1024),
};

/** Publishes the limits and what else there is below net.graph, where FreeBSD has it under its names. */
export function registerLimits({ sysctls }: VnetSystem): void {
  const { maxNodes, maxHooks, maxInterfaces, maxData, maxDataOctets, maxDatagram } = limits;
  const { receiveSpace, maxReceiveSpace, maxClients } = limits;
  sysctls.uint('net.graph.maxnodes', maxNodes, 'Maximum number of nodes');
  sysctls.uint('net.graph.maxhooks', maxHooks, 'Maximum number of hooks of all nodes');
  sysctls.uint('net.graph.maxdatabytes', maxDataOctets, 'Maximum size of what waits in queues');
  sysctls.int('net.graph.maxdata', maxData, 'Maximum number of frames and messages that wait in queues', {
    min: 0,
  });
  sysctls.uint('net.graph.maxdgram', maxDatagram, 'Maximum size of a message or frame from a socket');
  sysctls.uint('net.graph.recvspace', receiveSpace, 'Maximum space for what a socket has not read yet');
  sysctls.uint(
    'net.graph.maxrecvspace',
    maxReceiveSpace,
    'Maximum space for what sockets together have not read',
  );
  sysctls.uint('net.graph.maxclients', maxClients, 'Maximum number of connections from a jail to the daemon');
  sysctls.uint('net.graph.maxinterfaces', maxInterfaces, 'Maximum number of eiface nodes');
  for (const [name, value, description] of CONSTANTS)
    sysctls.proc(`net.graph.${name}`, 'int', description, () => value);
  sysctls.proc('net.graph.maxdepth', 'uint', 'Nested deliveries before a frame is queued', () => MAX_DEPTH);
  sysctls.proc('net.graph.maxhops', 'uint', 'Hops caused by a frame before it is queued', () => MAX_HOPS);
}
