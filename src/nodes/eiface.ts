import {
  type DeviceCounters,
  type DeviceProvider,
  defineNode,
  type EthernetDevice,
  type EthernetEvents,
  FLOW_COOKIE,
  FlowMessages,
  type Frame,
  type Infer,
  limits,
  macText,
  NgError,
  onWire,
  type ReceiveFrame,
  t,
} from '../netgraph/index.js';
import { type Vnet, vnetDefine } from '../vnet/index.js';
import { packSockaddrs, sockaddrDl, sockaddrIn, sockaddrIn6 } from '../wire/sockaddr.js';
import { isWireReady, VIRTIO_HEADER } from '../wire/virtio.js';

const units = vnetDefine('eiface units', () => new Set<number>());
const MAX_UNIT = 0xffff;
const IFNAMSIZ = 16;

const Stats = t.struct({
  rxFrames: t.uint64,
  rxOctets: t.uint64,
  txFrames: t.uint64,
  txOctets: t.uint64,
  dropDown: t.uint64,
  dropNoBuffer: t.uint64,
  dropGone: t.uint64,
  dropInvalid: t.uint64,
  dropNoHook: t.uint64,
  dropRefused: t.uint64,
});

/**
 * An Ethernet interface of its vnet: frames that the network stack sends leave by `ether`, frames that arrive
 * there the stack receives. Link state follows the hook; the interface stays without it. ng_eiface(4)
 */
export const eiface = defineNode({
  type: 'eiface',
  cookie: 948105892,
  hooks: ['ether'],
  messages: {
    getifname: { cmd: 1, reply: t.string, summary: 'present name of the interface' },
    getifaddrs: { cmd: 2, binaryOnly: true, summary: 'its addresses, as packed sockaddrs' },
    set: { cmd: 3, args: t.enaddr, summary: 'set its Ethernet address' },
    // Not in FreeBSD.
    getoffload: { cmd: 100, reply: t.uint8, summary: 'whether large segments and partial checksums pass' },
    setoffload: { cmd: 101, args: t.uint8, summary: 'let them pass (1), or only frames as on a wire (0)' },
    getstats: { cmd: 102, reply: Stats, summary: 'frames, octets, and drops by reason' },
    setifname: { cmd: 103, args: t.string, summary: 'rename the interface' },
  },
  create({ node, hooks, env, resume }) {
    const events = {
      receive(frame: Frame) {
        if (hooks.ether === undefined) device.counters.dropNoHook++;
        else if (hooks.ether.send(frame) !== 0) device.counters.dropRefused++;
      },
      gone() {
        node.reallyDie = true;
        node.graph.removeNodeSoon(node);
      },
      changed: () => node.changed(),
    };
    const kept = resume as Kept | undefined;
    const { unit, device } =
      kept === undefined
        ? makeInterface(env.devices, node.vnet, events)
        : resumeInterface(env.devices, node.vnet, kept, events);
    // Link state follows the hook, and there is none yet.
    let link = kept?.link ?? false;
    device.setCarrier(link);
    const setLink = (on: boolean): void => {
      link = on;
      device.setCarrier(on);
      node.changed();
    };
    const offloadsAtFirst = device.offloads;
    if (kept === undefined) {
      try {
        node.graph.nameNode(node, device.name);
      } catch (error) {
        env.log(`${device.name}: the node goes without a name: ${(error as Error).message}`);
      }
    }

    const transmit: ReceiveFrame = (frame) => device.transmit(frame);
    const transmitCut = onWire(transmit);

    return {
      receive: {
        ether: (frame, hook) =>
          device.offloads || needsNothing(frame) ? transmit(frame, hook) : transmitCut(frame, hook),
      },
      newHook(hook) {
        if (hook.name !== 'ether')
          throw new NgError('EPFNOSUPPORT', `an eiface node has no hook "${hook.name}", only ether`);
        if (hooks.ether !== undefined) throw new NgError('EISCONN', `node ${node} is connected already`);
      },
      connect: () => setLink(true),
      disconnect() {
        try {
          setLink(false);
        } catch (error) {
          // An interface that somebody deleted has no link anyway.
          if ((error as NgError).code !== 'ENXIO') throw error;
        }
      },
      persists: () => true,
      configuration: () => [
        ['setifname', device.name],
        ['set', macText(device.address())],
        ...(device.offloads === offloadsAtFirst ? [] : [['setoffload', Number(device.offloads)] as const]),
      ],
      resume: (): Kept => ({ unit, link, device: device.resume() }),
      on: {
        getifname() {
          const reply = new Uint8Array(IFNAMSIZ);
          new TextEncoder().encodeInto(device.name, reply.subarray(0, IFNAMSIZ - 1));
          return reply;
        },
        getifaddrs: () => sockaddrs(device),
        set: (_, { message }) => device.setAddress(message.data),
        getoffload: () => Number(device.offloads),
        setoffload: (on) => device.setOffloads(on !== 0),
        getstats: () => bigCounters(device.counters),
        setifname: (name) => device.setName(name),
      },
      message({ message }) {
        if (message.cookie !== FLOW_COOKIE)
          throw new NgError('EINVAL', 'an eiface node does not know that message');
        if (message.cmd === FlowMessages.link_is_up.cmd) setLink(true);
        else if (message.cmd === FlowMessages.link_is_down.cmd) setLink(false);
        return undefined;
      },
      shutdown() {
        release(node.vnet, unit);
        device.destroy();
      },
    };
  },
});

