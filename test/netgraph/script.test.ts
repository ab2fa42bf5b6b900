import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/ngctl/commands.js';
import { Shell, Status } from '../../src/cli/ngctl/shell.js';
import {
  bypass,
  defineNode,
  GENERIC_COOKIE,
  genericMessages,
  graphScript,
  Message,
  NgError,
  type Node,
  type NodeType,
  scriptSteps,
  settingsOf,
  settingText,
  t,
} from '../../src/netgraph/index.js';
import { encode } from '../../src/netgraph/types/index.js';
import type { Vnet } from '../../src/vnet/index.js';
import { GraphSocket } from '../client/graph-socket.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { randomFrom, type SimulatedJail, type SimulatedWorld, simulatedWorld } from '../support/world.js';

/** A new world with the same jails and nothing in them, and what the vnets of the old one are in it. */
function emptyCopy(world: SimulatedWorld, types: NodeType[]) {
  const copy = simulatedWorld({ types });
  const vnets = new Map([[world.vnet0, copy.vnet0]]);
  for (const { id, name, parent, ownsVnet, vnet } of world.jails.all) {
    const make = () => copy.jails.create(name, { vnet: ownsVnet, parent: vnets.get(parent) });
    let made = make();
    while (made.id < id) {
      copy.jails.remove(made);
      made = make();
    }
    if (ownsVnet) vnets.set(vnet, made.vnet);
  }
  return { copy, vnets };
}

/** Has ngctl carry a script out. */
async function play(lines: readonly string[], world: SimulatedWorld, vnet = world.vnet0): Promise<void> {
  const socket = new GraphSocket(world.graph, vnet, 'ngctl1');
  const printed: string[] = [];
  const print = (text: string) => printed.push(text);
  const shell = new Shell(socket, commands, { out: print, err: print, explain: true });
  async function* settled() {
    for (const line of lines) {
      yield line;
      world.settle();
    }
  }
  const status = await shell.runLines(settled());
  await socket.close();
  world.settle();
  const numbered = lines.map((line, i) => `${i + 1}\t${line}`).join('\n');
  if (status !== Status.OK) throw new Error(`${printed.join('')}\n${numbered}`);
}

