import { describe, expect, it } from 'vitest';
import { checkEntries } from '../../src/world/entries.js';
import { WorldState } from '../../src/world/state.js';

const settings = {
  name: 'a',
  hostname: '',
  path: '/',
  vnet: 'new',
  persist: true,
  childrenMax: 2,
};
const jail = { id: 1, parent: 0, settings, adopted: false, stage: 'made' };
const identity = { dev: 4, ino: 4_026_532_001 };
const namespace = { name: 'a', path: '/run/netns/a', identity, created: true };
const edge = [0, 1, 'x', 2, 7, 'y'];

const entries = [
  { boot: 'b' },
  { made: '/run' },
  { jail },
  { jail: { ...jail, settings: { ...settings, jid: 1, netns: '/p' }, namespace } },
  { jail: { ...jail, namespace: { ...namespace, utsPath: '/u', utsIdentity: identity, pid: 3 } } },
  { jailGone: 1 },
  { node: [0, { id: 0xffffffff, type: 'hub', name: '' }] },
  { node: [3, { id: 1, type: 'tee', name: 'n', settings: [['set', '{ a=1 }']] }] },
  { node: [3, { id: 1, type: 'eiface', name: 'n', resume: { any: ['thing'] } }] },
  { nodeGone: [0, 5] },
  { edge },
  { edgeGone: edge },
  { lastId: [0, 9] },
  { sysctl: [0, 'net.graph.maxdata', '7'] },
  { sysctl: [0, 'net.graph.maxdata', 7] },
  { stopping: true },
];

describe('the entries of a journal', () => {
  it('are what a world writes, one by one or in lists', () => {
    for (const entry of entries) checkEntries(entry);
    checkEntries(entries);
    checkEntries([]);
  });

  it.each([
    [5],
    null,
    'boot',
    [entries],
    {},
    { unknown: 1 },
    JSON.parse('{"__proto__":{"boot":"b"}}'),
    { constructor: 'b' },
    { boot: 'b', made: '/run' },
    { boot: 5 },
    { jail: { ...jail, id: 0 } },
    { jail: { ...jail, settings: undefined } },
    { jail: { ...jail, settings: { ...settings, vnet: 'old' } } },
    { jail: { ...jail, namespace: null } },
    { jail: { ...jail, namespace: { ...namespace, identity: [] } } },
    { jailGone: -1 },
    { node: [0] },
    { node: [0, { id: 1.5, type: 'hub', name: '' }] },
    { node: [0, { id: 2 ** 32, type: 'hub', name: '' }] },
    { node: [0, { id: 1, type: 'hub' }] },
    { node: [0, { id: 1, type: 'hub', name: '', settings: [['set']] }] },
    { nodeGone: [0, '5'] },
    { edge: edge.slice(1) },
    { edgeGone: 'x' },
    { lastId: [0, 2 ** 53] },
    { sysctl: [0, 'x', {}] },
    { stopping: false },
  ])('are not %j', (entry) => {
    expect(() => checkEntries(entry)).toThrow('this is no entry: ');
    expect(() => checkEntries([{ boot: 'b' }, entry])).toThrow('this is no entry: ');
  });

  it('of every kind that a state is made of are fine', () => {
    const state = new WorldState();
    for (const entry of entries) state.apply(entry as never);
    state.apply({ jail } as never);
    for (const entry of state.entries()) checkEntries(JSON.parse(JSON.stringify(entry)));
    expect([...state.entries()].length).toBeGreaterThan(7);
  });
});
