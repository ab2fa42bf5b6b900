import { expect, it } from 'vitest';
import { ifconfig } from '../../src/cli/ifconfig/main.js';
import type { Namespace } from '../../src/linux/index.js';
import type { JailStatus } from '../../src/protocol/index.js';
import { ip, ipJson, sandbox } from '../linux/root.js';
import { describeReal } from '../support/sandbox.js';

describeReal('ifconfig on the kernel', () => {
  const t = sandbox();

  /** A namespace with a veth pair, and ifconfig in it. */
  function place(namespace: Namespace = t.box.netns()) {
    ip('-n', namespace.name, 'link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'b0');
    let output = '';
    const warnings: string[] = [];
    const jails = new Map<string, Partial<JailStatus>>();
    const run = async (line: string): Promise<string> => {
      output = '';
      await ifconfig(line.split(' '), {
        netns: namespace.path,
        findJail: async (name) => jails.get(name) as JailStatus,
        out: (text) => {
          output += text;
        },
        warn: (text) => warnings.push(text),
      });
      return output;
    };
    const link = (name: string) => ipJson('-n', namespace.name, '-d', 'addr', 'show', name)[0];
    const addresses = (name: string, family = 'inet') =>
      (link(name).addr_info as Record<string, unknown>[])
        .filter((one) => one.family === family && one.scope !== 'link')
        .map((one) => `${one.local}/${one.prefixlen}${one.broadcast ? ` brd ${one.broadcast}` : ''}`);
    return { namespace, run, link, addresses, jails, warnings };
  }

  it('renames, also what is up, and says the new name', async () => {
    const { run, link, addresses } = place();
    await run('b0 up');
    await run('a0 inet 10.1.0.1/24 up');
    await run('a0 inet6 2001:db8::1/64 no_dad');
    expect(await run('a0 name ngeth0a')).toBe('ngeth0a\n');
    expect(link('ngeth0a')).toMatchObject({ flags: expect.arrayContaining(['UP']) });
    expect(addresses('ngeth0a')).toEqual(['10.1.0.1/24 brd 10.1.0.255']);
    expect(addresses('ngeth0a', 'inet6')).toEqual(['2001:db8::1/64']);
    await expect(run('ngeth0a name lo')).rejects.toThrow('ioctl (set name): File exists');
    await expect(run('b0 name more-than-fifteen')).rejects.toThrow(
      'more-than-fifteen: interface name too long',
    );
  });

  it('gives addresses, replaces the first, adds others, takes them away', async () => {
    const { run, link, addresses, warnings } = place();
    await run('a0 inet 192.168.128.1/30');
    expect(addresses('a0')).toEqual(['192.168.128.1/30 brd 192.168.128.3']);
    expect(link('a0')).toMatchObject({ flags: expect.arrayContaining(['UP']) });
    await run('a0 inet 192.168.128.2 netmask 0xfffffffc alias');
    await run('a0 inet 10.0.0.1 netmask 255.255.255.0 broadcast 10.0.0.127');
    // The second of the old network stays when Linux would drop it with the first.
    expect(addresses('a0').sort()).toEqual([
      '10.0.0.1/24 brd 10.0.0.127',
      '192.168.128.2/30 brd 192.168.128.3',
    ]);
    await run('a0 10.0.0.1 delete');
    await run('a0 -alias');
    expect(addresses('a0')).toEqual([]);
    await expect(run('a0 inet 10.9.9.9 -alias')).rejects.toThrow(
      "ioctl (SIOCDIFADDR): Can't assign requested address",
    );
    await run('a0 172.16.0.1');
    expect(addresses('a0')).toEqual(['172.16.0.1/16 brd 172.16.255.255']);
    expect(warnings.join()).toContain('setting interface address without mask is deprecated');
    // The same again changes its mask.
    await run('a0 inet 172.16.0.1/24');
    expect(addresses('a0')).toEqual(['172.16.0.1/24 brd 172.16.0.255']);
    await run('a0 inet 172.16.0.1/24 alias');
    expect(addresses('a0')).toHaveLength(1);
  });

  it('gives IPv6 addresses beside each other', async () => {
    const { run, addresses } = place();
    await run('a0 inet6 2001:db8::1 prefixlen 48');
    await run('a0 inet6 2001:db8:1::1');
    expect(addresses('a0', 'inet6').sort()).toEqual(['2001:db8:1::1/64', '2001:db8::1/48']);
    await run('a0 inet6 2001:db8::1 -alias');
    expect(addresses('a0', 'inet6')).toEqual(['2001:db8:1::1/64']);
  });

  it('does several things in one line', async () => {
    const { run, link } = place();
    expect(await run('a0 name x0 mtu 9000 ether 02:00:00:00:00:07 descr uplink up')).toBe('x0\n');
    expect(link('x0')).toMatchObject({
      mtu: 9000,
      address: '02:00:00:00:00:07',
      ifalias: 'uplink',
      flags: expect.arrayContaining(['UP']),
    });
    await run('x0 down -descr promisc -arp');
    expect(link('x0')).not.toHaveProperty('ifalias', 'uplink');
    expect(link('x0').flags).toEqual(expect.arrayContaining(['PROMISC', 'NOARP']));
    expect(link('x0').flags).not.toContain('UP');
    await expect(run('x0 mtu 1')).rejects.toThrow('ioctl (set mtu): Invalid argument');
  });

  it("keeps the daemon's mark beside a description", async () => {
    const { namespace, run, link } = place();
    ip('-n', namespace.name, 'link', 'set', 'a0', 'alias', 'netgraph:/run/netgraph');
    await run('a0 description uplink');
    expect(link('a0').ifalias).toBe('netgraph:/run/netgraph uplink');
    expect(await run('a0')).toContain('\tdescription: uplink\n');
    await run('a0 -description');
    expect(link('a0').ifalias).toBe('netgraph:/run/netgraph');
  });

  it('lists names', async () => {
    const { run } = place();
    await run('a0 inet 10.0.0.1/8');
    expect(await run('-l')).toBe('lo b0 a0\n');
    expect(await run('-l ether')).toBe('b0 a0\n');
    expect(await run('-l inet')).toBe('lo a0\n');
    expect(await run('-ld')).toBe('b0\n');
    expect(await run('-lu ether')).toBe('a0\n');
    await expect(run('-l foo')).rejects.toThrow(expect.objectContaining({ name: 'UsageError' }));
    await expect(run('foo')).rejects.toThrow('interface foo does not exist');
    await expect(run('foo up')).rejects.toThrow('interface foo does not exist');
  });

  it('creates and destroys', async () => {
    const { run } = place();
    expect(await run('epair create')).toBe('epair0a\n');
    expect(await run('epair create name left up')).toBe('left\n');
    expect(await run('bridge7 create')).toBe('');
    await expect(run('bridge7 create')).rejects.toThrow('interface bridge7 already exists');
    expect((await run('-l')).trim().split(' ').sort()).toEqual([
      'a0',
      'b0',
      'bridge7',
      'epair0a',
      'epair0b',
      'epair1b',
      'left',
      'lo',
    ]);
    await run('epair0b destroy');
    await run('left destroy');
    expect((await run('-l')).trim().split(' ').sort()).toEqual(['a0', 'b0', 'bridge7', 'lo']);
    await expect(run('gif0 create')).rejects.toThrow(
      /^SIOCIFCREATE2 \(gif0\): Invalid argument \(.*bridge, epair, lo/,
    );
    await expect(run('lo destroy')).rejects.toThrow('SIOCIFDESTROY: Operation not supported');
  });

  it('moves interfaces into jails and back', async () => {
    const { run, jails } = place();
    const other = t.box.netns();
    jails.set('demo', { jid: 1, netns: other.path });
    await run('a0 vnet demo');
    expect(await run('-l')).toBe('lo b0\n');
    expect(await run('-j demo -l')).toBe('lo a0\n');
    await run('-j demo a0 inet 10.0.0.1/24 up');
    expect(await run('-j demo a0 inet')).toContain('inet 10.0.0.1 netmask 0xffffff00');
    await run('a0 -vnet demo');
    expect((await run('-l')).trim().split(' ').sort()).toEqual(['a0', 'b0', 'lo']);
    await expect(run('c0 -vnet demo')).rejects.toThrow('SIOCSIFRVNET (1, c0): Device not configured');
    await expect(run('lo vnet demo')).rejects.toThrow('SIOCSIFVNET: ');
  });
});
