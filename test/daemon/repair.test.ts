import { expect, it } from 'vitest';
import { type Machine, machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const EVERYTHING = `
findmnt -rno TARGET | grep ^/run | grep -vx -e /run/netns; ip netns list; find /run/netgraph /run/other /run/state 2>/dev/null
ip -o link | cut -d: -f2; ps axo args | grep -v -e ' ps ' -e 'ps axo' -e '^grep ' -e '^sh -c' -e '^cat'`;

/** Interfaces on the host and in two jails, a jail without vnet. */
const SOME = `
for j in a b; do
  jail -c name=$j vnet persist && ngctl -j $j mkpeer . eiface e ether
done
jail -c name=h persist
ngctl mkpeer . eiface e ether`;

/** What there is, by everybody's names. */
const LISTING =
  'ngctl list | grep -v ngctl; jls; ip -br link; ip netns list; ls /run/netgraph/uts; ip -n a -br link';

async function kill(box: Machine): Promise<void> {
  const { pid } = await box.status();
  await box.sh(`kill -9 ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.01; done`);
}

describeReal('netgraph repair', () => {
  const t = machine();

  it('removes nothing that belongs to the running daemon, to another instance or to somebody else', async () => {
    const { box } = t;
    const other = 'NETGRAPH_RUN_DIR=/run/other/run NETGRAPH_STATE_DIR=/run/other/state';
    const made = `${SOME}
      (export ${other}; jail -c name=o vnet persist; ngctl mkpeer . eiface e ether; ngctl -j o mkpeer . eiface e ether)
      ip netns add mine
      ip tuntap add mode tap name tap0 && ip link set tap0 alias netgraph:/run/netgraph2
      ip -n mine tuntap add mode tap name ngeth0
      ip link add v0 type veth peer name v1 && ip link set v0 alias netgraph:/run/netgraph`;
    expect(await box.sh(made)).toBe('');
    const listing = `${LISTING}; ip -n mine -br link; ip -n o -br link; ${other} ngctl list | grep -v ngctl`;
    const before = await box.sh(listing);
    expect(before).toContain('ngeth0');
    expect(await box.sh('netgraph repair -n; netgraph repair')).toBe('');
    expect(await box.sh(listing)).toBe(before);
    // Nor when the daemon of the other instance is dead.
    await kill(box);
    await box.sh(
      `pkill -9 -f 'netgraph.js daemon'; while pgrep -f [n]etgraph.js.daemon; do sleep 0.01; done`,
    );
    expect(await box.sh('netgraph repair -n; netgraph repair')).toBe('');
    expect(await box.sh(listing)).toBe(before);
    expect(await box.sh(`netgraph stop; ${other} netgraph stop`)).toBe('');
  });

  it('spares the world of a program without the daemon', async () => {
    const { box } = t;
    expect(await box.sh('jail -c name=a vnet persist')).toBe('');
    const library = new URL('../../dist/index.js', import.meta.url);
    const program = `
      const { World } = await import('${library}');
      const world = new World();
      await world.jails.create({ name: 'v', vnet: 'new', persist: 'true' });
      const jail = await world.jails.create({ name: 'w', persist: 'true' });
      await world.socket().mkpeer('.', 'eiface', 'e', 'ether');
      console.log('ready');
      process.stdin.on('end', async () => { await world.close(); console.log(jail.namespace.utsLinked); }).resume();`;
    const child = box.spawn(process.execPath, '--input-type=module', '-e', program);
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await until(() => said === 'ready\n');
    const listing = 'ip -o link | cut -d: -f2; ip netns list; ls -R /run/netgraph';
    const before = await box.sh(listing);
    expect(before).toContain('/uts-');
    expect(await box.sh('netgraph repair -n; netgraph repair')).toBe('');
    expect(await box.sh(listing)).toBe(before);
    child.stdin.end();
    await until(() => said !== 'ready\n');
    expect(await box.sh('netgraph stop; ls -A /run/netgraph; ls -d /run/netns; ip -o link | wc -l')).toBe(
      "ls: cannot access '/run/netns': No such file or directory\n1\n",
    );
  });

  it('removes all that was left when the journal is lost, and spares what is in use', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    expect(await box.sh(SOME)).toBe('');
    await kill(box);
    void box.run('ip netns exec b sleep 1000');
    await until(async () => !(await box.sh('pgrep -x sleep')).includes('exit'));
    await box.sh('rm -r /run/state');
    const found = [
      'interface ngeth0 of the host',
      'interface ngeth0 in /run/netns/a',
      'interface ngeth0 in /run/netns/b',
      'namespace /run/netns/a',
      'namespace /run/netns/b',
      'hostname /run/netgraph/uts/a',
      'hostname /run/netgraph/uts/b',
      'hostname /run/netgraph/uts/h',
    ];
    const sorted = (text: string) => text.split('\n').filter(Boolean).sort();
    expect(await box.sh('jls -c; ngctl list | grep -v ngctl')).toBe('There are 1 total nodes:\n');
    const { notices } = await box.status();
    expect(notices.sort()).toEqual(found.map((what) => `not taken up: ${what} has our mark`).sort());
    expect(await box.sh('grep -c "not taken up: " /run/netgraph/daemon.log')).toBe('8\n');
    expect(await box.sh('netgraph status')).toContain(
      'not taken up: interface ngeth0 of the host has our mark\n',
    );
    const pid = (await box.sh('pgrep -x sleep')).trim();
    const busy = `left namespace /run/netns/b: in use by process ${pid}`;
    const rest = found.filter((what) => what !== 'namespace /run/netns/b');
    expect(sorted(await box.sh('netgraph repair -n'))).toEqual(
      [busy, ...rest.map((what) => `would remove ${what}`), '(exit 1)'].sort(),
    );
    expect(sorted(await box.sh('netgraph repair'))).toEqual(
      [busy, ...rest.map((what) => `removed ${what}`), '(exit 1)'].sort(),
    );
    expect(await box.sh('netgraph repair')).toBe(`${busy}\n(exit 1)\n`);
    expect(
      await box.sh(`kill -0 ${pid}; kill ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.01; done`),
    ).toBe('');
    expect(await box.sh('netgraph repair; netgraph repair')).toBe('removed namespace /run/netns/b\n');
    expect(await box.sh('netgraph stop')).toBe('');
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('finds what somebody moved away', async () => {
    const { box } = t;
    expect(await box.sh(`${SOME}; ip netns add mine; touch /run/state/world.journal.new`)).toBe('');
    const there = await box.sh('ngctl list | grep -v ngctl');
    await kill(box);
    // With its own address the daemon would find it there.
    const moved = 'ip link set ngeth0 netns mine; ip -n mine link set ngeth0 address 02:00:00:00:00:99';
    expect(await box.sh(moved)).toBe('');
    expect(await box.sh('netgraph repair')).toBe('removed interface ngeth0 in /run/netns/mine\n');
    // The node has another like it.
    expect(await box.sh('ngctl list | grep -v ngctl')).toBe(there);
    expect(await box.sh('ip -o link show ngeth0 | grep -c .; ip -n mine -o link | cut -d: -f2')).toBe(
      '1\n lo\n',
    );
    // While the daemon lives it follows, and nothing is amiss.
    expect(
      await box.sh('ip link set ngeth0 netns mine; netgraph repair; ip -n mine -o link | cut -d: -f2'),
    ).toBe(' lo\n ngeth0\n');
    await kill(box);
    expect(
      await box.sh('netgraph repair; ip -n mine -o link | cut -d: -f2; ngctl list | grep -v ngctl'),
    ).toBe(` lo\n ngeth0\n${there}`);
    expect(await box.sh('netgraph stop; ip -n mine -o link | cut -d: -f2; ip netns list | cut -c 1-4')).toBe(
      ' lo\nmine\n',
    );
  });

  it('is for the host', async () => {
    const { box } = t;
    await box.sh('jail -c name=a vnet persist');
    expect(await box.sh('jexec a netgraph repair')).toBe(
      'netgraph: jail a may not repair what is outside of it\n(exit 71)\n',
    );
    expect(await box.sh('netgraph repair x')).toContain('too many words: x');
  });
});
