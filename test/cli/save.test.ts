import { expect, it } from 'vitest';
import { machine } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** The graph of the README's five minutes, with a second jail on it. */
const GRAPH = `set -e
jail -c name=demo vnet persist
jail -c jid=7 name=outer vnet persist host.hostname=out.example children.max=2
ngctl -f - <<'END'
mkpeer . eiface e ether
rmhook . e
mkpeer ngeth0: wormhole ether evthorizon
msg ngeth0:ether open "demo"
mkpeer ngeth0:ether.jid=1 hub evthorizon up
name ngeth0:ether.jid=1.evthorizon lan
mkpeer ngeth0:ether.jid=1.evthorizon eiface down ether
name ngeth0:ether.jid=1.evthorizon.down inside
END
printf 'mkpeer . eiface e ether\\nmsg ngeth0: setifname "wan"\\n' | ngctl -j outer -f -
`;

const ADDRESSES = `set -e
ifconfig ngeth0 inet 192.0.2.1/24 up
ifconfig -j demo ngeth0 inet 192.0.2.2/24 up
ping -c 2 -i 0.2 -W 2 192.0.2.2 >/dev/null
`;

/** All that there is, but the tools that ask. */
const LOOK = `jls -n
for jail in $(jls jid); do ngctl -j $jail list | grep -v 'ngctl\\|total'; ip -n $(jls -j $jail name) -br link; done
ngctl list | grep -v 'ngctl\\|total'; ip -br link
`;

describeReal('netgraph save and restore', () => {
  const t = machine();

  it('bring a graph and its jails back after a stop, and write them down the same', async () => {
    const { box } = t;
    expect(await box.sh(`${GRAPH}${ADDRESSES}`)).toBe('');
    expect(
      await box.sh('netgraph save >/run/before; netgraph stop; ip -br link | grep ngeth; ip netns list'),
    ).toBe('');
    expect(await box.sh('netgraph restore /run/before')).toBe('');
    expect(await box.sh(ADDRESSES)).toBe('');
    expect(await box.sh('jls jid name host.hostname; ip -n outer -br link show wan | cut -c1-4')).toBe(
      '1 demo demo\n7 outer out.example\nwan \n',
    );
    expect(await box.sh('netgraph save | diff /run/before -')).toBe('');
    const script = (await box.sh('cat /run/before')).replace(/58:9c:fc(:[0-9a-f]{2}){3}/g, 'MAC');
    expect(
      script,
    ).toBe(`# netgraph: \`netgraph restore FILE\` makes this again; \`ngctl -f FILE\` does where the jails are there already
# jail -c jid=1 name=demo vnet persist
# jail -c jid=7 name=outer vnet persist host.hostname=out.example children.max=2

mkpeer . eiface t1 ether
name .:t1 ngeth0
msg ngeth0: setifname "ngeth0"
msg ngeth0: set MAC
rmhook . t1
mkpeer ngeth0: wormhole ether evthorizon
msg ngeth0:ether open "demo"
mkpeer ngeth0:ether.jid=1 hub evthorizon up
name ngeth0:ether.jid=1.evthorizon lan
mkpeer ngeth0:ether.jid=1.evthorizon eiface down ether
name ngeth0:ether.jid=1.evthorizon.down inside
msg ngeth0:ether.jid=1.evthorizon.down setifname "ngeth0"
msg ngeth0:ether.jid=1.evthorizon.down set MAC

mkpeer . wormhole w1 evthorizon
msg .:w1 open "outer"
mkpeer .:w1.jid=7 eiface evthorizon ether
name .:w1.jid=7.evthorizon ngeth0
msg .:w1.jid=7.evthorizon setifname "wan"
msg .:w1.jid=7.evthorizon set MAC
shutdown .:w1
`);
  });

  it('work with ngctl alone where the jails are there, and with jails in jails', async () => {
    const { box } = t;
    const jails =
      'jail -c name=a vnet persist children.max=1; jexec a jail -c name=b vnet persist children.max=0';
    expect(await box.sh(`${jails}; ngctl -j a.b mkpeer . eiface e ether; netgraph save >/run/before`)).toBe(
      '',
    );
    expect(await box.sh('grep -v "^msg.* set " /run/before')).toContain('name=a.b vnet persist');
    expect(
      await box.sh(`netgraph stop; ${jails}; ngctl -f /run/before; netgraph save | diff /run/before -`),
    ).toBe('');
    expect(
      await box.sh('netgraph stop; netgraph restore </run/before; netgraph save | diff /run/before -'),
    ).toBe('');
    // Seen from inside, it is a world of its own.
    expect(
      await box.sh('netgraph save -j a >/run/a; jexec a netgraph save | diff /run/a -; sed -n 2p /run/a'),
    ).toBe('# jail -c jid=2 name=b vnet persist\n');
    const again = 'jail -c name=a vnet persist children.max=1; netgraph restore -j a /run/a';
    expect(await box.sh(`netgraph stop; ${again}; netgraph save -j a | diff /run/a -; jls name`)).toBe(
      'a\na.b\n',
    );
  });

  it('leave all as it was when a line is refused, and say which', async () => {
    const { box } = t;
    await box.sh(`${GRAPH} netgraph save >/run/script; netgraph stop; jail -c name=demo vnet persist`);
    await box.sh(`sed -i 's/^shutdown .*/msg .:w1 open "demo"/' /run/script`);
    await box.sh(
      `printf 'mkpeer . eiface e ether\\nname .:e own\\nmsg .:e setifname "own"\\n' | ngctl -j demo -f -`,
    );
    const before = await box.sh(LOOK);
    expect(await box.sh('netgraph restore /run/script')).toBe(
      'netgraph: line 25: msg .:w1 open "demo": send msg: Socket is already connected ' +
        '(wormhole [5]: is open already)\n(exit 71)\n',
    );
    expect(await box.sh(LOOK)).toBe(before);
    expect(before).toContain('own');
  });

  it('do nothing when other jails are in the way', async () => {
    const { box } = t;
    await box.sh('jail -c jid=4 name=demo vnet persist; jail -c jid=5 name=shared persist');
    const before = await box.sh(LOOK);
    const restore = (line: string) =>
      box.sh(`printf '%s\\n' '# jail -c jid=9 name=new vnet persist' '${line}' | netgraph restore`);
    expect(await restore('# jail -c jid=3 name=demo vnet persist')).toBe(
      'netgraph: line 2: jail demo has jid 4 here, the script needs jid 3; nothing was done\n(exit 71)\n',
    );
    expect(await restore('# jail -c jid=4 name=other vnet persist')).toBe(
      'netgraph: line 2: jid 4 is jail demo here, the script needs it to be other; nothing was done\n(exit 71)\n',
    );
    expect(await restore('# jail -c jid=5 name=shared vnet persist')).toBe(
      'netgraph: line 2: jail shared has no vnet of its own here; nothing was done\n(exit 71)\n',
    );
    expect(await restore('# jail -c jid=6 name=x.y vnet persist')).toBe(
      'netgraph: line 2: cannot make jail x.y: there is no jail x\n(exit 71)\n',
    );
    expect(await restore('# jail -c name=x')).toContain('a jail needs its jid and its name');
    expect(await box.sh(LOOK)).toBe(before);
    expect(await box.sh('netgraph save | tail -n +2; netgraph save | netgraph restore')).toBe(
      '# jail -c jid=4 name=demo vnet persist\n# jail -c jid=5 name=shared persist\n',
    );
    expect(await box.sh('netgraph restore /nowhere')).toContain('/nowhere');
  });
});
