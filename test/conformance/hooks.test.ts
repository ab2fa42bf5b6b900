import { describe, expect, it } from 'vitest';
import { defineNode, dropsIn } from '../../src/netgraph/index.js';
import { faults } from '../support/faults.js';
import { Subject, types } from './subject.js';

describe.each(types)('type %s', (name, type) => {
  it('takes the hooks it declares, alone and together', () => {
    for (const hook of type.hooks ?? []) {
      const one = new Subject(type);
      if (one.node === undefined) return;
      expect([hook, one.connect(hook)]).toEqual([hook, 0]);
    }
    const one = new Subject(type);
    if (one.node === undefined) return;
    for (const hook of one.hookNames()) expect([hook, one.connect(hook)]).toEqual([hook, 0]);
    expect(faults(one.world)).toEqual([]);
  });

  it('refuses other hooks when it declares some, and changes nothing', () => {
    const one = new Subject(type);
    if (one.node === undefined || type.hooks === undefined) return;
    for (const hook of ['no such hook', '', 'x', 'link00'])
      expect([hook, one.connect(hook, 'mine')]).toEqual([
        hook,
        expect.stringMatching(/^(EINVAL|EPFNOSUPPORT)$/),
      ]);
    expect(one.node.hooks).toEqual([]);
    expect(one.me.node.hooks).toEqual([]);
    expect(faults(one.world)).toEqual([]);
  });

  it('refuses a second hook of a name: EEXIST, and the first one stays', () => {
    const one = new Subject(type);
    if (one.node === undefined) return;
    for (const hook of one.hookNames()) {
      expect(one.connect(hook)).toBe(0);
      expect([hook, one.connect(hook, 'second')]).toEqual([hook, 'EEXIST']);
      expect(one.node.findHook(hook)?.isValid).toBe(true);
    }
  });

  it('leaves nothing when mkpeer fails, on either side', () => {
    const one = new Subject(type);
    const { graph, vnet0, devices } = one.world;
    const before = new Set(graph.nodes(vnet0));
    const interfaces = devices.all.length;
    one.me.mkpeer('.', 'hub', 'taken', 'x');
    one.mkpeer(name, 'taken', one.hookNames()[0] ?? 'x');
    one.mkpeer(name, 'mine', 'no such hook of any type at al');
    one.me.msg('.', 'rmhook', '{ hook="mine" }');
    one.me.msg('.', 'rmhook', '{ hook="taken" }');
    one.world.settle();
    // Those that stay without hooks.
    for (const node of graph.nodes(vnet0)) if (!before.has(node)) graph.removeNode(node);
    expect(graph.nodes(vnet0)).toEqual([...before]);
    expect(devices.all.length).toBe(interfaces);
    expect(faults(one.world)).toEqual([]);
  });

  it('can be connected and disconnected again and again', () => {
    const one = new Subject(type);
    if (one.node === undefined) return;
    one.node.graph.nameNode(one.node, 'subject');
    const hooks = one.hookNames();
    for (let round = 0; round < 5; round++) {
      if (!one.node.isValid) break;
      for (const hook of hooks) one.connect(hook);
      for (const hook of hooks) one.me.msg('.', 'rmhook', `{ hook="${hook}" }`);
      expect(one.me.node.hooks).toEqual([]);
      expect(faults(one.world)).toEqual([]);
    }
    expect(dropsIn(one.world.vnets).handlerFailed).toBe(0);
  });

  it('does not suffer from a neighbour whose code fails', () => {
    const bomb = defineNode({
      type: 'bomb',
      cookie: 98,
      create: () => ({
        receive() {
          throw new TypeError('defect');
        },
      }),
    });
    const one = new Subject(type, [bomb]);
    if (one.node === undefined) return;
    const [first, ...others] = one.hookNames();
    if (first === undefined) return;
    one.connect(first);
    for (const hook of others)
      one.me.refusal(one.path, 'mkpeer', `{ type="bomb" ourhook="${hook}" peerhook="x" }`);
    one.me.send(first, 'x'.repeat(60));
    one.world.settle();
    expect(one.node.isValid).toBe(true);
    expect(one.node.findHook(first)?.isValid).toBe(true);
    expect(faults(one.world)).toEqual([]);
  });
});
