import { expect, it } from 'vitest';
import { type Address, Rtnetlink } from '../../src/linux/index.js';
import { IFA_F, IFF } from '../../src/linux/rtnetlink.js';
import { describeReal } from '../support/sandbox.js';
import { ip, ipJson, quiet, sandbox, sleep, until } from './root.js';

const inet = (index: number, text: string, prefix: number, broadcast?: string): Address => ({
  index,
  family: 'inet',
  address: Uint8Array.from(text.split('.'), Number),
  prefix,
  ...(broadcast && { broadcast: Uint8Array.from(broadcast.split('.'), Number) }),
});

describeReal('rtnetlink', () => {
  const t = sandbox();

  /** A namespace with a pair of interfaces `a` and `b`, and a bridge. */
  function links() {
    const namespace = t.box.netns();
    const { name } = namespace;
    ip('-n', name, 'link', 'add', 'name', 'a', 'type', 'veth', 'peer', 'name', 'b');
    ip('-n', name, 'link', 'add', 'br0', 'type', 'bridge');
    const rtnetlink = new Rtnetlink(namespace.path);
    return { name, rtnetlink, a: rtnetlink.link('a')!, b: rtnetlink.link('b')! };
  }

  it('lists what `ip -j link` lists', () => {
    const { name, rtnetlink } = links();
    ip(
      '-n',
      name,
      'link',
      'set',
      'dev',
      'a',
      'master',
      'br0',
      'mtu',
      '1400',
      'alias',
      'left',
      'group',
      '17',
      'up',
    );
    const judge = ipJson('-n', name, '-d', 'link').map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      mtu: link.mtu,
      flags: Object.keys(IFF).filter((flag) => (link.flags as string[]).includes(flag)),
      up: (link.flags as string[]).includes('UP'),
      lowerUp: (link.flags as string[]).includes('LOWER_UP'),
      address: link.address,
      alias: link.ifalias ?? '',
      kind: (link.linkinfo as { info_kind?: string } | undefined)?.info_kind ?? '',
      type: link.link_type === 'loopback' ? 772 : 1,
      group: link.group === 'default' ? 0 : Number(link.group),
      master: link.master === 'br0' ? rtnetlink.link('br0')!.index : 0,
    }));
    const found = rtnetlink.links().map((link) => ({
      ...link,
      flags: Object.entries(IFF).flatMap(([flag, bit]) => (link.flags & bit ? [flag] : [])),
      address: Buffer.from(link.address).toString('hex').replace(/..\B/g, '$&:'),
    }));
    expect(found).toEqual(judge);
    expect(found).toHaveLength(4);
  });

  it('finds one link by name or index, several at once, and says when there is none', () => {
    const { rtnetlink, a, b } = links();
    expect(rtnetlink.link(a.index)).toEqual(a);
    expect(rtnetlink.linksOf(['b', 'none', a.index])).toEqual([b, undefined, a]);
    expect(rtnetlink.link('none')).toBeUndefined();
    expect(rtnetlink.linksOf([])).toEqual([]);
  });

  it('sets what can be set', () => {
    const { name, rtnetlink, a } = links();
    rtnetlink.setLink(a.index, {
      mtu: 1300,
      alias: 'an alias',
      group: 9,
      address: Uint8Array.of(2, 0, 0, 0, 0, 5),
    });
    rtnetlink.setLink(a.index, { name: 'renamed' });
    rtnetlink.setLink(a.index, { up: true });
    const show = () => ipJson('-n', name, 'link', 'show', 'renamed')[0];
    expect(show()).toMatchObject({
      mtu: 1300,
      ifalias: 'an alias',
      group: '9',
      address: '02:00:00:00:00:05',
      flags: expect.arrayContaining(['UP']),
    });
    rtnetlink.setLink(a.index, { up: false });
    expect(show()!.flags).not.toContain('UP');
  });

  it('moves a link to another namespace', async () => {
    const { rtnetlink, a } = links();
    const other = t.box.netns();
    const fd = other.open();
    rtnetlink.setLink(a.index, { netns: fd });
    (await import('node:fs')).closeSync(fd);
    expect(rtnetlink.link('a')).toBeUndefined();
    expect(new Rtnetlink(other.path).link('a')!.address).toEqual(a.address);
  });

  it('adds, lists and deletes addresses', () => {
    const { name, rtnetlink, a, b } = links();
    const first = inet(a.index, '192.0.2.1', 24, '192.0.2.255');
    rtnetlink.addAddress(first);
    rtnetlink.addAddress(inet(b.index, '198.51.100.1', 30));
    const six = Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    const second: Address = { index: a.index, family: 'inet6', address: six, prefix: 64, flags: IFA_F.NODAD };
    rtnetlink.addAddress(second);
    expect(ipJson('-n', name, 'addr', 'show', 'a')[0]!.addr_info).toMatchObject([
      { family: 'inet', local: '192.0.2.1', prefixlen: 24, broadcast: '192.0.2.255' },
      { family: 'inet6', local: '2001:db8::1', prefixlen: 64 },
    ]);
    const PERMANENT = 0x80; // no limit of time was given
    expect(rtnetlink.addresses(a.index)).toEqual([
      { ...first, flags: PERMANENT },
      { ...second, flags: PERMANENT | IFA_F.NODAD },
    ]);
    const there = { ...inet(b.index, '198.51.100.5', 32), peer: Uint8Array.of(198, 51, 100, 6) };
    rtnetlink.addAddress(there);
    expect(rtnetlink.addresses(b.index)).toContainEqual({ ...there, flags: PERMANENT });
    expect(rtnetlink.addresses().map((address) => address.index)).toEqual(
      expect.arrayContaining([a.index, b.index]),
    );
    rtnetlink.deleteAddress(first);
    expect(rtnetlink.addresses(a.index)).toHaveLength(1);
    expect(() => rtnetlink.deleteAddress(first)).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }));
  });

  it('passes on the reasons of the kernel', () => {
    const { rtnetlink, a } = links();
    expect(() => rtnetlink.setLink(a.index, { mtu: 1 })).toThrow(/EINVAL: mtu less than device minimum/);
    expect(() => rtnetlink.setLink(a.index, { name: 'b' })).toThrow(
      expect.objectContaining({ code: 'EEXIST' }),
    );
    expect(() => rtnetlink.setLink(9999, { up: true })).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    rtnetlink.addAddress(inet(a.index, '192.0.2.1', 24));
    expect(() => rtnetlink.addAddress(inet(a.index, '192.0.2.1', 24))).toThrow(
      expect.objectContaining({ code: 'EEXIST' }),
    );
    expect(() => new Rtnetlink('/run/netns/none').links()).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
  });

  it('lists hundreds of links, more than fit into one datagram', () => {
    const { rtnetlink, name } = links();
    for (let i = 0; i < 60; i++)
      ip('-n', name, 'link', 'add', `v${i}a`, 'type', 'veth', 'peer', 'name', `v${i}b`);
    expect(rtnetlink.links()).toHaveLength(124);
  });
});

