import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeId, idPath, type Node, parsePath } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { Program } from '../support/program.js';
import { type SimulatedWorld, simulatedWorld } from '../support/world.js';
import { busy, fuzz, oddNames, outcome, TIMEOUT } from './support.js';

const path = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        ...[
          '.',
          ':',
          '[',
          ']',
          '0x',
          '1',
          'f',
          'a',
          'h',
          'lan',
          'w',
          'jid=1',
          'jid=0',
          'evthorizon',
          'me',
          '\0',
          ' ',
        ],
        ...oddNames,
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
  // What leads somewhere, now and then.
  fc
    .tuple(
      fc.constantFrom('.', 'lan', 'me', '[1]', '[2]', '[3]', '[4]', '[5]', ''),
      fc.array(
        fc.constantFrom('h', 'w', 'back', 'evthorizon', 'jid=1', 'jid=2', 'jid=0', 'e', 'ether', 'out'),
        {
          maxLength: 8,
        },
      ),
    )
    .map(([node, hooks]) => (node === '' ? hooks.join('.') : `${node}:${hooks.join('.')}`)),
);

describe('a path', { timeout: TIMEOUT }, () => {
  let world: SimulatedWorld;
  let starts: Node[];

  /** Two jails, one within the other, joined to the host by wormholes, and loops on the way. */
  beforeAll(() => {
    world = simulatedWorld();
    const outer = world.jails.create('outer');
    const inner = world.jails.create('inner', { parent: outer.vnet });
    const host = new Program(world);
    host.name('.', 'me');
    host.mkpeer('.', 'hub', 'h', 'back');
    host.name('.:h', 'lan');
    host.mkpeer('lan:', 'wormhole', 'w', 'evthorizon');
    host.msg('lan:w', 'open', '"outer"');
    host.mkpeer('lan:w.jid=1', 'hub', 'evthorizon', 'h');
    const within = new Program(world, outer.vnet);
    const far = host.node.graph.resolve(host.node, 'lan:w.jid=1.evthorizon').node;
    within.connect('.', `[${far.id.toString(16)}]:`, 'h', 'out');
    within.name('.:h', 'lan');
    within.mkpeer('lan:', 'wormhole', 'w', 'evthorizon');
    within.msg('lan:w', 'open', '"inner"');
    host.connect('lan:', 'lan:', 'loop', 'pool');
    starts = [host.node, within.node, new Program(world, inner.vnet).node];
    starts.push(world.graph.resolve(host.node, 'lan:w').node);
  });

  it('of any shape is taken apart or refused', () => {
    fuzz(path, 20_000, (text) => {
      const parsed = outcome(() => parsePath(text));
      if ('refused' in parsed) {
        expect(parsed.refused.code).toBe('EINVAL');
        return;
      }
      const { node, hooks } = parsed.value;
      const again = parsePath(`${node === undefined ? '' : `${node}:`}${hooks.join('.')}`);
      // A name that is empty cannot be written down but at the ends.
      if (!hooks.includes('')) expect(again).toEqual({ node, hooks });
    });
  });

  it('leads to a node that is open to its user, or nowhere', () => {
    let found = 0;
    fuzz(fc.tuple(path, fc.nat(3)), 20_000, ([text, from]) => {
      const start = starts[from];
      const { graph, jails } = world;
      const led = outcome(() => graph.resolve(start, text));
      if ('refused' in led) expect(led.refused.code).toMatch(/^(EINVAL|ENOENT|EPERM|ENXIO)$/);
      else {
        found++;
        const { node, hook } = led.value;
        expect(node.isValid).toBe(true);
        expect(jails.mayEnter(start.vnet, node.vnet)).toBe(true);
        if (hook !== undefined) expect(hook.node).toBe(node);
      }
    });
    expect(found).toBeGreaterThan(300);
    expect(faults(world)).toEqual([]);
  });

  it('of any length is refused in no time', () => {
    const long = 1 << 20;
    for (const part of ['.', ':', 'a.', '.a', 'h.', '[', '[f', 'x', '[ffffffff]:h.', '\0'])
      for (const head of ['', '.:', 'lan:', '[1', '[0x'])
        for (const tail of ['', ']', ']:', ':']) {
          const text = head + part.repeat(long / part.length) + tail;
          const start = busy();
          expect(outcome(() => world.graph.resolve(starts[0], text))).toHaveProperty('refused');
          decodeId(text);
          expect(busy() - start).toBeLessThan(5000);
        }
  });

  it('with an ID in it has one of 32 bits, or none', () => {
    fuzz(
      fc.oneof(
        path,
        fc.string({ maxLength: 20 }).map((text) => `[${text}]`),
      ),
      10_000,
      (text) => {
        const id = decodeId(text);
        expect(Number.isInteger(id) && id >= 0 && id <= 0xffffffff).toBe(true);
      },
    );
    fuzz(fc.nat(0xffffffff), 1000, (id) => {
      expect(decodeId(idPath(id).slice(0, -1))).toBe(id);
      expect(decodeId(`[0X${id.toString(16).toUpperCase()}]`)).toBe(id);
    });
  });

  it('is a name of a node only if no path is made of it', () => {
    fuzz(fc.tuple(path, fc.nat(2)), 5000, ([name, from]) => {
      const start = starts[from];
      const before = start.name;
      const named = outcome(() => world.graph.nameNode(start, name));
      if ('refused' in named) expect(named.refused.code).toMatch(/^(EINVAL|EADDRINUSE)$/);
      else expect(world.graph.resolve(start, `${name}:`).node).toBe(start);
      if (start.name !== before && before !== '') world.graph.nameNode(start, before);
    });
    expect(faults(world)).toEqual([]);
  });
});
