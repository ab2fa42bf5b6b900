import { expect, it } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { type Machine, machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** Share of one CPU that the daemon uses during half a second. */
async function cpuShare(box: Machine): Promise<number> {
  const { pid } = await box.status();
  // Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
  const said = await box.sh(
    `cut -d' ' -f14,15 /proc/${pid}/stat; sleep 0.5; cut -d' ' -f14,15 /proc/${pid}/stat`,
  );
  const [user, system, userLater, systemLater] = said.split(/\s/).map(Number);
  return (userLater + systemLater - user - system) / 100 / 0.5;
}

const list = async (host: NetgraphClient) => (await host.call('jail.list', {})).map(({ name }) => name);
const nodeNames = async (host: NetgraphClient) =>
  (await host.listNodes()).map(({ name, type }) => name || type);

/** A jail with an interface, and a wormhole `w` to it on the host, joined to that. */
async function jailWithInterface(
  host: NetgraphClient,
  name: string,
  parameters: Record<string, string> = {},
) {
  const jail = await host.call('jail.create', {
    parameters: { name, vnet: 'new', persist: 'true', ...parameters },
  });
  await host.mkpeer('.', 'wormhole', name, 'evthorizon');
  await host.msg(name, 'open', `"${name}"`);
  await host.mkpeer(`${name}.jid=${jail.jid}`, 'eiface', 'evthorizon', 'ether');
  return jail;
}

describeReal('a namespace that was there before', () => {
  const t = machine();

  it('becomes a jail by its name, and is left as it was found', async () => {
    const host = await t.box.client();
    const before = 'ip netns add there; ip -n there link add theirs type bridge; ip -n there link set lo up';
    expect(await t.box.sh(`${before}; ip netns exec there ngctl list`)).toContain(
      'neither the host nor a jail',
    );
    const sleeper = t.box.spawn('ip', 'netns', 'exec', 'there', 'sleep', '1000');
    await until(async () => (await t.box.sh('ip netns pids there')) !== '');
    const jail = await jailWithInterface(host, 'mine', { netns: 'there' });
    expect(jail).toMatchObject({ name: 'mine', adopted: true, netns: '/run/netns/there', vnet: 'new' });
    expect(
      await t.box.sh('ip -n there -br link | cut -d" " -f1 | sort; ip netns exec there ngctl list -n'),
    ).toMatch(/^lo\nngeth0\ntheirs\nThere are 2 total named nodes:\n/);
    const create = (parameters: Record<string, string>) =>
      host.call('jail.create', { parameters: { name: 'twice', persist: 'true', ...parameters } });
    for (const netns of ['there', '/run/netns/there', String(await t.box.sh('ip netns pids there')).trim()])
      await expect(create({ netns })).rejects.toMatchObject({
        code: 'EBUSY',
        message: expect.stringContaining('is jail mine already'),
      });
    await host.call('jail.remove', { jail: 'mine' });
    expect(
      await t.box.sh('ip netns list; ip -n there -br link | cut -d" " -f1 | sort; pgrep -x sleep | wc -l'),
    ).toBe('there\nlo\ntheirs\n1\n');
    expect(await nodeNames(host)).toEqual(['socket']);
    sleeper.kill();
    await t.box.sh('pkill -x sleep; ip netns del there');
    await host.close();
  });

  it('becomes a jail by the path of a file, or by a process and ends with that', async () => {
    const host = await t.box.client();
    await t.box.sh(
      'ip netns add other; touch /run/held; mount --bind /run/netns/other /run/held; ip netns del other',
    );
    await jailWithInterface(host, 'held', { netns: '/run/held' });
    expect(await t.box.sh('nsenter --net=/run/held ip -br link | wc -l')).toBe('2\n');
    await host.call('jail.remove', { jail: 'held' });
    expect(await t.box.sh('nsenter --net=/run/held ip -br link | wc -l; umount /run/held')).toBe('1\n');

    const child = t.box.spawn(
      'unshare',
      '--net',
      '--uts',
      'sh',
      '-c',
      'hostname container; echo $$; exec cat',
    );
    const pid = String(await new Promise((resolve) => child.stdout.once('data', resolve))).trim();
    await jailWithInterface(host, 'container', { netns: pid });
    expect(await t.box.sh('jexec container hostname; jexec container ifconfig -l')).toBe(
      'container\nlo ngeth0\n',
    );
    expect(await t.box.sh(`nsenter -t ${pid} -n -u ngctl list | head -1`)).toBe('There are 3 total nodes:\n');
    await expect(
      host.call('jail.create', { parameters: { name: 'b', netns: `/proc/${pid}/ns/net` } }),
    ).rejects.toThrow('already');
    child.stdin.end();
    await until(async () => (await list(host)).length === 0);
    await until(async () => (await nodeNames(host)).length === 1);
    expect(await cpuShare(t.box)).toBeLessThan(0.1);
    await host.close();
  });
});

describeReal('what others take away', () => {
  const t = machine();

  it('is a namespace: its jail goes with all in it, and its name is free', async () => {
    const host = await t.box.client();
    for (let round = 0; round < 3; round++) {
      await jailWithInterface(host, 'a');
      await jailWithInterface(host, 'b');
      await host.connectNodes('a', 'b', 'evthorizon', 'evthorizon').catch(() => {});
      const sleeper = round === 1 ? t.box.spawn('jexec', 'a', 'sleep', '1000') : undefined;
      if (sleeper) await until(async () => (await t.box.sh('ip netns pids a')) !== '');
      await t.box.sh('ip netns del a');
      await until(async () => (await list(host)).join() === 'b');
      expect(await nodeNames(host)).toEqual(['socket', 'wormhole']);
      await until(async () => (await t.box.sh('ls /run/netgraph/uts; pgrep -x sleep')) === 'b\n(exit 1)\n');
      expect(await cpuShare(t.box)).toBeLessThan(0.1);
      await host.call('jail.remove', { jail: 'b' });
      expect(await nodeNames(host)).toEqual(['socket']);
    }
    expect(
      await t.box.sh('grep -c "jail a: somebody deleted its network namespace" /run/netgraph/daemon.log'),
    ).toBe('3\n');
    await host.close();
  });

  it('is an interface: its node goes, up or down, idle or busy', async () => {
    const host = await t.box.client();
    await jailWithInterface(host, 'a');
    await host.mkpeer('.', 'eiface', 'e', 'ether');
    expect((await host.call('status', {})).interfaces.map(({ name, jid }) => [name, jid > 0])).toEqual([
      ['ngeth0', true],
      ['ngeth0', false],
    ]);
    await t.box.sh('ip addr add 192.0.2.1/24 dev ngeth0; ip link set ngeth0 up; ip -n a link del ngeth0');
    await until(async () => (await host.call('status', {})).interfaces.length === 1);
    const flood = t.box.sh('ping -f -q -w 1 192.0.2.2');
    await t.box.sh('sleep 0.3; ip link del ngeth0');
    await until(async () => (await host.call('status', {})).interfaces.length === 0);
    await flood;
    expect(await nodeNames(host)).toEqual(['socket', 'wormhole']);
    expect(await cpuShare(t.box)).toBeLessThan(0.1);
    await host.mkpeer('.', 'eiface', 'e', 'ether');
    expect(await host.msg('e', 'getifname')).toBe('"ngeth0"');
    await host.shutdown('e');
    await host.call('jail.remove', { jail: 'a' });
    await host.close();
  });

  it('is the process that a jail waits for, together with its namespace', async () => {
    const host = await t.box.client();
    const child = t.box.spawn('jail', '-c', 'name=a', 'vnet', 'command=cat');
    await until(async () => (await list(host)).join() === 'a' && (await t.box.sh('ip netns pids a')) !== '');
    await t.box.sh('ip netns del a; pkill -x cat');
    await until(async () => (await list(host)).length === 0);
    await until(() => child.exitCode !== null);
    expect(await t.box.sh('ls /run/netns /run/netgraph/uts')).toBe('/run/netgraph/uts:\n\n/run/netns:\n');
    await host.close();
  });
});