describeReal('the monitor', () => {
  const t = sandbox();

  it('tells of links and addresses, each namespace for itself', async () => {
    const host = t.box.host();
    const [one, two] = [t.box.netns(), t.box.netns()];
    const told: string[] = [];
    const stop = host.monitor.watch(one.path, {
      link: (link) => told.push(`${link.name} ${link.up ? 'up' : 'down'}`),
      linkRemoved: (link) => told.push(`${link.name} removed`),
      address: (address) => told.push(`${address.address.join('.')}/${address.prefix}`),
      addressRemoved: (address) => told.push(`${address.address.join('.')} removed`),
    });
    host.monitor.watch(two.path, { link: (link) => told.push(`two: ${link.name}`) });
    const commands = [
      'link add br0 type bridge',
      'addr add 192.0.2.1/24 dev br0',
      'link set br0 up',
      'addr del 192.0.2.1/24 dev br0',
      'link del br0',
    ];
    for (const command of commands) ip('-n', one.name, ...command.split(' '));
    ip('-n', two.name, 'link', 'add', 'br1', 'type', 'bridge');
    await until(() => told.includes('two: br1'));
    const expected = ['br0 down', '192.0.2.1/24', 'br0 up', '192.0.2.1 removed', 'br0 removed', 'two: br1'];
    expect(
      told.filter((line) => expected.includes(line)).filter((line, i, all) => line !== all[i - 1]),
    ).toEqual(expect.arrayContaining(expected));
    stop();
    told.length = 0;
    ip('-n', one.name, 'link', 'add', 'br2', 'type', 'bridge');
    ip('-n', two.name, 'link', 'add', 'br3', 'type', 'bridge');
    await until(() => told.length > 0);
    expect(told.every((line) => line.startsWith('two'))).toBe(true);
  });

  it('keeps no namespace alive and tells when one ends', async () => {
    const host = t.box.host();
    const namespace = t.box.netns();
    let ended = 0;
    host.monitor.watch(namespace.path, { end: () => ended++ });
    ip('netns', 'del', namespace.name);
    await until(() => ended === 1);
  });

  it('says so when events were lost, and what follows is right again', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const namespace = t.box.netnsOf(vnet);
    const device = host.createEthernet(vnet, 'e0', { receive() {}, gone() {} });
    let overruns = 0;
    host.monitor.watch(namespace.path, { overrun: () => overruns++ });
    const rtnetlink = new Rtnetlink(namespace.path);
    const { index } = rtnetlink.link('e0')!;
    // Nobody listens meanwhile, as this is synchronous.
    for (let i = 0; i < 20_000; i++) rtnetlink.setLink(index, { mtu: 1400 + (i & 1) });
    rtnetlink.setLink(index, { up: true });
    expect(device.up).toBe(false);
    await until(() => overruns > 0 && device.up);
    rtnetlink.setLink(index, { up: false });
    await until(() => !device.up);
  });

  it('is not deaf to a namespace that got the ID of one that ended just now', async () => {
    const host = t.box.host();
    const [old, other] = [t.box.netns(), t.box.netns()];
    const told: string[] = [];
    host.monitor.watch(old.path, { end: () => told.push('end') });
    ip('netns', 'del', old.name);
    // Time for the kernel to free the ID, but not for us to hear of it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    host.monitor.watch(other.path, { link: ({ name }) => told.push(name) });
    await sleep(50);
    ip('-n', other.name, 'link', 'add', 'x', 'type', 'bridge');
    await until(() => told.includes('x'));
    expect(told.slice(0, 2)).toEqual(['end', 'x']);
  });

  it('looks around once in a while however often events are lost, and at everybody in the end', async () => {
    const host = t.box.host();
    const [one, two] = [t.box.netns(), t.box.netns()];
    const looked: string[] = [];
    for (const { path, name } of [one, two]) host.monitor.watch(path, { overrun: () => looked.push(name) });
    const rtnetlink = new Rtnetlink(one.path);
    const { index } = rtnetlink.link('lo')!;
    const flood = () => {
      for (let i = 0; i < 20_000; i++) rtnetlink.setLink(index, { mtu: 1400 + (i & 1) });
    };
    const start = performance.now();
    flood();
    await until(() => looked.length === 2);
    for (let i = 0; i < 3; i++) {
      flood();
      await sleep(0);
    }
    expect(looked.length / 2).toBeLessThanOrEqual(1 + (performance.now() - start) / 1000);
    // What was lost since they looked is not forgotten.
    await until(() => looked.length >= 4);
    expect(looked.slice(0, 4)).toEqual([one.name, two.name, one.name, two.name]);
  });

  it('looks for interfaces that were moved away when that was among what was lost', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const [from, to] = [t.box.netnsOf(vnet), t.box.netns()];
    const [stays, goes] = ['e0', 'e1'].map((name) => host.createEthernet(vnet, name, quiet));
    const rtnetlink = new Rtnetlink(from.path);
    const { index } = rtnetlink.link('lo')!;
    for (let i = 0; i < 20_000; i++) rtnetlink.setLink(index, { mtu: 1400 + (i & 1) });
    ip('-n', from.name, 'link', 'set', 'e1', 'netns', to.name);
    ip('-n', to.name, 'link', 'set', 'e1', 'up');
    ip('-n', from.name, 'link', 'set', 'e0', 'up');
    await until(() => stays.up && goes.up);
  });
});
