import { bypass, defineNode, Hook, type JailInfo, NgError, type Node, splice, t } from '../netgraph/index.js';

interface Side {
  /** The hook to the other side, made by opening only and named after the jail over there. */
  warp: Hook | undefined;
  /** The jail on the other side. */
  jail: number;
  /** Set while the peer of our event horizon, another wormhole, has accepted the edge and we have not yet. */
  colliding: boolean;
}

const sides = new WeakMap<Node, Side>();
const MAX_JAIL_NAME = 256;

/**
 * Joins the graphs of two vnets: what enters the event horizon on one side leaves it on the other. Opening it
 * makes the far side. Two event horizons that meet collapse the two pairs into one. ng_wormhole(4)
 */
export const wormhole = defineNode({
  type: 'wormhole',
  cookie: 1742462349,
  hooks: ['evthorizon'],
  messages: {
    open: { cmd: 1, args: t.string, summary: 'open into a jail, by name or ID' },
  },
  create({ node, hooks, env }) {
    const side: Side = { warp: undefined, jail: 0, colliding: false };
    sides.set(node, side);

    return {
      receive: { evthorizon: () => side.warp },

      on: {
        open(name, { message }) {
          if (message.data.length > MAX_JAIL_NAME)
            throw new NgError('EINVAL', `a jail name has at most ${MAX_JAIL_NAME} characters`);
          if (side.warp !== undefined) throw new NgError('EISCONN', `wormhole ${node} is open already`);
          const jail = findJail(name);
          const far = node.graph.makeNode(jail.vnet, 'wormhole');
          try {
            joinWormholes(node, far);
          } catch (error) {
            node.graph.removeNode(far);
            throw error;
          }
        },
      },

      newHook(hook) {
        if (hooks.evthorizon !== undefined && hook.name === 'evthorizon')
          throw new NgError('EISCONN', `the event horizon of wormhole ${node} is connected already`);
      },

      connect(hook) {
        const other = sides.get(hook.peer.node);
        if (other !== undefined) meet(side, other);
      },

      disconnect(hook) {
        // Both sides live by the warp alone: whichever way it breaks, both go.
        if (hook === side.warp) {
          side.warp = undefined;
          node.graph.removeNodeSoon(node);
        }
      },

      // Unopened and nameless it could not be found again.
      persists: () => side.warp !== undefined || node.name !== '',

      configuration() {
        const far = side.warp?.peer.node;
        const { vnet } = node;
        if (far === undefined || far.vnet === vnet || !env.jails.mayEnter(vnet, far.vnet)) return [];
        return [['open', env.jails.nameOf(vnet, far.vnet), far]];
      },
    };

    function findJail(name: string): JailInfo {
      const jail = env.jails.find(node.vnet, name);
      if (jail === undefined) throw new NgError('EHOSTDOWN', `no jail "${name}"`);
      if (!jail.ownsVnet) throw new NgError('EINVAL', `jail "${name}" has no vnet of its own`);
      if (jail.vnet === node.vnet)
        throw new NgError('EINVAL', `jail "${name}" has the vnet that the wormhole is in`);
      return jail;
    }
  },
});

/**
 * Makes two wormhole nodes of different vnets the two sides of one, as opening does.
 * @throws NgError EINVAL it is none, EISCONN it is open already, ENOBUFS there may be no more hooks
 */
export function joinWormholes(near: Node, far: Node): void {
  const { jails } = near.graph.env;
  for (const node of [near, far]) {
    const side = sides.get(node);
    if (side === undefined) throw new NgError('EINVAL', `node ${node} is no wormhole`);
    if (side.warp !== undefined) throw new NgError('EISCONN', `wormhole ${node} is open already`);
  }
  const [here, there] = [near, far].map((node) => {
    const warp = new Hook(node, `jid=${jails.idOf((node === near ? far : near).vnet)}`);
    warp.receive = () => node.namedHooks.evthorizon;
    return warp;
  });
  splice(here, there);
  for (const warp of [here, there])
    Object.assign(sides.get(warp.node)!, { warp, jail: jails.idOf(warp.peer.node.vnet) });
}

/** Two event horizons meet. Each side is asked once; the second time the pairs collapse. */
function meet(side: Side, other: Side): void {
  if (!isOpen(side) || !isOpen(other))
    throw new NgError('EINVAL', 'event horizons meet only when both wormholes are open');
  if (side.warp.peer.node.vnet === other.warp.peer.node.vnet)
    throw new NgError('EDOOFUS', 'both wormholes lead to the same vnet: connect the nodes there directly');
  if (!side.colliding) {
    other.colliding = true;
    return;
  }
  side.colliding = false;
  collapse(side, other);
}

const isOpen = (side: Side): side is Side & { warp: Hook } => side.warp !== undefined;

/** Of four nodes in three vnets, joins the outer two; the inner two take each other away. */
function collapse(a: Side & { warp: Hook }, b: Side & { warp: Hook }): void {
  const [outerA, outerB] = [a.warp.peer, b.warp.peer];
  bypass(a.warp, b.warp);
  pointTo(outerA, b.jail);
  pointTo(outerB, a.jail);
  const { node } = a.warp;
  node.graph.removeNodeSoon(node);
}

function pointTo(warp: Hook, jail: number): void {
  sides.get(warp.node)!.jail = jail;
  warp.node.renameHook(warp, `jid=${jail}`);
}