/** Writes a world down as seen from a vnet, and makes it again; what that is written down as must be the same. */
async function roundTrip(world: SimulatedWorld, { viewer = world.vnet0, types = [] as NodeType[] } = {}) {
  const script = graphScript(world.graph, viewer);
  const { copy, vnets } = emptyCopy(world, types);
  await play(script, copy, vnets.get(viewer));
  expect(faults(copy)).toEqual([]);
  const again = graphScript(copy.graph, vnets.get(viewer)!);
  expect(again.join('\n')).toBe(script.join('\n').replace(/\n*# .* is left out: .*/g, ''));
  return { script: script.join('\n'), copy };
}

const text = (...lines: string[]): string => lines.join('\n');

/** A host with jails, and a program in each. */
function withJails(...names: string[]) {
  const world = simulatedWorld();
  const host = new Program(world);
  const jails = names.map((name) => world.jails.create(name));
  const programs = jails.map(({ vnet }) => new Program(world, vnet));
  const close = () => {
    for (const program of [host, ...programs]) program.close();
    world.settle();
  };
  return { world, host, jails, programs, close };
}

const find = ({ graph }: SimulatedWorld, vnet: Vnet, type: string): string[] =>
  graph
    .nodes(vnet)
    .filter((node) => node.type.type === type)
    .map(({ id }) => `[${id.toString(16)}]:`);

describe('the script of a graph', () => {
  it('of nothing is empty', async () => {
    expect((await roundTrip(simulatedWorld())).script).toBe('');
  });

  it('of two interfaces on a hub', async () => {
    const { world, host, close } = withJails();
    host.mkpeer('.', 'eiface', 'e', 'ether');
    host.msg('.', 'rmhook', '{ hook="e" }');
    host.mkpeer('ngeth0:', 'hub', 'ether', 'port0');
    host.name('ngeth0:ether', 'lan');
    host.mkpeer('lan:', 'eiface', 'port1', 'ether');
    host.msg('ngeth1:', 'setoffload', '0');
    host.msg('lan:', 'setpersistent');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . eiface t1 ether',
        'name .:t1 ngeth0',
        'msg ngeth0: setifname "ngeth0"',
        'msg ngeth0: set 58:9c:fc:00:00:30',
        'rmhook . t1',
        'mkpeer ngeth0: hub ether port0',
        'name ngeth0:ether lan',
        'mkpeer lan: eiface port1 ether',
        'name lan:port1 ngeth1',
        'msg ngeth1: setifname "ngeth1"',
        'msg ngeth1: set 58:9c:fc:00:00:31',
        'msg ngeth1: setoffload 0',
        'msg lan: setpersistent',
      ),
    );
  });

  it('of a wormhole makes its far side by opening it, and what is there from that', async () => {
    const { world, host, jails, programs, close } = withJails('demo');
    const [inside] = programs;
    host.mkpeer('.', 'eiface', 'e', 'ether');
    inside.mkpeer('.', 'eiface', 'e', 'ether');
    inside.name('.:e', 'inside');
    inside.msg('.', 'rmhook', '{ hook="e" }');
    host.msg('.', 'rmhook', '{ hook="e" }');
    host.mkpeer('ngeth0:', 'wormhole', 'ether', 'evthorizon');
    host.msg('ngeth0:ether', 'open', '"demo"');
    inside.connect('inside:', find(world, jails[0].vnet, 'wormhole')[0], 'ether', 'evthorizon');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . eiface t1 ether',
        'name .:t1 ngeth0',
        'msg ngeth0: setifname "ngeth0"',
        'msg ngeth0: set 58:9c:fc:00:00:30',
        'rmhook . t1',
        'mkpeer ngeth0: wormhole ether evthorizon',
        'msg ngeth0:ether open "demo"',
        'mkpeer ngeth0:ether.jid=1 eiface evthorizon ether',
        'name ngeth0:ether.jid=1.evthorizon inside',
        'msg ngeth0:ether.jid=1.evthorizon setifname "ngeth0"',
        'msg ngeth0:ether.jid=1.evthorizon set 58:9c:fc:00:01:30',
      ),
    );
  });

  it('of nodes that only a jail has makes them through a wormhole, which goes again', async () => {
    const { world, programs, close } = withJails('demo');
    programs[0].mkpeer('.', 'eiface', 'e', 'ether');
    programs[0].mkpeer('.', 'eiface', 'f', 'ether');
    close();
    const { script, copy } = await roundTrip(world);
    expect(script).toBe(
      text(
        'mkpeer . wormhole w1 evthorizon',
        'msg .:w1 open "demo"',
        'mkpeer .:w1.jid=1 eiface evthorizon ether',
        'name .:w1.jid=1.evthorizon ngeth0',
        'msg .:w1.jid=1.evthorizon setifname "ngeth0"',
        'msg .:w1.jid=1.evthorizon set 58:9c:fc:00:01:30',
        '',
        'rmhook .:w1.jid=1 evthorizon',
        'mkpeer .:w1.jid=1 eiface evthorizon ether',
        'name .:w1.jid=1.evthorizon ngeth1',
        'msg .:w1.jid=1.evthorizon setifname "ngeth1"',
        'msg .:w1.jid=1.evthorizon set 58:9c:fc:00:01:31',
        'shutdown .:w1',
      ),
    );
    expect(find(copy, copy.vnet0, 'wormhole')).toEqual([]);
  });

  it('of two jails whose wormholes collapsed lets two wormholes collapse', async () => {
    const { world, host, jails, programs, close } = withJails('left', 'right');
    for (const [i, name] of ['left', 'right'].entries()) {
      host.mkpeer('.', 'wormhole', name, 'evthorizon');
      host.name(name, name);
      host.msg(name, 'open', `"${name}"`);
      programs[i].mkpeer(find(world, jails[i].vnet, 'wormhole')[0], 'eiface', 'evthorizon', 'ether');
      host.msg('.', 'rmhook', `{ hook="${name}" }`);
    }
    host.connect('left:', 'right:', 'evthorizon', 'evthorizon');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . wormhole w1 evthorizon',
        'msg .:w1 open "left"',
        'mkpeer . wormhole w2 evthorizon',
        'msg .:w2 open "right"',
        'mkpeer .:w1.jid=1 eiface evthorizon ether',
        'name .:w1.jid=1.evthorizon ngeth0',
        'msg .:w1.jid=1.evthorizon setifname "ngeth0"',
        'msg .:w1.jid=1.evthorizon set 58:9c:fc:00:01:30',
        'mkpeer .:w2.jid=2 eiface evthorizon ether',
        'name .:w2.jid=2.evthorizon ngeth0',
        'msg .:w2.jid=2.evthorizon setifname "ngeth0"',
        'msg .:w2.jid=2.evthorizon set 58:9c:fc:00:02:30',
        'name .:w1 tmp1',
        'rmhook . w1',
        'name .:w2 tmp2',
        'rmhook . w2',
        'connect tmp1: tmp2: evthorizon evthorizon',
      ),
    );
  });

  it('joins nodes of a jail that have no names by way of a tee with one', async () => {
    const { world, host, jails, programs, close } = withJails('demo');
    host.mkpeer('.', 'hub', 't', 'link9');
    host.name('.:t', 'lan');
    for (const i of [0, 1]) {
      host.mkpeer('lan:', 'wormhole', `link${i}`, 'evthorizon');
      host.msg(`lan:link${i}`, 'open', '"demo"');
    }
    host.mkpeer('lan:link0.jid=1', 'hub', 'evthorizon', 'port0');
    const [hub] = find(world, jails[0].vnet, 'hub');
    programs[0].connect(hub, find(world, jails[0].vnet, 'wormhole')[1], 'port1', 'evthorizon');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . hub t1 link2',
        'name .:t1 lan',
        'mkpeer lan: wormhole link0 evthorizon',
        'msg lan:link0 open "demo"',
        'mkpeer lan:link0.jid=1 hub evthorizon port0',
        'mkpeer lan: wormhole link1 evthorizon',
        'msg lan:link1 open "demo"',
        'mkpeer lan:link1.jid=1 tee evthorizon left',
        'name lan:link1.jid=1.evthorizon tmp1',
        'connect lan:link0.jid=1.evthorizon tmp1: port1 right',
        'shutdown lan:link1.jid=1.evthorizon',
        'rmhook . t1',
      ),
    );
  });

  it('joins two nodes without a hook to spare by a tee, whose shutdown joins them directly', async () => {
    const { world, programs, close } = withJails('demo');
    programs[0].mkpeer('.', 'eiface', 'e', 'ether');
    programs[0].msg('.', 'rmhook', '{ hook="e" }');
    programs[0].mkpeer('ngeth0:', 'eiface', 'ether', 'ether');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . wormhole w1 evthorizon',
        'msg .:w1 open "demo"',
        'mkpeer .:w1.jid=1 tee evthorizon left2right',
        'mkpeer .:w1.jid=1.evthorizon eiface left ether',
        'name .:w1.jid=1.evthorizon.left ngeth0',
        'msg .:w1.jid=1.evthorizon.left setifname "ngeth0"',
        'msg .:w1.jid=1.evthorizon.left set 58:9c:fc:00:01:30',
        'mkpeer .:w1.jid=1.evthorizon eiface right ether',
        'name .:w1.jid=1.evthorizon.right ngeth1',
        'msg .:w1.jid=1.evthorizon.right setifname "ngeth1"',
        'msg .:w1.jid=1.evthorizon.right set 58:9c:fc:00:01:31',
        'shutdown .:w1.jid=1.evthorizon',
        'shutdown .:w1',
      ),
    );
  });

  it('has nodes connected to themselves, and to another more than once', async () => {
    const { world, host, close } = withJails();
    host.mkpeer('.', 'hub', 'x', 'x1');
    host.name('x', 'a');
    host.connect('a:', 'a:', 'x2', 'x3');
    host.mkpeer('a:', 'hub', 'x4', 'y1');
    host.connect('a:', 'a:x4', 'x5', 'y2');
    host.connect('a:', '.', 'twin', 'twin');
    close();
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . hub t1 x6',
        'name .:t1 a',
        'connect a: . x2 x3',
        'mkpeer a: hub x4 y1',
        'connect a: x4 x5 y2',
        'connect a: . twin twin',
        'rmhook . t1',
      ),
    );
  });

  it('keeps the order of the hooks of each node, even where that takes two beginnings', async () => {
    const { world, host, close } = withJails();
    host.mkpeer('.', 'hub', 'b', 'hold');
    host.mkpeer('.', 'hub', 'c', 'hold');
    host.mkpeer('b', 'hole', 'a', 'x');
    host.mkpeer('c', 'hole', 'd', 'x');
    host.connect('b', 'hold.c', 'c', 'b');
    close();
    const { script, copy } = await roundTrip(world);
    expect(script).toBe(
      text(
        'mkpeer . hub t1 link0',
        'mkpeer .:t1 hole a x',
        'mkpeer . hub t2 link0',
        'mkpeer .:t2 hole d x',
        'connect .:t2 link0.t1 b c',
        'rmhook . t1',
        'rmhook . t2',
      ),
    );
    const hooks = copy.graph.nodes(copy.vnet0).map((node) => node.hooks.map(({ name }) => name).join(' '));
    expect(hooks).toEqual(['a c', 'x', 'd b', 'x']);
  });

  it('has hooks that were moved into an order that nothing could make in one that can be made', async () => {
    const world = simulatedWorld();
    const { graph } = world;
    const [a, b, tee] = ['hub', 'hub', 'tee'].map((type) => graph.makeNode(world.vnet0, type));
    // On a the second hook is moved in place of a first one, on b the other way round.
    graph.connect(a, 'a1', tee, 'left');
    graph.connect(a, 'a2', b, 'b1');
    graph.connect(b, 'b2', tee, 'right');
    graph.connect(a, 'a3', b, 'b3');
    bypass(tee.namedHooks.left!, tee.namedHooks.right!);
    graph.removeNode(tee);
    world.settle();
    expect(faults(world)).toEqual([]);
    const { copy } = await roundTrip(world);
    expect(picture(copy, false)).toEqual(picture(world, false));
  });

  it('comes in steps, and is of the graph as it was before the second', () => {
    const { world, host, close } = withJails();
    host.mkpeer('.', 'hub', 'lan', 'hold');
    for (let i = 0; i < 20; i++) host.mkpeer('.:lan', 'hub', `port${i}`, 'up');
    host.msg('.:lan', 'setpersistent');
    close();
    const script = graphScript(world.graph, world.vnet0);
    const steps = scriptSteps(world.graph, world.vnet0, [world.vnet0]);
    expect(steps.next().done).toBe(false);
    for (const node of world.graph.nodes(world.vnet0)) world.graph.removeNode(node);
    let count = 0;
    let step = steps.next();
    for (; !step.done; step = steps.next()) count++;
    expect(step.value).toEqual(script);
    expect(count).toBeGreaterThan(40);
  });

  it.each<[string, number, (world: SimulatedWorld) => void]>([
    [
      'many edges between two nodes, the other way round on the second',
      300,
      ({ graph, vnet0 }) => {
        const [a, b] = [graph.makeNode(vnet0, 'hub'), graph.makeNode(vnet0, 'hub')];
        const tees = Array.from({ length: 300 }, () => graph.makeNode(vnet0, 'tee'));
        for (const [i, tee] of tees.entries()) graph.connect(a, `a${i}`, tee, 'left');
        for (const i of tees.keys()) graph.connect(b, `b${i}`, tees[tees.length - 1 - i], 'right');
        for (const tee of tees) {
          bypass(tee.namedHooks.left!, tee.namedHooks.right!);
          graph.removeNode(tee);
        }
      },
    ],
    [
      'many nodes on hooks that no path can follow',
      600,
      ({ graph, vnet0 }) => {
        const centre = graph.makeNode(vnet0, 'hub');
        for (let i = 0; i < 300; i++) {
          const [near, far] = [graph.makeNode(vnet0, 'hub'), graph.makeNode(vnet0, 'hub')];
          graph.connect(near, 'a.b', far, 'c:d');
          graph.connect(centre, `e.${i}`, near, '\u0001');
        }
      },
    ],
    [
      'many nodes on hooks that no path can follow, and without one to spare',
      400,
      ({ graph, vnet0 }) => {
        const centre = graph.makeNode(vnet0, 'hub');
        for (let i = 0; i < 100; i++) {
          const tee = graph.makeNode(vnet0, 'tee');
          for (const name of ['right2left', 'left', 'right', 'left2right'])
            graph.connect(centre, `${name}.${i}`, tee, name);
        }
      },
    ],
    [
      'a long chain of nodes without a hook to spare, in a ring',
      301,
      ({ graph, vnet0 }) => {
        const nodes = Array.from({ length: 100 }, () => graph.makeNode(vnet0, 'tee'));
        for (const [i, node] of nodes.entries()) {
          graph.connect(node, 'right', nodes[(i + 1) % nodes.length], 'left');
          for (const name of ['left2right', 'right2left'])
            graph.connect(node, name, graph.makeNode(vnet0, 'hole'), 'x');
        }
        graph.connect(graph.makeNode(vnet0, 'hub'), 'a', graph.findNode(vnet0, '[65]')!, 'b');
      },
    ],
  ])('of %s is all of it', async (_, edges, make) => {
    const world = simulatedWorld();
    make(world);
    world.settle();
    expect(world.graph.nodes(world.vnet0).reduce((sum, { hooks }) => sum + hooks.length, 0)).toBe(2 * edges);
    const { script, copy } = await roundTrip(world);
    expect(script).not.toMatch(/^#/m);
    expect(picture(copy, false)).toEqual(picture(world, false));
  });

  it('of what no name and no hook is left for stays within the length of paths', async () => {
    const { world, host, jails, programs, close } = withJails('demo');
    for (const [program, vnet] of [[host, world.vnet0] as const, [programs[0], jails[0].vnet] as const]) {
      program.mkpeer('.', 'hub', 'start', 'hold');
      let last = find(world, vnet, 'hub').at(-1)!;
      for (let i = 0; i < 60; i++) {
        program.mkpeer(last, 'hub', `a_long_name_of_a_hook_${i}`, 'back');
        last = find(world, vnet, 'hub').at(-1)!;
      }
    }
    close();
    const { script, copy } = await roundTrip(world);
    expect(Math.max(...script.split('\n').map((line) => line.length))).toBeLessThan(512);
    expect(picture(copy)).toEqual(picture(world));
  });

  it('has names of nodes and hooks as they are, spaces and all', async () => {
    const world = simulatedWorld();
    const { graph } = world;
    const hub = graph.makeNode(world.vnet0, 'hub');
    graph.nameNode(hub, 'Büro');
    graph.makePeer(hub, 'a.b', 'c:d', 'echo');
    const echo = graph.makePeer(hub, 'x', 'e\u{1}1', 'echo');
    graph.nameNode(echo, 'two  spaces');
    graph.connect(hub, ' ', echo, '\tg');
    const { script, copy } = await roundTrip(world);
    expect(script).toBe(
      text(
        'mkpeer . hub t1 link0',
        'name .:t1 Büro',
        'mkpeer . echo t2 link0',
        'connect .:t2 Büro: c:d a.b',
        'msg Büro: mkpeer { type="echo" ourhook="x" peerhook="e\\x01\\x31" }',
        'msg Büro:x name { name="two \\ spaces" }',
        'msg Büro: connect { path="x" ourhook=" " peerhook="\\tg" }',
        'rmhook . t1',
        'rmhook . t2',
      ),
    );
    expect(picture(copy)).toEqual(picture(world));
  });

  it('holds a node of a type with rules of its own by a hook that it takes', async () => {
    const bridge = defineNode({
      type: 'bridge',
      cookie: 967239368,
      messages: { setmac: { cmd: 1, args: t.struct({ link: t.hookName, n: t.uint8 }) } },
      create({ node }) {
        const set = new Map<string, number>();
        return {
          receive: {},
          newHook({ name }) {
            if (!/^(up)?link(0|[1-9]\d?)$/.test(name)) throw new NgError('EINVAL', name);
          },
          on: {
            setmac({ link, n }) {
              if (node.findHook(link) === undefined) throw new NgError('ENOENT', link);
              set.set(link, n);
            },
          },
          configuration: () => [...set].map(([link, n]) => ['setmac', { link, n }] as const),
        };
      },
    });
    const world = simulatedWorld({ types: [bridge] });
    const host = new Program(world);
    host.mkpeer('.', 'bridge', 'b', 'link3');
    host.mkpeer('b', 'hole', 'link0', 'x');
    host.mkpeer('b', 'hole', 'uplink1', 'x');
    host.msg('b', 'setmac', '{ link="uplink1" n=5 }');
    host.close();
    expect((await roundTrip(world, { types: [bridge] })).script).toBe(
      text(
        'mkpeer . bridge t1 uplink2',
        'mkpeer .:t1 hole link0 x',
        'mkpeer .:t1 hole uplink1 x',
        'msg .:t1 setmac { link="uplink1" n=5 }',
        'rmhook . t1',
      ),
    );
  });
});

