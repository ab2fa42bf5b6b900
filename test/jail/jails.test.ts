import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { Jails, type JailsOptions } from '../../src/jail/index.js';
import { VnetSystem } from '../../src/vnet/index.js';
import { machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

describeReal('jails', () => {
  const t = machine();
  let host: NetgraphClient;

  const create = (name: string, parameters: Record<string, string> = {}) =>
    host.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true', ...parameters } });
  const remove = (jail: string) => host.call('jail.remove', { jail });
  const modify = (jail: string, parameters: Record<string, string>) =>
    host.call('jail.modify', { jail, parameters });
  const names = async () => (await host.call('jail.list', {})).map(({ name }) => name);

  beforeEach(async () => {
    host = await t.box.client();
  });

  afterEach(async () => {
    for (const name of await names()) if (!name.includes('.')) await remove(name);
    expect(await t.box.sh('ip netns list; ls /run/netgraph/uts')).toBe('');
    await host.close();
  });

  it('are numbered from 1 on and no number is given twice, whatever becomes of them', async () => {
    const made: number[] = [];
    for (const name of ['a', 'b', 'c']) made.push((await create(name)).jid);
    expect(made).toEqual([1, 2, 3]);
    await remove('b');
    await expect(create('a')).rejects.toThrow('jail a exists, it has jid 1');
    expect((await create('b')).jid).toBe(4);
    expect((await create('chosen', { jid: '6' })).jid).toBe(6);
    await expect(create('other', { jid: '6' })).rejects.toThrow('jid 6 is taken by jail chosen');
    expect([(await create('d')).jid, (await create('e')).jid]).toEqual([5, 7]);
    expect((await host.call('jail.list', {})).map(({ jid }) => jid)).toEqual([1, 3, 4, 5, 6, 7]);
    expect(
      (await host.call('jail.create', { parameters: { jid: '99', vnet: 'new', persist: 'true' } })).name,
    ).toBe('jail99');
    await expect(modify('99', { jid: '98' })).rejects.toThrow(
      'jail jail99: jid cannot be changed once it is made',
    );
    await expect(modify('99', { path: '/run' })).rejects.toThrow('path cannot be changed once it is made');
    expect((await modify('99', { jid: '99', name: 'later' })).name).toBe('later');
    await remove('99');
    expect(await t.box.sh('jail -i -c jid=50 vnet persist; jail -c jid=50 name=x vnet persist')).toBe(
      '50\njail: "50" already exists\n(exit 1)\n',
    );
  });

  it('are known to `ip netns` by their names, with a hostname and a loopback interface of their own', async () => {
    await create('plain');
    const { hostname, netns, uts } = await create('named', { 'host.hostname': 'www.example.net' });
    expect({ hostname, netns, uts }).toEqual({
      hostname: 'www.example.net',
      netns: '/run/netns/named',
      uts: '/run/netgraph/uts/named',
    });
    expect(await t.box.sh('ip netns list | sort')).toBe('named\nplain\n');
    expect(await t.box.sh('jexec plain hostname; jexec named hostname')).toBe('plain\nwww.example.net\n');
    expect(await t.box.sh('ip netns exec named ping -c 1 -q 127.0.0.1 | grep -c " 0% packet loss"')).toBe(
      '1\n',
    );
    expect(await t.box.sh('ip -n named -br link')).toMatch(/^lo +UNKNOWN .*\n$/);
  });

  it('without vnet share the network of the jail that they are in', async () => {
    await create('outer', { 'children.max': '3' });
    const outer = await t.box.client({ jail: 'outer' });
    const inner = await outer.call('jail.create', { parameters: { name: 'shared', persist: 'true' } });
    expect(inner).toMatchObject({
      name: 'outer.shared',
      vnet: 'inherit',
      netns: '/run/netns/outer',
      hostname: 'outer.shared',
    });
    const shared = await create('host', { vnet: 'inherit' });
    expect(shared).toMatchObject({ vnet: 'inherit', netns: '' });
    expect(
      await t.box.sh('jexec outer.shared hostname; jexec host hostname; jexec host ip -br link | wc -l'),
    ).toBe('outer.shared\nhost\n1\n');
    await outer.mkpeer('.', 'eiface', 'e', 'ether');
    expect(
      await t.box.sh('jexec outer.shared ngctl list -n | grep -c ngeth0; jexec outer.shared ifconfig -l'),
    ).toBe('1\nlo ngeth0\n');
    // A wormhole into it would lead where it starts.
    await host.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    await expect(host.msg('w', 'open', '"host"')).rejects.toThrow('jail "host" has no vnet of its own');
    await outer.call('jail.remove', { jail: 'shared' });
    expect(await t.box.sh('ip -n outer -br link | wc -l')).toBe('2\n');
    await outer.close();
  });

  it('hold as many others as they may, which act inside and know no more than that', async () => {
    await create('a', { 'children.max': '2' });
    const a = await t.box.client({ jail: 'a' });
    const inside = (name: string, more = {}) =>
      a.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true', ...more } });
    expect(await inside('b', { 'children.max': '9' })).toMatchObject({
      name: 'a.b',
      parent: a.jid,
    });
    const b = await t.box.client({ jail: 'a.b' });
    expect(
      (await b.call('jail.create', { parameters: { name: 'c', vnet: 'new', persist: 'true' } })).name,
    ).toBe('a.b.c');
    await expect(inside('d')).rejects.toThrow('jail a may have 2 jails inside');
    await expect(b.call('jail.create', { parameters: { name: 'd' } })).rejects.toThrow('jail a may have 2');
    expect(
      await t.box.sh('ip netns list | sort; jexec a jexec b jexec c hostname; jexec a jls name; jls name'),
    ).toBe('a\na.b\na.b.c\na.b.c\nb\nb.c\na\na.b\na.b.c\n');
    expect((await b.call('jail.list', {})).map(({ name }) => name)).toEqual(['a.b.c']);
    await expect(b.call('jail.remove', { jail: 'a' })).rejects.toThrow('jail "a" not found');
    await expect(inside('e', { netns: '/proc/1/ns/net' })).rejects.toThrow('jail a may not adopt namespaces');
    await remove('a');
    expect(await names()).toEqual([]);
    await a.close();
    await b.close();
  });

  it('of one name that are made at the same time are one, and the others hear of it', async () => {
    const other = await t.box.client();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? host : other).call('jail.create', {
          parameters: { name: 'one', vnet: 'new', persist: 'true' },
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'EEXIST' });
    expect(await names()).toEqual(['one']);
    await other.close();
  });

  it('that were renamed keep the files that they were made with', async () => {
    await create('a');
    await modify('a', { name: 'b' });
    const held = 'jail b was made as a, its namespaces still have that name';
    await expect(create('a')).rejects.toThrow(held);
    await expect(create('a', { vnet: 'inherit' })).rejects.toThrow(held);
    expect(await t.box.sh('jexec b hostname')).toBe('a\n');
    await modify('b', { name: 'a' });
  });

  it('go when they need not persist and the last process in them has ended', async () => {
    await create('a');
    const child = t.box.spawn('jexec', 'a', 'cat');
    await until(async () => (await t.box.sh('ip netns pids a')) !== '');
    await modify('a', { persist: 'false' });
    await modify('a', { persist: 'false' });
    expect(await names()).toEqual(['a']);
    await t.box.sh('sleep 1.2');
    expect(await names()).toEqual(['a']);
    child.stdin.end();
    await until(async () => (await names()).length === 0);
    // One that nobody is in goes at once; one that changed its mind in time stays.
    await create('b');
    await modify('b', { nopersist: 'true' });
    expect(await names()).toEqual([]);
    await create('c', { 'children.max': '1' });
    const c = await t.box.client({ jail: 'c' });
    await c.call('jail.create', { parameters: { name: 'd', vnet: 'new', persist: 'true' } });
    await modify('c', { persist: 'false' });
    expect(await names()).toEqual(['c', 'c.d']);
    await modify('c', { persist: 'true' });
    await c.call('jail.remove', { jail: 'd' });
    await t.box.sh('sleep 1.2');
    expect(await names()).toEqual(['c']);
    await c.close();
  });
});