/** Whether a frame is as on a wire already. As it is it can be written from where it lies; a piece is copied. */
const needsNothing = ({ offload, bytes, offset }: Frame): boolean =>
  offload && isWireReady(bytes, offset - VIRTIO_HEADER);

/** What a program that starts anew gets. */
interface Kept {
  unit: number;
  /** Link state, IFF_LOWER_UP. */
  link: boolean;
  device: unknown;
}

function take(vnet: Vnet, unit: number): void {
  units.get(vnet).add(unit);
  limits.maxInterfaces.add(vnet, 1);
}

function release(vnet: Vnet, unit: number): void {
  if (units.get(vnet).delete(unit)) limits.maxInterfaces.add(vnet, -1);
}

function resumeInterface(
  devices: DeviceProvider,
  vnet: Vnet,
  { unit, device }: Kept,
  events: EthernetEvents,
) {
  take(vnet, unit);
  try {
    return { unit, device: devices.resumeEthernet(vnet, device, events) };
  } catch (error) {
    release(vnet, unit);
    throw error;
  }
}

/** Makes the interface of the lowest unit whose name is free. */
function makeInterface(devices: DeviceProvider, vnet: Vnet, events: EthernetEvents) {
  const taken = units.get(vnet);
  if (!limits.maxInterfaces.hasRoom(vnet))
    throw new NgError('ENFILE', `${vnet} has as many interfaces as net.graph.maxinterfaces allows`);
  // Others seldom have such names; where they do, they may have thousands.
  let names: ReadonlySet<string> | undefined;
  for (let unit = 0; unit <= MAX_UNIT; unit++) {
    const name = `ngeth${unit}`;
    if (taken.has(unit) || names?.has(name)) continue;
    try {
      const device = devices.createEthernet(vnet, name, events);
      take(vnet, unit);
      return { unit, device };
    } catch (error) {
      if ((error as NgError).code !== 'EEXIST') throw error;
      names ??= devices.names(vnet);
    }
  }
  throw new NgError('ENOSPC', `all ${MAX_UNIT + 1} names of interfaces are taken`);
}

function sockaddrs(device: EthernetDevice): Uint8Array {
  const link = sockaddrDl(device.name, device.address());
  const others = device
    .addresses()
    .map(({ family, address }) => (family === 'inet' ? sockaddrIn(address) : sockaddrIn6(address)));
  return packSockaddrs([link, ...others]);
}

const bigCounters = (counters: DeviceCounters): Infer<typeof Stats> => ({
  rxFrames: BigInt(counters.rxFrames),
  rxOctets: BigInt(counters.rxOctets),
  txFrames: BigInt(counters.txFrames),
  txOctets: BigInt(counters.txOctets),
  dropDown: BigInt(counters.dropDown),
  dropNoBuffer: BigInt(counters.dropNoBuffer),
  dropGone: BigInt(counters.dropGone),
  dropInvalid: BigInt(counters.dropInvalid),
  dropNoHook: BigInt(counters.dropNoHook),
  dropRefused: BigInt(counters.dropRefused),
});