describe('what a script leaves out', () => {
  it('are programs, and what only they hold', async () => {
    const { world, host } = withJails();
    host.mkpeer('.', 'hub', 'h', 'h1');
    host.mkpeer('.', 'hub', 'g', 'h1');
    host.mkpeer('g', 'hole', 'h2', 'x');
    expect((await roundTrip(world)).script).toBe(
      text(
        'mkpeer . hub t1 h3',
        'mkpeer .:t1 hole h2 x',
        'rmhook . t1',
        '',
        '# [2] (hub) is left out: only a program holds it',
      ),
    );
  });

  it('are in a jail the wormholes that lead out of it, and what only they hold', async () => {
    const { world, host, jails, programs, close } = withJails('demo', 'beside');
    const inner = world.jails.create('inner', { parent: jails[0].vnet });
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    host.name('w', 'door');
    host.msg('w', 'open', '"demo"');
    programs[0].mkpeer(find(world, jails[0].vnet, 'wormhole')[0], 'hub', 'evthorizon', 'h');
    programs[0].mkpeer('.', 'wormhole', 'w', 'evthorizon');
    programs[0].name('w', 'deeper');
    programs[0].msg('w', 'open', '"inner"');
    close();
    const { script } = await roundTrip(world, { viewer: jails[0].vnet });
    expect(script).toBe(
      text(
        'mkpeer . wormhole t1 evthorizon',
        'name .:t1 deeper',
        'msg deeper: open "inner"',
        'rmhook . t1',
        '',
        '# [2] (wormhole) is left out: it belongs to the script of who opened it',
        '# [3] (hub) is left out: only such a wormhole holds it',
      ),
    );
    expect(graphScript(world.graph, jails[1].vnet)).toEqual([]);
    expect(graphScript(world.graph, inner.vnet)).toEqual([
      '# [1] (wormhole) is left out: it belongs to the script of who opened it',
    ]);
    // Of vnets that are below it only those that were asked for.
    expect(graphScript(world.graph, world.vnet0, [])).toEqual([
      '# door (wormhole) is left out: it belongs to the script of who opened it',
    ]);
  });
});

