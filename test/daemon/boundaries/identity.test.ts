import { expect, it } from 'vitest';
import { errnoName } from '../../../src/netgraph/index.js';
import { encodeRecord, Kind } from '../../../src/protocol/index.js';
import { RawClient, SOCKET, sharedMachine, until } from '../../support/machine.js';
import { describeReal } from '../../support/sandbox.js';
import { create, refusal, sharedLab } from './lab.js';

/**
 * Connects, has its first request (in hexadecimal) answered, goes into another network namespace, and joins the
 * connection to standard input and output.
 */
const WANDERER = `
import ctypes, os, socket, sys, threading
path, first, namespace = sys.argv[1:]
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
connection.sendall(bytes.fromhex(first))
connection.recv(1 << 16)
if ctypes.CDLL(None, use_errno=True).setns(os.open(namespace, os.O_RDONLY), 0x40000000):
    sys.exit(os.strerror(ctypes.get_errno()))
def copy(read, write):
    while data := read(): write(data)
    os._exit(0)
threading.Thread(target=copy, args=(lambda: connection.recv(1 << 16), lambda data: os.write(1, data))).start()
copy(lambda: os.read(0, 1 << 16), connection.sendall)`;

/** Connects, goes into another network namespace, says so by a file, and joins the connection to standard input and output. */
const LATE = `
import ctypes, os, socket, sys, threading
path, namespace = sys.argv[1:]
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
if ctypes.CDLL(None, use_errno=True).setns(os.open(namespace, os.O_RDONLY), 0x40000000):
    sys.exit(os.strerror(ctypes.get_errno()))
open('/run/moved', 'w').close()
def copy(read, write):
    while data := read(): write(data)
    os._exit(0)
threading.Thread(target=copy, args=(lambda: connection.recv(1 << 16), lambda data: os.write(1, data))).start()
copy(lambda: os.read(0, 1 << 16), connection.sendall)`;

const HELLO = encodeRecord(Kind.CALL, 0, '{"method":"hello","params":{"version":1}}').toString('hex');

// Starting processes takes its time where much else runs.

describeReal('a process in a jail', () => {
  const lab = sharedLab();

  it('has no part in a jail that gets the jid of one that it was in', async () => {
    const { box, host } = lab;
    await host.call('jail.create', create('old', { jid: '50' }));
    const old = box.connect(['jexec', 'old']);
    await old.call('hello', { version: 1 });
    await old.call('open', { name: 'ghost' });
    // The process lives on where nobody finds it: its namespace is no jail any more.
    const left = box.connect(['nsenter', '--net=/run/netns/old']);
    await left.call('hello', { version: 1 });
    await box.sh('mkdir -p /run/kept; touch /run/kept/old; mount --bind /run/netns/old /run/kept/old');
    await host.call('jail.remove', { jail: 'old' });
    await host.call('jail.create', create('new', { jid: '50' }));
    await until(() => old.closed);
    expect(await box.sh('ngctl -j 50 list -n; nsenter --net=/run/kept/old ngctl list')).toMatch(
      /^There are 1 total named nodes:\n.*ngctl.*\nngctl: the caller is in a network namespace that is neither/,
    );
    left.destroy();
    await host.call('jail.remove', { jail: 'new' });
    await box.sh('umount /run/kept/old');
  });

  it('is who its namespace says, not who a file or a hostname says', async () => {
    const { box, host } = lab;
    // Another jail seems to have the name.
    await box.sh('mount --bind /run/netns/b /run/netns/a');
    expect(
      await box.sh(
        'ip netns exec a ngctl list | grep -c "me  "; ip netns exec a jls; ip netns exec a ngctl -j a list',
      ),
    ).toContain('jail "a" not found');
    const b = await box.client({}, ['ip', 'netns', 'exec', 'a']);
    expect(b.jid).toBe(2);
    await b.close();
    // Nor is an interface made in the wrong one.
    expect(await refusal(host.mkpeer('w:jid=1', 'eiface', 'evthorizon', 'ether'))).toBe('ENOENT');
    expect(await box.sh('ip -n a -br link | wc -l; umount /run/netns/a; ip -n a -br link | wc -l')).toBe(
      '1\n1\n',
    );
    // A hostname of another jail, or of nobody, changes nothing.
    for (const uts of ['--uts=/run/netgraph/uts/b', '--uts=/proc/1/ns/uts']) {
      const masked = await box.client({}, ['jexec', 'a', 'nsenter', uts]);
      expect([uts, masked.jid]).toEqual([uts, 1]);
      await masked.close();
    }
    const renamed = await box.client({}, [
      'jexec',
      'a',
      'unshare',
      '--uts',
      'sh',
      '-c',
      'hostname b; exec "$@"',
      '-',
    ]);
    expect(renamed.jid).toBe(1);
    await renamed.close();
  });

  it('stays where it connected from, wherever it goes', async () => {
    const { box } = lab;
    const start = (as: string[], to: string) =>
      new RawClient(box.spawn(...as, 'python3', '-c', WANDERER, SOCKET, HELLO, to));
    const out = start(['jexec', 'a'], '/proc/1/ns/net');
    expect(JSON.parse((await out.call('hello', { version: 1 })).text).jid).toBe(1);
    expect(errnoName((await out.call('stop')).errno)).toBe('EPERM');
    expect(errnoName((await out.call('hello', { version: 1, jail: 'b' })).errno)).toBe('EHOSTDOWN');
    out.destroy();
    const into = start([], '/run/netns/a');
    expect(JSON.parse((await into.call('hello', { version: 1 })).text).jid).toBe(0);
    expect(JSON.parse((await into.call('jail.list')).text).map(({ name }: { name: string }) => name)).toEqual(
      ['a', 'b'],
    );
    into.destroy();
  });

  it('is whoever its process is when it is let in, not when it asked', async () => {
    const { box } = lab;
    const { pid } = await box.status();
    const late = async (as: string[], to: string) => {
      await box.sh(`kill -STOP ${pid}; rm -f /run/moved`);
      const client = new RawClient(box.spawn(...as, 'python3', '-c', LATE, SOCKET, to));
      await until(async () => (await box.sh('test -e /run/moved')) === '').finally(() =>
        box.sh(`kill -CONT ${pid}`),
      );
      const { errno, text } = await client.call('hello', { version: 1 });
      client.destroy();
      return errno === 0 ? JSON.parse(text).jid : errnoName(errno);
    };
    // Without jexec, which would have to ask the daemon.
    const inA = ['nsenter', '--net=/run/netns/a'];
    await box.sh('ip netns add alien');
    expect(await late(inA, '/run/netns/b')).toBe(2);
    expect(await late([], '/run/netns/a')).toBe(1);
    expect(await late(inA, '/run/netns/alien')).toBe('EPERM');
    await box.sh('ip netns del alien');
  });

  it('stays in its jail when that gets another name', async () => {
    const { box, host, inside } = lab;
    expect(await refusal(host.call('jail.modify', { jail: 'a', parameters: { name: 'b' } }))).toBe('EEXIST');
    expect(await box.sh('jail -m jid=1 name=z; jls jid name')).toBe('1 z\n2 b\n');
    expect((await inside.nodeInfo('me:')).name).toBe('me');
    // By the old name it is nobody; the namespace is called as before, and is the jail's.
    expect(await box.sh('ngctl -j a list')).toBe('ngctl: jail "a" not found\n(exit 68)\n');
    for (const as of [
      ['jexec', 'z'],
      ['ip', 'netns', 'exec', 'a'],
    ]) {
      const client = await box.client({}, as);
      expect(client.jid).toBe(1);
      expect(await refusal(client.nodeInfo('hub:'))).toBe('ENOENT');
      await client.close();
    }
    expect(await refusal(host.call('jail.create', create('a')))).toBe('EEXIST');
    expect(await box.sh('jail -m jid=1 name=a; jls jid name')).toBe('1 a\n2 b\n');
  });

  it('is nobody when its namespace gets another name, also where a new jail has the old one', async () => {
    const { box, host } = lab;
    await host.call('jail.create', create('m', { jid: '60' }));
    const old = box.connect(['nsenter', '--net=/run/netns/m']);
    expect(JSON.parse((await old.call('hello', { version: 1 })).text).jid).toBe(60);
    await box.sh(
      'cd /run/netns; touch moved; mount --bind m moved; umount m; rm m; while jls -c -j m; do sleep 0.1; done',
    );
    await host.call('jail.create', create('m', { jid: '60' }));
    await until(() => old.closed);
    expect(await box.sh('nsenter --net=/run/netns/moved ngctl list')).toContain(
      'neither the host nor a jail',
    );
    await host.call('jail.remove', { jail: 'm' });
    await box.sh('ip netns del moved');
  });
});

