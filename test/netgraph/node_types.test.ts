import { describe, expect, it } from 'vitest';
import { defineNode, NgError } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const sample = defineNode({ type: 'sample', cookie: 85, create: () => ({ receive: () => 0 }) });

const code = (run: () => unknown) => {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as NgError).code;
  }
};

describe('node types', () => {
  it('are loaded when the first node of theirs is made, as by kldload', () => {
    const me = new Program(simulatedWorld({ types: [sample] }));
    expect(me.msg('.', 'listtypes')).not.toContain('sample');
    me.mkpeer('.', 'sample', 's', 'x');
    expect(me.msg('.', 'listtypes')).toContain('{ typename="sample" numnodes=1 }');
  });

  it('are listed newest first, with their living nodes', () => {
    const me = new Program(simulatedWorld({ types: [sample] }));
    me.mkpeer('.', 'hub', 'h', 'x');
    me.mkpeer('.', 'sample', 's', 'x');
    me.mkpeer('.', 'hub', 'h2', 'x');
    expect(me.msg('.', 'listtypes')).toBe(
      '{ numtypes=3 typeinfo=[ { typename="sample" numnodes=1 } { typename="hub" numnodes=2 }' +
        ' { typename="socket" numnodes=1 } ] }',
    );
  });

  it('cannot be unloaded while they have nodes: EBUSY', () => {
    const { graph, ...world } = simulatedWorld({ types: [sample] });
    const me = new Program({ graph, ...world });
    me.mkpeer('.', 'sample', 's', 'x');
    expect(code(() => graph.removeType('sample'))).toBe('EBUSY');
    me.msg('s', 'shutdown');
    graph.removeType('sample');
    expect(me.msg('.', 'listtypes')).not.toContain('sample');
    expect(code(() => graph.removeType('sample'))).toBe('ENOENT');
    me.mkpeer('.', 'sample', 's', 'x');
  });

  it('have one name each: EEXIST', () => {
    const { graph } = simulatedWorld();
    graph.addType(sample);
    expect(code(() => graph.addType({ ...sample }))).toBe('EEXIST');
  });

  it('have names of 1 to 31 characters: EINVAL', () => {
    const { graph } = simulatedWorld();
    const add = (type: string) => code(() => graph.addType({ ...sample, type }));
    expect([add(''), add('x'.repeat(32)), add('x'.repeat(31))]).toEqual(['EINVAL', 'EINVAL', 'none']);
  });

  it('whose module cannot be used say why', () => {
    const world = simulatedWorld();
    const loadType = () => {
      throw new NgError('ENOEXEC', 'ng_bad.js: no default export');
    };
    Object.assign(world.env, { loadType });
    const made = () => world.graph.makeNode(world.vnet0, 'bad');
    expect(code(made)).toBe('ENOEXEC');
    expect(made).toThrow('no default export');
  });

  it('take whatever comes after their graph: closing it takes all nodes down', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    const inside = new Program(world, world.jails.create('jail').vnet);
    for (const program of [me, inside]) program.mkpeer('.', 'eiface', 'e', 'ether');
    world.graph.close();
    expect(world.graph.types().map(({ nodes }) => nodes)).toEqual([0, 0]);
    expect(world.devices.all).toEqual([]);
    expect([me.control.ended, inside.control.ended]).toEqual([true, true]);
  });
});