describe('names that a jail gave to deceive', () => {
  it('become no lines of a script', async () => {
    const { world, jails, programs, host } = withJails('demo');
    const { graph } = world;
    const evil = 'x\nquit';
    host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    host.msg('w', 'open', '"demo"');
    const hub = graph.makePeer(graph.findNode(jails[0].vnet, '[2]')!, 'evthorizon', evil, 'hub');
    graph.nameNode(hub, evil);
    graph.nameNode(graph.makePeer(programs[0].node, 'h', 'h', 'hub'), 'y\nquit');
    const lines = graphScript(world.graph, world.vnet0).join('\n').split('\n');
    expect(lines.filter((line) => line.startsWith('quit'))).toEqual([]);
    expect(lines).toContain('# "y\\nquit" (hub, jail demo) is left out: only a program holds it');
    expect(lines.some((line) => line.endsWith(' name { name="x\\nquit" }'))).toBe(true);
  });
});

describe('any graph', () => {
  it.each(Array.from({ length: 60 }, (_, i) => i + 1))(
    'is made again by what it is written down as, and then written down the same (seed %i)',
    async (seed) => {
      const world = randomWorld(seed, 20 + (seed % 10) * 40, seed % 4 === 3);
      expect(faults(world)).toEqual([]);
      const { script, copy } = await roundTrip(world);
      expect(script).not.toContain('#');
      const ordered = hasOrder(world);
      expect(picture(copy, ordered)).toEqual(picture(world, ordered));
    },
  );

  it('depends on what it is, not on how it came about', async () => {
    const scripts = [1, 2].map((seed) => {
      const { world, host, close } = withJails();
      // Nodes that came and went, in between.
      for (let i = 0; i < seed; i++) host.mkpeer('.', 'hub', `x${i}`, 'a');
      host.mkpeer('.', 'hub', 'lan', 'hold');
      host.name('lan', 'lan');
      for (const port of ['a', 'b', 'c']) host.mkpeer('lan:', 'hole', port, seed === 1 ? 'x' : 'y');
      if (seed === 2) {
        for (const port of ['a', 'b', 'c']) {
          host.msg('lan:', 'rmhook', `{ hook="${port}" }`);
          host.mkpeer('lan:', 'hole', port, 'x');
        }
      }
      close();
      return graphScript(world.graph, world.vnet0);
    });
    expect(scripts[0]).toEqual(scripts[1]);
    expect(scripts[0].length).toBe(6);
  });
});