describeReal('a process in namespaces of its own', () => {
  const t = sharedMachine();

  it('is nobody when its network is nobody’s, also as root of users of its own', async () => {
    const { box } = t;
    await box.sh('jail -c name=a vnet persist');
    const alien = 'the caller is in a network namespace that is neither the host nor a jail';
    for (const how of [
      'unshare --net',
      'unshare --user --map-root-user --net',
      'jexec a unshare --net',
      'jexec a unshare -rn',
    ])
      expect([how, await box.sh(`${how} ngctl list`)]).toEqual([how, `ngctl: ${alien}\n(exit 77)\n`]);
    const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --map-root-user';
    for (const how of [nobody, `${nobody} --net`, `jexec a ${nobody}`])
      expect([how, await box.sh(`${how} ngctl list`)]).toEqual([
        how,
        expect.stringContaining('only root may use netgraph'),
      ]);
  });

  it('is on the host when its network is that of the host, and in the jail when it is that', async () => {
    const { box } = t;
    // Users, processes, mounts and hostnames are no boundary of netgraph's: the network is.
    for (const how of [
      'unshare --user --map-root-user',
      'unshare --pid --fork',
      'unshare --uts',
      'unshare --mount',
    ]) {
      const client = await box.client({}, how.split(' '));
      expect([how, client.jid]).toEqual([how, 0]);
      await client.close();
      const inside = await box.client({}, ['jexec', 'a', ...how.split(' ')]);
      expect([how, inside.jid > 0]).toEqual([how, true]);
      await inside.close();
    }
    await box.sh('jail -r a');
  });

  it('is in a jail without vnet by its hostname, and shares the network of the host', async () => {
    const { box } = t;
    await box.sh('jail -c name=plain persist');
    expect(
      await box.sh(
        'jexec plain netgraph stop; jexec plain kldload ng_tee; jexec plain sysctl net.graph.maxdata=1',
      ),
    ).toMatch(/may not stop the daemon\nkldload: .* may not load modules\)\nsysctl: .*a jail cannot set/);
    expect(await box.sh('jexec plain jls name; jexec plain jail -c name=x persist')).toContain(
      'may have 0 jails inside',
    );
    // Which is no boundary for whoever may change hostnames, as the network is the host's anyway.
    const unnamed = await box.client({}, ['jexec', 'plain', 'unshare', '--uts']);
    expect(unnamed.jid).toBe(0);
    await unnamed.close();
    await box.sh('jail -r plain');
  });
});
