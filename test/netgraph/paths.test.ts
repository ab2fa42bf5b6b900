import { describe, expect, it } from 'vitest';
import { defineNode } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

/** me --t/left--> tee1 --right/x--> hub1 */
function chain() {
  const world = simulatedWorld();
  const me = new Program(world);
  me.name('.', 'me');
  me.mkpeer('.', 'tee', 't', 'left');
  me.name('t', 'tee1');
  me.mkpeer('t', 'hub', 'right', 'x');
  me.name('t.right', 'hub1');
  const nameAt = (path: string) => /name="(\w+)"/.exec(me.msg(path, 'nodeinfo'))?.[1];
  const refusal = (path: string) => me.refusal(path, 'nodeinfo');
  return { world, me, nameAt, refusal };
}

describe('addresses', () => {
  it('of the local node are empty, a dot, or a dot with a colon', () => {
    const { nameAt } = chain();
    expect(['', '.', '.:', '.:.'].map(nameAt)).toEqual(['me', 'me', 'me', 'me']);
  });

  it('are absolute: a node and the hooks to follow from there', () => {
    const { nameAt } = chain();
    expect(nameAt('tee1:')).toBe('tee1');
    expect(nameAt('me:t.right')).toBe('hub1');
    expect(nameAt('hub1:x.left')).toBe('me');
  });

  it('are relative: hooks from the local node on', () => {
    const { nameAt } = chain();
    expect(nameAt('t')).toBe('tee1');
    expect(nameAt('.:t.right')).toBe('hub1');
  });

  it('may go forth and back', () => {
    const { nameAt } = chain();
    expect(nameAt('t.left.t.left.t.right')).toBe('hub1');
  });

  it('without a colon never name a node, only a hook', () => {
    const { refusal } = chain();
    expect(['me', 'hub1', '[1]'].map(refusal)).toEqual(['ENOENT', 'ENOENT', 'ENOENT']);
  });

  it('take an ID in brackets, in hexadecimal', () => {
    const { nameAt, refusal } = chain();
    expect(['[2]:', '[02]:', '[0x2]:', '[2]:right'].map(nameAt)).toEqual(['tee1', 'tee1', 'tee1', 'hub1']);
    expect(['[0]:', '[99]:', '[g]:', '[]:', '[ 2]:', '[-1]:'].map(refusal)).toEqual(Array(6).fill('ENOENT'));
  });

  it('may have one dot too many at either end', () => {
    const { nameAt } = chain();
    expect(['.t', 't.', '.t.right', 'me:.t'].map(nameAt)).toEqual(['tee1', 'tee1', 'hub1', 'tee1']);
  });

  it('that are malformed are EINVAL', () => {
    const { refusal } = chain();
    const bad = ['..', 't..right', 'a:b:c', ':', '::', ':t', 'me..t', 'a.b:c'];
    expect(bad.map(refusal)).toEqual(bad.map(() => 'EINVAL'));
  });

  it('that lead nowhere are ENOENT', () => {
    const { refusal } = chain();
    const missing = ['nosuch:', 'nosuch', 'me:nosuch', 't.nosuch', 't.nosuch.x', 'TEE1:', ' tee1:'];
    expect(missing.map(refusal)).toEqual(missing.map(() => 'ENOENT'));
  });

  it('name what is wrong in the sentence of the error', () => {
    const { me } = chain();
    expect(() => me.msg('t.nosuch', 'nodeinfo')).toThrow('node tee1: has no hook "nosuch" (path "t.nosuch")');
    expect(() => me.msg('nosuch:', 'nodeinfo')).toThrow('no node "nosuch"');
    expect(() => me.msg('a:b:c', 'nodeinfo')).toThrow('bad path "a:b:c": more than one colon');
  });

  it('may be long', () => {
    const { nameAt } = chain();
    expect(nameAt(`${'t.left.'.repeat(1000)}t`)).toBe('tee1');
  });
});

describe('the receiver of a message', () => {
  const listener = (heard: string[]) =>
    defineNode({
      type: 'listener',
      cookie: 77,
      messages: { hello: { cmd: 1 } },
      create: () => ({
        receive: () => 0,
        on: {
          hello(_, { hook, from }) {
            heard.push(`by ${hook?.name ?? 'name'} from ${from}`);
          },
        },
      }),
    });

  it('is told the hook it arrived through, when it was addressed by hooks, and who sent it', () => {
    const heard: string[] = [];
    const me = new Program(simulatedWorld({ types: [listener(heard)] }));
    me.mkpeer('.', 'hub', 'h', 'a');
    me.mkpeer('h', 'listener', 'b', 'mux');
    me.name('h.b', 'C');
    for (const path of ['h.b', '.:h.b', 'C:', '[3]:', 'C:mux.b']) me.msg(path, 'hello');
    expect(heard).toEqual([
      'by mux from [1]:',
      'by mux from [1]:',
      'by name from [1]:',
      'by name from [1]:',
      'by mux from [1]:',
    ]);
  });

  it('answers to an address that works whatever the names are', () => {
    const { me } = chain();
    const addresses: string[] = [];
    for (const path of ['t', 'tee1:', '[2]:']) {
      me.control.send(path, me.control.toBinary(path, 'nodeinfo', ''));
      addresses.push(me.control.inbox.pop()!.from);
    }
    expect(addresses).toEqual(['[2]:', '[2]:', '[2]:']);
  });
});