/** What all nodes are and how they are joined, but for their IDs: each with its hooks and what lies behind them. */
function picture({ graph, vnets, jails }: SimulatedWorld, ordered = true): string[] {
  const nodes = [...vnets].flatMap((vnet) => graph.nodes(vnet));
  const portrait = (node: Node): string => {
    const settings = settingsOf(node).map((setting) => settingText(node, setting).join(' '));
    return `${jails.idOf(node.vnet)} ${node.type.type} ${JSON.stringify(node.name)} ${settings.join(' ')}`;
  };
  const around = (node: Node, looks: Map<Node, string>): string => {
    const hooks = node.hooks.map(({ name, peer }) => `${name}=${peer.name}@${looks.get(peer.node)}`);
    // A wormhole has its event horizon first or its warp: nobody can tell.
    if (!ordered || node.type.type === 'wormhole') hooks.sort();
    return `${portrait(node)} { ${hooks.join(', ')} }`;
  };
  let looks = new Map(nodes.map((node) => [node, portrait(node)]));
  // Each round looks one hook further.
  for (let round = 0; round < 6; round++)
    looks = new Map(nodes.map((node) => [node, `${portrait(node)} ${hash(around(node, looks))}`]));
  return nodes.map((node) => around(node, looks)).sort();
}

/** FNV-1a */
function hash(words: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) value = Math.imul(value ^ words.charCodeAt(i), 0x01000193) >>> 0;
  return value.toString(36);
}