describeReal('jails of a program', () => {
  const name = `ngt${process.pid}`;
  const make = (options: Partial<JailsOptions>, vnets = new VnetSystem()) =>
    new Jails(vnets, {
      lifetimes: { watch: () => () => {} },
      settled: async () => {},
      utsDirectory: `/run/netgraph/uts-${name}`,
      log: () => {},
      ...options,
    });

  it('that cannot be made are not there, and their names are free', async () => {
    const vnets = new VnetSystem();
    let refuse = true;
    const watch = () => {
      if (refuse) throw new Error('no more watches');
      return () => {};
    };
    const jails = make({ lifetimes: { watch } }, vnets);
    try {
      await expect(jails.create({ name, vnet: 'new' })).rejects.toThrow('no more watches');
      expect([jails.list(undefined), [...vnets].length]).toEqual([[], 1]);
      refuse = false;
      expect((await jails.create({ name, vnet: 'new' })).id).toBe(1);
    } finally {
      await jails.close();
    }
  });

  it('wait for one that is being removed when they get its name, and else not', async () => {
    let release = (): void => {};
    const settled = [new Promise<void>((resolve) => (release = resolve))];
    const jails = make({ settled: async () => settled.pop() });
    try {
      const done: string[] = [];
      const first = await jails.create({ name, vnet: 'new' });
      const removed = jails.remove(first).then(() => done.push('removed'));
      const again = jails.create({ name, vnet: 'new' }).then(() => done.push('made again'));
      await jails.remove(await jails.create({ name: `${name}-other`, vnet: 'new' }));
      done.push('another made and removed');
      release();
      await Promise.all([removed, again]);
      expect(done).toEqual(['another made and removed', 'removed', 'made again']);
    } finally {
      release();
      await jails.close();
    }
  });
});
