import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { ADDRESSES } from '../support/jails.js';
import { type Machine, machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** Two jails with an interface each, 192.0.2.1 and 192.0.2.2, joined by wormholes through a hub on the host. */
const LAB = `
for j in a b; do
  jail -c name=$j vnet persist && printf 'mkpeer eiface e ether\\nname .:e nic\\n' | ngctl -j $j -f -
done
ngctl -f - <<EOF
mkpeer hub h own
name .:h lan
msg lan: setpersistent
mkpeer lan: wormhole a evthorizon
mkpeer lan: wormhole b evthorizon
msg lan:a open "a"
msg lan:b open "b"
rmhook h
connect lan:a.jid=1 nic: evthorizon ether
connect lan:b.jid=2 nic: evthorizon ether
EOF
${ADDRESSES}`;

/** Sends what can be checked through a TCP connection until it is enough, or receives it. Both print how much, and its hash. */
const TCP = `
import hashlib, os, socket, sys
total, digest = 0, hashlib.sha256()
if sys.argv[1] == 'serve':
    server = socket.create_server(('192.0.2.2', 5000))
    peer, _ = server.accept()
    while data := peer.recv(1 << 16):
        total += len(data)
        digest.update(data)
else:
    peer = socket.create_connection(('192.0.2.2', 5000))
    count = 0
    while not os.path.exists('/run/enough'):
        data = (b'%08d' % count) * 2048
        count += 1
        peer.sendall(data)
        total += len(data)
        digest.update(data)
    peer.close()
print(total, digest.hexdigest())
`;

/** Has a TAP in use until the end of its standard input. */
const HOLD = `
import fcntl, os, struct, sys
fd = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', sys.argv[1].encode(), 0x5002)) # TUNSETIFF: a TAP with vnet headers
print('up', flush=True)
sys.stdin.read()`;

async function kill(box: Machine): Promise<void> {
  const { pid } = await box.status();
  await box.sh(`kill -9 ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.01; done`);
}

/** Starts a daemon where one was killed. */
async function start(box: Machine): Promise<void> {
  expect(await box.sh('jls >/dev/null')).toBe('');
}

/** When the daemon began, in milliseconds since 1970. */
async function begin(box: Machine): Promise<number> {
  const { pid } = await box.status();
  const age = `cut -d' ' -f1 /proc/uptime; cut -d' ' -f22 /proc/${pid}/stat; date +%s.%N`;
  const [up, ticks, now] = (await box.sh(age)).split('\n').map(Number);
  return (now - up + ticks / 100) * 1000;
}

/** Kills the daemon; something may happen; another takes over. */
async function killed(box: Machine, meanwhile = ''): Promise<void> {
  await kill(box);
  expect(await box.sh(meanwhile)).toBe('');
  await start(box);
}

/** Writes a file in there. */
async function write(box: Machine, path: string, text: string): Promise<void> {
  const writer = box.spawn('sh', '-c', `cat >${path}`);
  writer.stdin.end(text);
  await new Promise((resolve) => writer.on('close', resolve));
}

/** Makes the journal one of an earlier start of the system. */
async function reboot(box: Machine): Promise<void> {
  const journal = await box.sh('cat /run/state/world.journal');
  const changed = journal.replace(/^[0-9a-f]{8} (.*"boot":".*)$/gm, (_line, json: string) => {
    const text = json.replace(/"boot":"[^"]*"/, '"boot":"another"');
    return `${crc32(text).toString(16).padStart(8, '0')} ${text}`;
  });
  expect(changed).not.toBe(journal);
  await write(box, '/run/state/world.journal', changed);
}

/** Everything but programs' sockets, as tools show it. */
const world = (box: Machine) =>
  box.sh(`jls; for j in "" $(jls name); do
    echo "== $j"; flag=\${j:+-j $j}
    ngctl $flag list | grep -v ngctl
    for id in $(ngctl $flag list | grep -v ngctl | sed -n 's/.*ID: \\([0-9a-f]*\\).*/\\1/p'); do
      ngctl $flag show "[$id]:" | grep -v ngctl
    done
  done`);

const notices = async (box: Machine): Promise<string[]> => (await box.status()).notices;

describeReal('after kill -9', () => {
  const t = machine();

  it('a TCP connection goes on, and frames pass again soon after the start', async () => {
    const { box } = t;
    expect(await box.sh(LAB)).toBe('');
    await write(box, '/run/tcp.py', TCP);
    const server = box.run('ip netns exec b python3 /run/tcp.py serve');
    await until(async () => (await box.sh('ip netns exec b ss -Hltn')) !== '');
    const sending = box.run('ip netns exec a python3 /run/tcp.py send');
    await until(async () => (await box.sh('ip netns exec b ss -Htn state established')) !== '');
    const pings = box.run('ip netns exec a ping -D -i 0.01 192.0.2.2');
    const begins: number[] = [];
    for (let i = 0; i < 3; i++) {
      await sleep(600);
      await kill(box);
      await sleep(200);
      await start(box);
      begins.push(await begin(box));
    }
    await sleep(1000);
    await box.sh('touch /run/enough; pkill -INT -x ping');
    const sent = await sending;
    expect(sent.status).toBe(0);
    expect(Number(sent.stdout.split(' ')[0])).toBeGreaterThan(1e6);
    expect((await server).stdout).toBe(sent.stdout);
    const answers = (await pings).stdout.matchAll(/^\[([\d.]+)\] 64 bytes/gm);
    const times = [...answers].map(([, time]) => Number(time) * 1000);
    const waits = begins.map((then) => times.find((time) => time > then)! - then);
    // `scripts/bench --only survive` measures how soon; here others may keep the machine busy.
    expect(Math.max(...waits)).toBeLessThan(10_000);
    expect(await notices(box)).toEqual([]);
  });

  it('what the system knows of interfaces is as before', async () => {
    const { box } = t;
    const made = `${LAB}
      ngctl mkpeer . eiface e ether; ngctl mkpeer . eiface e ether
      ip link set ngeth1 name lan0; ip addr add 203.0.113.1/24 dev lan0; ip link set lan0 mtu 1400 up
      ngctl msg ngeth0: set 02:00:00:00:00:77
      ip -n a neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 nud permanent dev ngeth0
      ip -n a route add 198.51.100.0/24 via 192.0.2.9; ip -n a -6 addr add 2001:db8::1/64 nodad dev ngeth0
      ngctl mkpeer . eiface e ether; ip link set ngeth2 name up0; ifconfig up0 vnet b`;
    expect(await box.sh(made)).toBe('');
    const system = `
      for n in a b; do
        ip -n $n -br link; ip -n $n addr | grep inet; ip -n $n route; ip -n $n neigh show nud permanent
      done
      ip -br link; ip -4 addr show lan0 | grep inet; ip link show lan0 | grep -o 'mtu [0-9]*'
      for n in ngeth0 ngeth1 ngeth2; do ngctl msg $n: getifname; done`;
    await sleep(300);
    const before = [await world(box), await box.sh(system)];
    expect(before[1]).toContain('up0');
    for (let i = 0; i < 2; i++) {
      await killed(box);
      await until(async () => (await box.sh(system)) === before[1], 3000).catch(() => {});
      expect([await world(box), await box.sh(system)]).toEqual(before);
      expect(await notices(box)).toEqual([]);
    }
    expect(await box.sh('ip netns exec a ping -c 2 -i 0.2 -W 2 192.0.2.2 | grep -o "2 received"')).toBe(
      '2 received\n',
    );
  });

  it('graphs, limits and jails of every kind are as before, and no ID is given twice', async () => {
    const { box } = t;
    const made = `${LAB}
      ip netns add there
      jail -c name=adopted netns=there vnet persist
      jail -c name=outer vnet persist children.max=2
      jexec outer jail -c name=inner vnet persist
      jexec outer ngctl mkpeer . eiface e ether
      ngctl -j outer.inner mkpeer . eiface e ether
      ngctl -j adopted mkpeer . eiface e ether
      jail -c name=plain persist host.hostname=plain.example
      jail -m name=b children.max=3
      sysctl net.graph.maxdata=777 >/dev/null
      printf 'mkpeer hub x 1\\nmsg .:x setpersistent\\nmkpeer .:x hub 2 1\\nmsg .:x.2 setpersistent\\n' | ngctl -f -
      ngctl mkpeer . eiface e ether; ngctl shutdown ngeth0:`;
    expect(await box.sh(made)).toBe('');
    const details = `sysctl net.graph.maxdata; jexec plain hostname; jexec outer.inner ip -br link
      jexec outer jls name; ls /run/netgraph/uts`;
    const before = [await world(box), await box.sh(details)];
    expect(before[1]).toContain('777');
    // The IDs of the tools' own sockets are forgotten with them, but not those of nodes that stay.
    const highest = () =>
      box.sh(
        "ngctl list | grep -v ngctl | sed -n 's/.*ID: \\([0-9a-f]*\\).*/\\1/p' | while read i; do echo $((0x$i)); done | sort -n | tail -1",
      );
    await box.sh("printf 'mkpeer hub x 1\\nname .:x zed\\nmsg zed: setpersistent\\n' | ngctl -f -");
    const last = Number(await highest());
    await box.sh('ngctl shutdown zed:');
    await killed(box);
    expect([await world(box), await box.sh(details)]).toEqual(before);
    expect(await notices(box)).toEqual([]);
    await box.sh("printf 'mkpeer hub x 1\\nname .:x zed\\nmsg zed: setpersistent\\n' | ngctl -f -");
    expect(Number(await highest())).toBeGreaterThan(last);
    expect(await box.sh('jail -r outer; jail -r adopted; ip netns list | grep there; netgraph stop')).toBe(
      'there\n',
    );
    expect(await box.sh('ip netns; ip -n there -br link | cut -c 1-2')).toBe('there\nlo\n');
  });

  it('a jail that need not persist stays as long as somebody is in it', async () => {
    const { box } = t;
    await box.sh('jail -c name=tmp vnet persist');
    void box.run('jexec tmp sleep 1000');
    await until(async () => (await box.sh('pgrep -cx sleep')) === '1\n');
    await box.sh('jail -m name=tmp nopersist');
    await killed(box);
    await sleep(1500);
    expect(await box.sh('jls name; jexec tmp hostname')).toBe('tmp\ntmp\n');
    await box.sh('pkill -x sleep');
    await until(async () => (await box.sh('jls name; ip netns list')) === '');
  });

  it('jails and interfaces are whole when the system lets nothing be watched, and their end is noticed', async () => {
    const { box } = t;
    expect(await box.sh(LAB)).toBe('');
    const before = await world(box);
    await write(
      box,
      '/run/full.cjs',
      `require('node:fs').watch = () => { throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' }); };
       require('node:module').syncBuiltinESMExports();`,
    );
    await kill(box);
    expect(await box.sh('NODE_OPTIONS="--require /run/full.cjs" jls >/dev/null')).toBe('');
    expect(await notices(box)).toEqual([]);
    expect(await world(box)).toBe(before);
    expect(await box.sh('ip netns exec a ping -c 1 -W 2 192.0.2.2 >/dev/null')).toBe('');
    expect(await box.sh('jail -c name=c vnet persist; ip netns del b')).toBe('');
    await until(async () => (await box.sh('jls name')) === 'a\nc\n');
  });

  it('a jail goes with its command, and is removed when told, although the daemon is killed meanwhile', async () => {
    const { box } = t;
    const stop = 'exec.stop="pkill -9 -f [n]etgraph.js.daemon; sleep 0.2"';
    expect(
      await box.sh(`jail -c name=a vnet persist; echo 'b { vnet; persist; ${stop}; }' >/run/jail.conf`),
    ).toBe('');
    expect(await box.sh('jail -f /run/jail.conf -c b')).toBe('b: created\n');
    const { pid } = await box.status();
    expect(await box.sh(`jail -c name=c vnet command=sh -c 'kill -9 ${pid}; sleep 0.2'; jls name`)).toBe(
      'a\nb\n',
    );
    expect(await box.sh('jail -f /run/jail.conf -r b; jls name; ip netns list | wc -l')).toBe(
      'b: removed\na\n1\n',
    );
  });

  it('names what others deleted while no daemon was there', async () => {
    const { box } = t;
    expect(await box.sh(`${LAB}; ngctl mkpeer . eiface e ether; ngctl mkpeer . eiface e ether`)).toBe('');
    await killed(box, 'ip netns del b; ip link del ngeth0');
    expect(await notices(box)).toEqual([
      'not taken up: jail b is gone: somebody deleted its namespace',
      'not taken up: interface ngeth0 was gone: it is made anew, without addresses',
    ]);
    expect(await box.sh('jls name; ip -o link | cut -d: -f2; ls /run/netgraph/uts')).toBe(
      'a\n lo\n ngeth1\n ngeth0\na\n',
    );
    expect(await box.sh('grep -c "ngeth0 was gone: it is made anew" /run/netgraph/daemon.log')).toBe('1\n');
    // The wormhole into it has collapsed.
    expect(await box.sh('ngctl show lan: | grep -c wormhole')).toBe('1\n');
    expect(await box.sh('jail -c name=b vnet persist; netgraph stop; ip netns; ip -o link | wc -l')).toBe(
      '1\n',
    );
  });

  it('takes nothing for its own but what it made: names may be those of others by now', async () => {
    const { box } = t;
    const made = `jail -c name=a vnet persist children.max=2; jexec a jail -c name=b vnet persist
      jail -c name=b vnet persist; ngctl -j b mkpeer . eiface e ether; ip -n b addr add 192.0.2.1/24 dev ngeth0
      jail -c name=c vnet persist`;
    expect(await box.sh(made)).toBe('');
    const before = await box.sh('ip -n b -br addr');
    await killed(box, 'ip netns del a; ip netns del c; ip netns add c; ip -n c link add theirs type bridge');
    expect(await notices(box)).toEqual([
      'not taken up: jail a is gone: somebody deleted its namespace',
      'not taken up: jail c is gone: somebody deleted its namespace',
      'not taken up: jail a.b is gone: the jail around it is gone; /run/netns/a.b stays',
      'not taken up: namespace /run/netns/a.b has our mark',
      'not taken up: hostname /run/netgraph/uts/a.b has our mark',
    ]);
    expect(await box.sh('jls name; ip netns list | cut -d" " -f1 | sort; ls /run/netgraph/uts')).toBe(
      'b\na.b\nb\nc\na.b\nb\n',
    );
    expect(await box.sh('ip -n b -br addr')).toBe(before);
    const repaired = ['hostname /run/netgraph/uts/a.b', 'namespace /run/netns/a.b'];
    expect((await box.sh('netgraph repair | sort')).split('\n').filter(Boolean)).toEqual(
      repaired.map((what) => `removed ${what}`),
    );
    expect(await box.sh('netgraph stop; ip netns; ip -n c -br link show theirs | cut -d" " -f1')).toBe(
      'c\ntheirs\n',
    );
  });

  it('finds interfaces that others moved to other namespaces while no daemon was there', async () => {
    const { box } = t;
    const made = `ip netns add there; jail -c name=a vnet persist; ngctl -j a mkpeer . eiface e ether
      ngctl mkpeer . eiface e ether; ngctl mkpeer . eiface e ether`;
    expect(await box.sh(made)).toBe('');
    const moves = `ip link set ngeth0 netns there; ip -n there addr add 192.0.2.1/24 dev ngeth0
      ip link set ngeth1 netns a; ip -n a addr add 192.0.2.2/24 dev ngeth1
      ip -n a link set ngeth0 netns there name up0; ip -n there addr add 192.0.2.3/24 dev up0`;
    const listing = `ip -o link | wc -l; for n in there a; do ip -n $n -br -4 addr; done
      for n in ngeth0 ngeth1; do ngctl msg $n: getifname; done; ngctl -j a msg ngeth0: getifname | grep -o up0`;
    await kill(box);
    expect(await box.sh(moves)).toBe('');
    await start(box);
    expect(await notices(box)).toEqual([]);
    const before = await box.sh(listing);
    for (const address of [1, 2, 3]) expect(before).toContain(`192.0.2.${address}/24`);
    expect(before).toMatch(/up0\n$/);
    await killed(box);
    expect([await box.sh(listing), await notices(box)]).toEqual([before, []]);
  });

  it('finds one that was moved away and back, and has another index and name now', async () => {
    const { box } = t;
    const made = `ip netns add there; jail -c name=a vnet persist; ngctl -j a mkpeer . eiface e ether
      ip -n a addr add 192.0.2.1/24 dev ngeth0`;
    expect(await box.sh(made)).toBe('');
    const index = 'ip -n a -o link show up0 | cut -d: -f1';
    const before = await box.sh(index.replace('up0', 'ngeth0'));
    // Its number is taken meanwhile.
    await killed(
      box,
      `ip -n a link set ngeth0 netns there; ip -n a link add theirs index ${before.trim()} type bridge
      ip -n there link set ngeth0 netns a name up0; ip -n a addr add 192.0.2.2/24 dev up0`,
    );
    expect(await notices(box)).toEqual([]);
    expect(await box.sh(index)).not.toBe(before);
    expect(await box.sh('ngctl -j a msg ngeth0: getifname')).toContain('up0');
    expect(await box.sh('ip -n a -o -4 addr show up0')).toContain('192.0.2.2/24');
  });

  it('uses no hostname that others put in the place of that of a jail, and names what is gone', async () => {
    const { box } = t;
    expect(await box.sh('for j in a b c; do jail -c name=$j vnet persist; done')).toBe('');
    await kill(box);
    expect(
      await box.sh(
        `cd /run/netgraph/uts; umount a; rm a; umount b; unshare --uts=b hostname stranger; umount c`,
      ),
    ).toBe('');
    await start(box);
    const left = 'not taken up: hostname /run/netgraph/uts/b has our mark';
    expect(await notices(box)).toEqual([
      ...['a', 'b', 'c'].map(
        (name) => `not taken up: the hostname of jail ${name}: /run/netgraph/uts/${name} is not what it was`,
      ),
      left,
    ]);
    const hostnames = 'for j in a b c; do jexec $j hostname; done | uniq; ls /run/netgraph/uts';
    expect(await box.sh(hostnames)).toBe(await box.sh('hostname; echo b'));
    await killed(box, 'ip netns del c');
    expect(await notices(box)).toEqual([
      'not taken up: jail c is gone: somebody deleted its namespace',
      left,
    ]);
    expect(await box.sh('jls name; jail -r a; jail -r b; ip netns; ls /run/netgraph/uts')).toBe('a\nb\nb\n');
    expect(await box.sh('nsenter --uts=/run/netgraph/uts/b hostname')).toBe('stranger\n');
  });

  it('takes none for that of another jail that has the same Ethernet address', async () => {
    const { box } = t;
    const made = `for j in a b c; do
        jail -c name=$j vnet persist; ngctl -j $j mkpeer . eiface e ether; ip -n $j link set ngeth0 address 02:00:00:00:00:01
      done
      ip -n b addr add 192.0.2.2/24 dev ngeth0; ip -n c addr add 192.0.2.3/24 dev ngeth0`;
    expect(await box.sh(made)).toBe('');
    const listing = `for j in b c; do ip -n $j -o -4 addr show ngeth0; done
      for j in a b c; do ngctl -j $j msg ngeth0: getifname; ip -n $j -br link show ngeth0; done`;
    const before = await box.sh(listing);
    await killed(box, 'ip -n a link del ngeth0');
    expect(await notices(box)).toEqual([
      'not taken up: interface ngeth0 of jail a was gone: it is made anew, without addresses',
    ]);
    expect(await box.sh(listing)).toBe(before);
  });

  it('knows interfaces that were given another description, and gives them back their mark', async () => {
    const { box } = t;
    const made = `for i in 0 1 2; do ngctl mkpeer . eiface e ether; ip addr add 192.0.2.$i/32 dev ngeth$i; done
      ifconfig ngeth0 description uplink; ip link set ngeth1 alias "to the roof"`;
    expect(await box.sh(made)).toBe('');
    const listing = "ip -br addr; ngctl list | grep eiface; ip -o link | sed -n 's/.*alias //p'";
    const before = (await box.sh(listing)).replace('to the roof', 'netgraph:/run/netgraph to the roof');
    await killed(box);
    expect(await box.sh(listing)).toBe(before);
    expect(await box.sh('ip link set ngeth0 alias "to the roof"; netgraph restart >/dev/null')).toBe('');
    expect(await box.sh(listing)).toBe(before.replace('uplink', 'to the roof'));
    expect(await box.sh('netgraph repair')).toBe('');
    expect(await notices(box)).toEqual([]);
    expect(await box.sh('netgraph stop; ip -o link | wc -l')).toBe('1\n');
  });

  it('leaves what it cannot take up as it is, and takes it up another time', async () => {
    const { box } = t;
    const made = `jail -c name=a vnet persist; ngctl -j a mkpeer . eiface e ether
      ngctl mkpeer . eiface e ether; ip addr add 192.0.2.1/24 dev ngeth0; ip link set ngeth0 mtu 1400
      ngctl mkpeer ngeth0: hub ether x`;
    expect(await box.sh(made)).toBe('');
    const listing =
      'ip -br addr; ngctl show ngeth0:; ip -n a -br addr; jls name; ngctl -j a list | grep eiface';
    const before = await box.sh(listing);
    const links = await box.sh('ip -br addr');
    await kill(box);
    await write(box, '/run/hold.py', HOLD);
    const holder = box.spawn('python3', '/run/hold.py', 'ngeth0');
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const names = (text: string) => text.replace(/ (UP|DOWN|UNKNOWN) /g, '');
    for (let i = 0; i < 2; i++) {
      await start(box);
      expect(await notices(box)).toEqual([
        expect.stringMatching(/^not taken up: eiface node ngeth0: .*EBUSY/),
        'not taken up: interface ngeth0 of the host has our mark',
      ]);
      expect(names(await box.sh('ip -br addr'))).toBe(names(links));
      await kill(box);
    }
    holder.stdin.end();
    await until(() => holder.exitCode !== null);
    await start(box);
    expect(await notices(box)).toEqual([]);
    expect(await box.sh(listing)).toBe(before);
    expect(await box.sh('netgraph stop; ip -o link | wc -l')).toBe('1\n');
  });

  it('forgets what it could not take up when it is told to repair, or to stop', async () => {
    const { box } = t;
    await write(box, '/run/hold.py', HOLD);
    for (const end of ['netgraph repair', 'netgraph stop']) {
      expect(await box.sh('ngctl mkpeer . eiface e ether')).toBe('');
      await kill(box);
      const holder = box.spawn('python3', '/run/hold.py', 'ngeth0');
      await new Promise((resolve) => holder.stdout.once('data', resolve));
      await start(box);
      expect(await notices(box)).toHaveLength(2);
      const repairs = 'removed interface ngeth0 of the host\ngave up eiface node ngeth0\n';
      const would = repairs.replace('removed', 'would remove').replace('gave', 'would give');
      expect(await box.sh('netgraph repair -n')).toBe(would);
      expect(await box.sh(end)).toBe(end === 'netgraph repair' ? repairs : '');
      holder.stdin.end();
      expect(await box.sh('jls -c; ip -o link | wc -l')).toBe('1\n');
      await kill(box);
      await start(box);
      expect([await notices(box), await box.sh('ip -o link | wc -l')]).toEqual([[], '1\n']);
    }
  });

  it('takes up the good part of a damaged journal, and names and spares the rest', async () => {
    const { box } = t;
    expect(await box.sh('ngctl mkpeer . eiface e ether; jail -c name=a vnet persist')).toBe('');
    const size = Number(await box.sh('stat -c %s /run/state/world.journal'));
    const more =
      'ngctl mkpeer . eiface e ether; jail -c name=b vnet persist; ngctl -j b mkpeer . eiface e ether';
    expect(await box.sh(more)).toBe('');
    const interfaces = await box.sh('ip -br link; ip -n b -br link');
    await kill(box);
    const flip = `
      const fs = require("fs"), fd = fs.openSync("/run/state/world.journal", "r+"), byte = Buffer.alloc(1);
      fs.readSync(fd, byte, 0, 1, ${size + 20}); byte[0] ^= 1; fs.writeSync(fd, byte, 0, 1, ${size + 20});
      fs.copyFileSync("/run/state/world.journal", "/run/copy")`;
    expect(await box.sh(`'${process.execPath}' -e '${flip}'`)).toBe('');
    await start(box);
    const [damage, ...others] = await notices(box);
    expect(damage).toMatch(
      new RegExp(
        `^state is damaged at line \\d+, byte ${size}: the checksum is wrong; what is before it is good; ` +
          'see /run/state/world.journal.damaged$',
      ),
    );
    expect(others.sort()).toEqual([
      'not taken up: hostname /run/netgraph/uts/b has our mark',
      'not taken up: interface ngeth0 in /run/netns/b has our mark',
      'not taken up: interface ngeth1 of the host has our mark',
      'not taken up: namespace /run/netns/b has our mark',
    ]);
    const told =
      'grep -c "state is damaged at line" /run/netgraph/daemon.log; netgraph status | grep -c damaged';
    expect(await box.sh(told)).toBe('1\n1\n');
    expect(
      await box.sh('cmp /run/copy /run/state/world.journal.damaged; jls name; ngctl list | grep -c eiface'),
    ).toBe('a\n1\n');
    const names = (text: string) => text.replace(/ (UP|DOWN|UNKNOWN) | <.*>/g, '');
    expect(names(await box.sh('ip -br link; ip -n b -br link'))).toBe(names(interfaces));
    expect(await box.sh('netgraph repair | grep -c removed; ip netns; ip -o link | cut -d: -f2')).toBe(
      '4\na\n lo\n ngeth0\n',
    );
    await killed(box);
    expect(await notices(box)).toEqual([]);
    expect(
      await box.sh('jls name; ngctl list | grep -c eiface; netgraph stop; ls /run/netgraph /run/state'),
    ).toBe('a\n1\n/run/netgraph:\n\n/run/state:\nworld.journal.damaged\n');
  });

  it('names what it made and has no record of, and does not delete it', async () => {
    const { box } = t;
    expect(await box.sh('jail -c name=a vnet persist; ngctl mkpeer . eiface e ether')).toBe('');
    // As when the disk was full while `b` was made.
    const made = `cd /run/state; cp world.journal copy; jail -c name=b vnet persist`;
    expect(await box.sh(made)).toBe('');
    await killed(box, 'cd /run/state; mv copy world.journal');
    const left = [
      'not taken up: namespace /run/netns/b has our mark',
      'not taken up: hostname /run/netgraph/uts/b has our mark',
    ];
    expect(await notices(box)).toEqual(left);
    await kill(box);
    await reboot(box);
    // Of what is made anew now, this was the first.
    expect(await box.sh('ip link set ngeth0 name up0')).toBe('');
    await start(box);
    expect(await notices(box)).toEqual(['not taken up: interface up0 of the host has our mark', ...left]);
    expect(await box.sh('netgraph repair; jls name; ip -o link | cut -d: -f2; netgraph stop; ip netns')).toBe(
      `removed interface up0 of the host\nremoved namespace /run/netns/b
removed hostname /run/netgraph/uts/b\na\n lo\n ngeth0\n`,
    );
  });

  it('adopts no namespace anew by the number of a process when the system was started anew', async () => {
    const { box } = t;
    const sleeper = box.spawn('unshare', '--net', 'sh', '-c', 'echo $$; exec sleep 1000');
    const pid = String(await new Promise((resolve) => sleeper.stdout.once('data', resolve))).trim();
    expect(await box.sh(`jail -c name=p netns=${pid} persist; jail -c name=n vnet persist`)).toBe('');
    await kill(box);
    await reboot(box);
    await box.sh(`ip netns del n; kill ${pid}; jls >/dev/null`);
    expect(await notices(box)).toEqual([
      `not taken up: jail p is gone: process ${pid}, whose namespace it was, ended with the system`,
    ]);
    expect(await box.sh('jls name; netgraph stop')).toBe('n\n');
  });

  it('adopts the network of the host in no case', async () => {
    const { box } = t;
    expect(await box.sh('ip netns add there; jail -c name=p netns=there persist')).toBe('');
    await kill(box);
    await reboot(box);
    await box.sh('umount /run/netns/there; mount --bind /proc/self/ns/net /run/netns/there; jls >/dev/null');
    expect(await notices(box)).toEqual([
      'not taken up: jail p has to wait: namespace there is that of the host',
    ]);
    expect(await box.sh('jls name; netgraph stop; ip netns list | cut -d" " -f1; ip netns del there')).toBe(
      'there\n',
    );
  });

  it('makes jails again that a killed first start after that of the system had made already', async () => {
    const { box } = t;
    const made = `for j in a b c; do jail -c name=$j vnet persist; ngctl -j $j mkpeer . eiface e ether; done
      jail -c name=plain persist`;
    expect(await box.sh(made)).toBe('');
    const before = await world(box);
    await kill(box);
    await reboot(box);
    // Of `b` only the file was there, and `c` was not begun.
    await box.sh('umount /run/netns/b; ip netns del c; umount /run/netgraph/uts/c; rm /run/netgraph/uts/c');
    await start(box);
    expect(await notices(box)).toEqual([]);
    expect(await world(box)).toBe(before);
    await killed(box);
    expect([await world(box), await notices(box)]).toEqual([before, []]);
    expect(await box.sh('jexec a hostname; netgraph stop; ip netns; ls /run/netgraph')).toBe('a\n');
  });

  it('has a jail wait, over any number of starts, for a name that others gave to a namespace when the system was started anew', async () => {
    const { box } = t;
    expect(await box.sh('jail -c name=a vnet persist')).toBe('');
    await kill(box);
    await reboot(box);
    await box.sh(`ip netns del a; umount /run/netgraph/uts/a; rm /run/netgraph/uts/a
      ip netns add a; ip -n a link add theirs type bridge; jls >/dev/null`);
    expect(await notices(box)).toEqual([
      expect.stringMatching(/^not taken up: jail a has to wait: there is a namespace a already/),
    ]);
    expect(await box.sh('ip -n a -br link show theirs | cut -d" " -f1')).toBe('theirs\n');
    expect(await box.sh('jail -c name=a vnet persist')).toMatch(
      'has to wait for the next start, it has jid 1',
    );
    await killed(box);
    expect(await notices(box)).toHaveLength(1);
    await killed(box, 'ip netns del a');
    expect([await notices(box), await box.sh('jls jid name')]).toEqual([[], '1 a\n']);
    await killed(box);
    expect([await notices(box), await box.sh('jls jid name')]).toEqual([[], '1 a\n']);
  });

  it('makes everything anew when the system was started anew', async () => {
    const { box } = t;
    expect(await box.sh(`${LAB}; ngctl mkpeer . eiface e ether; jail -c name=plain persist`)).toBe('');
    const before = await world(box);
    const links = async () => {
      const text = await box.sh('ip -br link; ip -n a -br link; ip -n b -br link');
      return text.match(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g);
    };
    const addresses = await links();
    await kill(box);
    await reboot(box);
    await box.sh(`ip netns del a; ip netns del b; ip link del ngeth0
      for f in /run/netgraph/uts/*; do umount $f; done; umount /run/netgraph/uts; rm -r /run/netgraph/*`);
    await start(box);
    expect(await notices(box)).toEqual([]);
    expect(await world(box)).toBe(before);
    expect(await links()).toEqual(addresses);
    expect(await box.sh('jexec a hostname; jexec plain hostname')).toBe('a\nplain\n');
    expect(await box.sh('netgraph stop; ip netns; ip -o link | wc -l')).toBe('1\n');
  });
});