/** Whether edges can be made in some order that gives all hooks theirs: not always after a tee was shut down. */
function hasOrder({ graph, vnets }: SimulatedWorld): boolean {
  const left = new Map(
    [...vnets]
      .flatMap((vnet) => graph.nodes(vnet))
      .map((node) => [node, node.hooks.filter(({ name }) => !name.startsWith('jid='))]),
  );
  for (let changed = true; changed; ) {
    changed = false;
    for (const [node, hooks] of left) {
      const [first] = hooks;
      if (first === undefined) continue;
      const others = left.get(first.peer.node)!;
      const twins = first.peer.name === first.name && first.peer.node === node;
      if (twins || others.filter((hook) => hook !== first)[0] !== first.peer) {
        if (!twins || node.type.type === 'tee') continue;
      }
      for (const hook of [first, first.peer]) {
        const list = left.get(hook.node)!;
        list.splice(list.indexOf(hook), 1);
      }
      changed = true;
    }
  }
  return [...left.values()].every((hooks) => hooks.length === 0);
}

const hookNames: Record<string, readonly string[]> = {
  hub: ['h1', 'h2', 'h3', 'up', 'a'],
  echo: ['e', 'e1', 'link0'],
  hole: ['o1', 'o2', 'x'],
  socket: ['s1', 's2', 's3', 's4'],
  tee: ['left', 'right', 'left2right', 'right2left'],
  eiface: ['ether'],
  wormhole: ['evthorizon'],
};
const makable = Object.keys(hookNames).filter((type) => type !== 'socket');
const oddNames = ['a b', 'a  b', 'x.y', 'p:q', 'ü', '', 'tab\t'];

