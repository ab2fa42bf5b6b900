import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message, type NetgraphClient } from '../../src/client/index.js';
import { errnoName } from '../../src/netgraph/index.js';
import { defaultOf } from '../../src/netgraph/types/index.js';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { type Machine, RawClient, SOCKET, sharedMachine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

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

const HELLO = encodeRecord(Kind.CALL, 0, '{"method":"hello","params":{"version":1}}').toString('hex');

const create = (name: string, more: Record<string, string> = {}) => ({
  parameters: { name, vnet: 'new', persist: 'true', ...more },
});

/** The name of the errno with which a promise is rejected; 'ok' when it is not. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error) => error.code,
  );

/** All that there is on the host, by the host's own account. */
const everything = (box: Machine): Promise<string> =>
  box.sh(
    'jls jid name; ngctl list | grep -v ngctl; for n in hub secret w wb; do ngctl show $n:; done; sysctl net.graph | grep -v drops',
  );

// Starting processes takes its time where much else runs.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

describeReal('a process in a jail', () => {
  const t = sharedMachine();
  let host: NetgraphClient;
  let inside: NetgraphClient;
  let raw: RawClient;
  let before: string;
  /** The far side of the host's wormhole to the jail, there. */
  let far: string;

  beforeAll(async () => {
    const { box } = t;
    host = await box.client({ name: 'host' });
    await host.call('jail.create', create('a', { 'children.max': '3', jid: '1' }));
    await host.call('jail.create', create('b', { jid: '2' }));
    await host.mkpeer('.', 'hub', 'h', 'h');
    await host.name('h', 'hub');
    await host.mkpeer('.', 'tee', 'secret', 'left');
    await host.name('secret', 'secret');
    for (const [name, jail] of [
      ['w', 'a'],
      ['wb', 'b'],
    ]) {
      await host.mkpeer(
        jail === 'a' ? 'hub:' : 'secret:',
        'wormhole',
        jail === 'a' ? 'out' : 'right',
        'evthorizon',
      );
      await host.name(jail === 'a' ? 'hub:out' : 'secret:right', name);
      await host.msg(`${name}:`, 'open', `"${jail}"`);
    }
    inside = await box.client({ name: 'me' }, ['jexec', 'a']);
    raw = box.connect(['jexec', 'a']);
    await raw.call('hello', { version: 1 });
    await raw.call('open', {});
    const [node] = (await inside.listNodes()).filter(({ type }) => type === 'wormhole');
    far = `[${node.id.toString(16)}]:`;
    before = await everything(box);
  });

  afterAll(async () => {
    // Whatever was tried, nothing of it shows.
    expect(await everything(t.box)).toBe(before);
    raw.destroy();
    await inside.close();
    await host.close();
  });

  it('is told of frames lost in its own vnet, and of no others', async () => {
    const lost = async (client: NetgraphClient) => (await client.call('status', {})).counters.noHook;
    const [here, there] = [await lost(inside), await lost(host)];
    await host.mkpeer('.', 'hub', 'alone', 'x');
    await host.sendData('alone', new Uint8Array(60));
    expect([await lost(inside), await lost(host)]).toEqual([here, there + 1]);
    await inside.mkpeer('.', 'hub', 'alone', 'x');
    await inside.sendData('alone', new Uint8Array(60));
    expect(await lost(inside)).toBe(here + 1);
    expect(await t.box.sh('jexec a sysctl -n net.graph.drops.nohook')).toBe(`${here + 1}\n`);
    for (const client of [host, inside]) await client.rmhook('.', 'alone');
  });

  it('opens no wormhole to a sibling, to the host or to itself', async () => {
    await inside.mkpeer('.', 'wormhole', 'try', 'evthorizon');
    for (const name of [
      'b',
      '2',
      '02',
      'a',
      '1',
      '0',
      'host',
      '',
      '.',
      '..',
      '*',
      'a.b',
      'vnet0',
      '[1]',
      '/run/netns/b',
    ])
      expect([name, await refusal(inside.msg('try', 'open', JSON.stringify(name)))]).toEqual([
        name,
        'EHOSTDOWN',
      ]);
    expect(await refusal(inside.msg('try', 'open', `"${'b'.repeat(300)}"`))).toBe('EINVAL');
    await inside.shutdown('try');
  });

  it('enters no jail but those inside its own', async () => {
    const fresh = t.box.connect(['jexec', 'a']);
    for (const jail of ['b', '2', 'a', '1', '0', '', '.', '..', 'a.b', 'host', '/run/netns/b']) {
      const { errno } = await raw.call('hello', { version: 1, jail });
      // This connection has its node and stays where it is in any case.
      expect([jail, errnoName(errno)]).toEqual([jail, 'EISCONN']);
      const { errno: code, text } = await fresh.call('hello', { version: 1, jail });
      expect([jail, errnoName(code)]).toEqual([jail, 'EHOSTDOWN']);
      expect(text).toBe(`jail "${jail}" not found`);
    }
    expect(JSON.parse((await fresh.call('hello', { version: 1 })).text).jid).toBe(1);
    fresh.destroy();
    expect(await t.box.sh('jexec a ngctl -j b list; jexec a jexec b true; jexec a ifconfig -j b')).toMatch(
      /^ngctl: jail "b" not found\njexec: jail "b" not found\nifconfig: .*"b" not found/,
    );
  });

  it('sends nothing through a wormhole out of it, whatever the message', async () => {
    const paths = [`${far}jid=0`, `${far}jid=0.evthorizon`, `${far}jid=0.evthorizon.h`];
    await inside.connectNodes('.', far, 'wh', 'evthorizon');
    paths.push(
      '.:wh.jid=0',
      'wh.jid=0.evthorizon.h',
      '.wh.jid=0.evthorizon',
      `me:wh.jid=0.evthorizon.out.evthorizon`,
    );
    for (const path of paths) {
      for (const spec of Object.values<{ cmd: number; args?: Parameters<typeof defaultOf>[0] }>(
        genericMessages,
      )) {
        for (const flags of [0, 1]) {
          const message = new Message(GENERIC_COOKIE, spec.cmd, spec.args && defaultOf(spec.args));
          message.flags = flags;
          message.token = 0x7fffffff;
          const sent = await raw.request(
            Kind.MESSAGE,
            path.replace(/^(\.:wh|wh|\.wh)/, `me:wh`),
            '\0',
            message.encode(),
          );
          expect([path, spec.cmd, errnoName(sent.errno)]).toEqual([path, spec.cmd, 'EPERM']);
        }
      }
      expect(await refusal(inside.connectNodes('.', path, 'x', 'x'))).toBe('EPERM');
      expect(await refusal(inside.mkpeer(path, 'hub', 'x', 'x'))).toBe('EPERM');
    }
    await inside.rmhook('.', 'wh');
  });

  it('knows no node of the others, and has names of its own', async () => {
    for (const name of ['host', 'hub', 'secret', 'wb'])
      expect([name, await refusal(inside.nodeInfo(`${name}:`))]).toEqual([name, 'ENOENT']);
    const ids = new Set((await inside.listNodes()).map(({ id }) => id));
    for (let id = 1; id < 40; id++) {
      const { errno, text } = await raw.request(
        Kind.MESSAGE,
        `[${id.toString(16)}]:\0`,
        new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd).encode(),
      );
      expect([id, errno === 0]).toEqual([id, ids.has(id)]);
      if (errno !== 0) expect(text).toMatch(/^no node "\[/);
    }
    expect((await inside.listNodes()).map(({ name, type }) => `${name}:${type}`).sort()).toEqual([
      ':socket',
      ':wormhole',
      'me:socket',
    ]);
    // The same name means another node here and there.
    await inside.mkpeer('.', 'echo', 'e', 'e');
    await inside.name('e', 'hub');
    expect((await inside.nodeInfo('hub:')).type).toBe('echo');
    expect((await host.nodeInfo('hub:')).type).toBe('hub');
    await inside.shutdown('hub:');
    expect((await host.nodeInfo('hub:')).type).toBe('hub');
  });

  it('forges neither messages nor answers to programs outside', async () => {
    // The host's program asks one in the jail, and the jail answers to the address that it sees.
    await inside.connectNodes('.', far, 'wh', 'evthorizon');
    const question = new Message(77, 5, Buffer.from('what?'));
    const token = await host.send('w:jid=1.evthorizon', question);
    await inside.arrival();
    const { from, message } = inside.takeMessage(({ message }) => message.cookie === 77)!;
    expect(message.token).toBe(token);
    const answer = message.reply(Buffer.from('forged'));
    const own = await inside.listNodes();
    const sent = await refusal(inside.send(`${from}`, answer));
    if (!own.some(({ id }) => from === `[${id.toString(16)}]:`)) expect(sent).toBe('ENOENT');
    await inside.rmhook('.', 'wh');
    // By every ID there may be, with every cookie and flag that could matter.
    for (let id = 1; id < 24; id++)
      for (const [cookie, flags] of [
        [GENERIC_COOKIE, 1],
        [851601233, 1],
        [77, 1],
        [77, 0],
      ]) {
        const forged = new Message(cookie, 5, Buffer.from('forged'));
        forged.flags = flags;
        forged.token = token;
        await raw.request(Kind.MESSAGE, `[${id.toString(16)}]:\0`, forged.encode());
      }
    // Nor by records that only the daemon sends.
    for (const kind of [Kind.RESULT, Kind.RECEIVED_MESSAGE, Kind.RECEIVED_FRAME, Kind.END])
      expect((await raw.request(kind, '[1]\0', question.encode())).text).toBe(
        `request of unknown kind ${kind}`,
      );
    const binary = new Message(GENERIC_COOKIE, genericMessages.binary2ascii.cmd, question.encode());
    expect(errnoName((await raw.request(Kind.MESSAGE, 'hub:\0', binary.encode())).errno)).toBe('ENOENT');
    await host.nodeInfo('.');
    expect(host.takeMessage()).toBeUndefined();
  });

  it('reads nothing of what the others send one another', async () => {
    const b = await t.box.client({}, ['jexec', 'b']);
    const [{ id }] = (await b.listNodes()).filter(({ type }) => type === 'wormhole');
    await b.connectNodes('.', `[${id.toString(16)}]:`, 'out', 'evthorizon');
    // Taps wherever the jail can put one.
    await inside.mkpeer('.', 'tee', 'l2r', 'left2right');
    await inside.connectNodes('.:l2r', far, 'left', 'evthorizon');
    await inside.connectNodes('.', '.:l2r', 'r2l', 'right2left');
    const seen: string[] = [];
    const listening = (async () => {
      for await (const { data } of inside.frames()) seen.push(Buffer.from(data).toString());
    })();
    const frames = host.frames();
    await b.sendData('out', Buffer.from('from b to the host'));
    expect(Buffer.from((await frames.next()).value!.data).toString()).toBe('from b to the host');
    await host.sendData('secret', Buffer.from('from the host to b'));
    await host.sendData('h', Buffer.from('to everybody on the hub'));
    await until(() => seen.length > 0);
    expect(seen).toEqual(['to everybody on the hub']);
    for (const path of ['[1]:', '[2]:', '[3]:', '[4]:', '[5]:', '[6]:'])
      await inside.connectNodes('.', path, `x${path[1]}`, 'secret').catch(() => {});
    await host.sendData('secret', Buffer.from('still secret'));
    await b.sendData('out', Buffer.from('still secret'));
    await frames.next();
    expect(seen.join()).not.toContain('still');
    await inside.shutdown('.:l2r');
    for (const path of ['x1', 'x2', 'x3', 'x4', 'x5', 'x6']) await inside.rmhook('.', path);
    await b.close();
    void listening;
    void frames.return?.(undefined);
  });

  it('sees of jails and interfaces its own only, changes no limit, loads no module and stops nothing', async () => {
    const call = async (method: string, params: unknown = {}) => {
      const { errno, text } = await raw.call(method, params);
      return errno === 0 ? JSON.parse(text) : (errnoName(errno) ?? errno);
    };
    expect(await call('jail.list')).toEqual([]);
    const status = await call('status');
    expect(status).toMatchObject({ jails: 0, nodes: 3, interfaces: [] });
    // Of the whole daemon it learns nothing, by numbers either.
    expect([status.memory, status.counters]).toEqual([undefined, undefined]);
    const own = { socket: 2, wormhole: 1 };
    for (const types of [status.types, await call('type.list')])
      expect(
        Object.fromEntries(
          types
            .filter(({ nodes }: { nodes: number }) => nodes > 0)
            .map(({ name, nodes }: { name: string; nodes: number }) => [name, nodes]),
        ),
      ).toEqual(own);
    for (const jail of ['a', 'b', '1', '2', '0', '', 'host']) {
      expect([jail, await call('jail.remove', { jail })]).toEqual([jail, 'ENOENT']);
      expect([jail, await call('jail.modify', { jail, parameters: { 'children.max': '9' } })]).toEqual([
        jail,
        'ENOENT',
      ]);
    }
    for (const { name, value } of await call('sysctl.list'))
      expect([name, await call('sysctl.write', { name, value: String(value) })]).toEqual([name, 'EPERM']);
    for (const name of ['ng_hub', 'tee', '../../etc/passwd']) {
      expect(await call('type.load', { name })).toBe('EPERM');
      expect(await call('type.unload', { name })).toBe('EPERM');
    }
    expect(await call('stop')).toBe('EPERM');
    for (const method of ['restart', 'repair']) expect(await call(method, { dryRun: true })).toBe('EPERM');
    // What it saves is what it sees.
    const { script } = await call('save');
    for (const theirs of ['name=', 'secret', 'hub', 'wb']) expect(script).not.toContain(theirs);
    expect(await t.box.sh('jexec a netgraph stop')).toContain('jail a may not stop the daemon');
  });

  it('adopts no namespace, and learns nothing of jails outside from what is refused', async () => {
    const { pid } = await t.box.status();
    for (const netns of [
      'b',
      '/run/netns/b',
      '/proc/1/ns/net',
      '/proc/self/ns/net',
      String(pid),
      '1',
      'nope',
    ])
      expect([netns, await refusal(inside.call('jail.create', create('x', { netns })))]).toEqual([
        netns,
        'EPERM',
      ]);
    await expect(inside.call('jail.create', create('x', { jid: '2' }))).rejects.toMatchObject({
      code: 'EEXIST',
      message: 'jid 2 is taken',
    });
    await inside.call('jail.create', create('c', { jid: '7' }));
    await expect(inside.call('jail.create', create('x', { jid: '7' }))).rejects.toThrow(
      'jid 7 is taken by jail a.c',
    );
    await inside.call('jail.remove', { jail: 'c' });
  });

  it('may have a jail called like one outside, and means its own by that name', async () => {
    const { box } = t;
    await inside.call('jail.create', create('b', { jid: '12' }));
    await inside.call('jail.create', create('a', { jid: '11' }));
    expect(await box.sh('jexec a jexec b hostname; jexec b hostname; jexec a jls jid name; jls name')).toBe(
      'a.b\nb\n11 a\n12 b\na\nb\na.a\na.b\n',
    );
    await inside.mkpeer('.', 'wormhole', 'wb', 'evthorizon');
    await inside.msg('wb', 'open', '"b"');
    expect((await inside.listHooks('wb')).linkinfo.map(({ ourhook }) => ourhook).sort()).toEqual([
      'evthorizon',
      'jid=12',
    ]);
    expect(await box.sh('ngctl -j b list | grep -c wormhole; ngctl -j a.b list | grep -c wormhole')).toBe(
      '1\n1\n',
    );
    // From within the inner one there is no way back, not even to the one around it.
    const inner = await box.client({}, ['jexec', 'a.b']);
    const [{ id }] = (await inner.listNodes()).filter(({ type }) => type === 'wormhole');
    for (const path of [`[${id.toString(16)}]:jid=1`, `[${id.toString(16)}]:jid=1.evthorizon.wh.jid=0`])
      expect([path, await refusal(inner.nodeInfo(path))]).toEqual([path, 'EPERM']);
    await inner.mkpeer('.', 'wormhole', 'up', 'evthorizon');
    for (const name of ['a', 'b', '1', '2', '11', '12'])
      expect([name, await refusal(inner.msg('up', 'open', `"${name}"`))]).toEqual([name, 'EHOSTDOWN']);
    await inner.close();
    // But the one around may look in.
    expect((await inside.nodeInfo('wb.jid=12')).type).toBe('wormhole');
    for (const jail of ['b', 'a']) await inside.call('jail.remove', { jail });
    expect(await box.sh('jexec b hostname; jls name')).toBe('b\na\nb\n');
  });

  it('has no part in a jail that gets the jid of one that it was in', async () => {
    const { box } = t;
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
    const { box } = t;
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
    const { box } = t;
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