/**
 * A world that programs in it change at random before they leave.
 * @param odd whether there are names that nobody would type
 */
function randomWorld(seed: number, steps: number, odd: boolean): SimulatedWorld {
  const world = simulatedWorld();
  const { graph } = world;
  const random = randomFrom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)];
  const idOf = (node: Node) => `[${node.id.toString(16)}]:`;
  const hookOf = ({ type }: Node) =>
    type.hooks === undefined && odd && random() < 0.2 ? pick(oddNames) : pick(hookNames[type.type]);
  const programs = new Map<SimulatedJail | undefined, Program>([[undefined, new Program(world)]]);
  let jails = 0;

  const addJail = () => {
    const parent = pick([...programs.keys()])?.vnet ?? world.vnet0;
    const jail = world.jails.create(`jail${++jails}`, { parent });
    programs.set(jail, new Program(world, jail.vnet));
  };
  const removeJail = (jail: SimulatedJail) => {
    for (const inner of [...programs.keys()]) if (inner?.parent === jail.vnet) removeJail(inner);
    programs.delete(jail);
    world.jails.remove(jail);
  };
  const step = (chance: number, program: Program) => {
    const nodes = graph.nodes(program.node.vnet);
    const node = pick(nodes);
    const wormholes = nodes.filter(({ type }) => type.type === 'wormhole');
    const send = (command: 'mkpeer' | 'connect', data: Uint8Array) =>
      program.control.send(idOf(node), new Message(GENERIC_COOKIE, genericMessages[command].cmd, data));
    if (chance < 0.28) {
      const type = pick(makable);
      const args = { type, ourhook: hookOf(node), peerhook: pick(hookNames[type]) };
      send('mkpeer', encode(genericMessages.mkpeer.args, args));
    } else if (chance < 0.52) {
      const other = pick(nodes);
      const args = { path: idOf(other), ourhook: hookOf(node), peerhook: hookOf(other) };
      send('connect', encode(genericMessages.connect.args, args));
    } else if (chance < 0.6) {
      if (node.hooks.length > 0) graph.destroyHook(pick(node.hooks));
    } else if (chance < 0.65) {
      if (!node.type.transient) graph.removeNode(node);
    } else if (chance < 0.7) {
      graph.nameNode(node, odd && random() < 0.3 ? pick(['a b', 'a  b', 'ö']) : `n${below(99)}`);
    } else if (chance < 0.82) {
      if (wormholes.length > 0) program.msg(idOf(pick(wormholes)), 'open', `"${1 + below(jails)}"`);
    } else if (chance < 0.87) {
      // Two wormholes that collapse, if they lead into different jails.
      const [a, b] = [0, 1].map(() => graph.makeNode(program.node.vnet, 'wormhole'));
      const opened = [a, b].map((one) => program.refusal(idOf(one), 'open', `"${1 + below(jails)}"`));
      if (opened.every((errno) => errno === 0)) program.connect(idOf(a), idOf(b), 'evthorizon', 'evthorizon');
      else for (const one of [a, b]) graph.removeNode(one);
    } else if (chance < 0.93) {
      if (node.type.type === 'hub') program.msg(idOf(node), 'setpersistent');
      else if (node.type.type === 'eiface') program.msg(idOf(node), 'setoffload', String(below(2)));
    } else if (chance < 0.96) {
      if (node.type.type === 'eiface') program.msg(idOf(node), 'setifname', `"if${below(1e6)}"`);
    } else if (chance < 0.985) {
      if (jails < 8) addJail();
    } else if (programs.size > 1) removeJail(pick([...programs.keys()].filter((jail) => jail !== undefined)));
  };

  for (let i = 0; i < 3; i++) addJail();
  for (let i = 0; i < steps; i++) {
    try {
      step(random(), pick([...programs.values()]));
    } catch (error) {
      if (!(error instanceof NgError)) throw error;
    }
    world.settle();
  }
  for (const program of programs.values()) program.close();
  world.settle();
  return world;
}
