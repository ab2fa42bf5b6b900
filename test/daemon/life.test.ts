import { expect, it } from 'vitest';
import { TWO_JAILS } from '../support/jails.js';
import { type Machine, machine, SOCKET, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

/** Everything on a machine that could have been left behind: mounts, namespaces, interfaces, files, processes. */
const EVERYTHING = `
findmnt -rno TARGET | grep ^/run; ls -d /run/netns 2>/dev/null; ip netns list; find /run/netgraph /run/other 2>/dev/null
ip -o link | cut -d: -f2; ps axo args | grep -v -e ' ps ' -e 'ps axo' -e '^grep ' -e '^sh -c' -e '^cat'`;

/** A host and two jails with interfaces, wormholes, and a program that runs in one of them. */
const BUSY = `${TWO_JAILS} jexec a sleep 1000 >/dev/null 2>&1 &`;

async function makeBusy(box: Machine): Promise<void> {
  expect(await box.sh(BUSY)).toBe('');
  await until(async () => (await box.sh('pgrep -x sleep')) !== '(exit 1)\n');
  expect(await box.status()).toMatchObject({ jails: 2, nodes: 5 });
}

describeReal('the daemon', () => {
  const t = machine();

  it('is started by a tool that needs it, and not by the question whether it runs', async () => {
    const { box } = t;
    expect(await box.sh('netgraph status')).toBe(`not running (${SOCKET})\n(exit 1)\n`);
    expect(await box.status()).toEqual({ running: false });
    expect(await box.sh('netgraph stop; ls /run/netgraph')).toBe('');
    for (const tool of ['ngctl list', 'jls', 'sysctl net.graph']) {
      expect(await box.sh(`${tool} >/dev/null`)).toBe('');
      expect([tool, (await box.status()).running]).toEqual([tool, true]);
      expect(await box.sh('netgraph stop')).toBe('');
    }
  });

  it('is started once by tools that need it at the same time', async () => {
    const { box } = t;
    const tools = Array.from({ length: 6 }, () => box.sh('ngctl list | head -1; jls -c -j none'));
    for (const said of await Promise.all(tools))
      expect(said).toMatch(/^There are \d total nodes:\n\(exit 1\)\n$/);
    expect(await box.sh('pgrep -fc [n]etgraph.js.daemon')).toBe('1\n');
    expect(await box.sh('netgraph daemon')).toContain(
      'a daemon is running already, see /run/netgraph/daemon.lock',
    );
  });

  it('says what it has', async () => {
    const { box } = t;
    await makeBusy(box);
    const { pid, ...status } = await box.status();
    expect(await box.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`)).toContain('netgraph.js daemon');
    expect(status).toMatchObject({
      running: true,
      socket: SOCKET,
      stateDir: '/run/state',
      jails: 2,
      nodes: 5,
    });
    expect(status.interfaces).toMatchObject([
      { name: 'ngeth0', jid: 1, up: false },
      { name: 'ngeth0', jid: 2, up: false },
      { name: 'ngeth0', jid: 0, up: false },
    ]);
    expect(status.types).toContainEqual({ name: 'wormhole', nodes: 2 });
    expect(await box.sh('jexec a netgraph status | sed 1q')).toMatch(
      /^netgraph 0\.1\.0, process \d+, up \d+ s\n$/,
    );
    // In a jail it tells of that only.
    expect(JSON.parse(await box.sh('jexec a netgraph status --json'))).toMatchObject({ jails: 0, nodes: 2 });
  });

  it('leaves nothing when it is told to stop', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    await makeBusy(box);
    expect(await box.sh('netgraph stop')).toBe('');
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('takes away directories that it made, and none that was there before or that others use', async () => {
    const { box } = t;
    const there =
      'ls -d /run/netgraph /run/netns /run/state 2>/dev/null; findmnt -rno TARGET | grep /run/netns || true';
    const made = 'jail -c name=a vnet persist';
    const kill = `kill -9 $(pgrep -f [n]etgraph.js.daemon); while pgrep -f [n]etgraph.js.daemon; do sleep 0.1; done >/dev/null`;
    await box.sh('rmdir /run/netgraph');
    expect(await box.sh(`${made}; netgraph stop; ${there}`)).toBe('');
    expect(await box.sh(`${made}; ${kill}; netgraph stop; ${there}`)).toBe('');
    const others = await box.sh(`${made}; ip netns add mine; netgraph stop; ${there}`);
    expect(others).toBe('/run/netns\n/run/netns\n/run/netns/mine\n');
    await box.sh('mkdir /run/netgraph');
    expect(await box.sh(`${made}; ip netns del mine; netgraph stop; ${there}`)).toBe(
      '/run/netgraph\n/run/netns\n/run/netns\n',
    );
  });

  it('says what it cannot take down, and tries it again when it is told to', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    await makeBusy(box);
    await box.sh('mount -o remount,bind,ro /run/netns');
    expect(await box.sh('netgraph stop')).toMatch(
      /^netgraph: not all is gone, stop again to try it again: .*jail b: .*EROFS.*jail a: .*EROFS.*\n\(exit \d+\)\n$/,
    );
    expect(await box.sh('pgrep -f [n]etgraph.js.daemon; ls /run/state')).toBe('world.journal\n');
    await box.sh('mount -o remount,bind,rw /run/netns');
    expect(await box.sh('netgraph stop')).toBe('');
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('leaves nothing when it gets SIGTERM, however often', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    await makeBusy(box);
    const { pid } = await box.status();
    expect(await box.sh(`kill ${pid}; kill ${pid}; sleep 0.1; kill -INT ${pid} || true`)).not.toContain(
      'exit',
    );
    await until(async () => (await box.sh(`kill -0 ${pid}`)).includes('exit'));
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('leaves nothing when jails are made while it stops', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    const client = await box.client();
    const create = (i: number) =>
      client.call('jail.create', { parameters: { name: `j${i}`, vnet: 'new', persist: 'true' } });
    await create(0);
    const early = Array.from({ length: 20 }, (_, i) => create(i + 1));
    const stopped = client.call('stop', {});
    const late = Array.from({ length: 5 }, (_, i) => create(i + 100));
    const outcomes = await Promise.allSettled([...early, stopped, ...late]);
    expect(outcomes.slice(0, 21).filter(({ status }) => status === 'rejected')).toEqual([]);
    await client.close();
    await until(async () => !(await box.status()).running);
    expect(await box.sh('netgraph stop')).toBe('');
    await until(async () => (await box.sh(EVERYTHING)) === before);
  });

  it('takes the place of one that was killed, takes up what that left, and takes it down', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    await makeBusy(box);
    const { pid } = await box.status();
    const there = await box.sh('ngctl list | grep -v ngctl; jls -c; ip -br link');
    await box.sh(`kill -9 ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.01; done`);
    expect(await box.sh(`test -S ${SOCKET} && netgraph status`)).toBe(`not running (${SOCKET})\n(exit 1)\n`);
    expect(await box.sh('ngctl list | grep -v ngctl; jls -c; ip -br link')).toBe(there);
    expect((await box.status()).pid).not.toBe(pid);
    const again = (await box.status()).pid;
    await box.sh(`kill -9 ${again}; while kill -0 ${again} 2>/dev/null; do sleep 0.01; done`);
    expect(await box.sh('netgraph stop')).toBe('');
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('says whose the name is of a namespace that it did not make', async () => {
    const { box } = t;
    await box.sh('ip netns add a');
    const taken = 'there is a namespace a already: netns=a adopts it, "ip netns del a" removes it';
    expect(await box.sh('jail -c name=a vnet persist')).toBe(`jail: ${taken}\n(exit 1)\n`);
    expect(await box.sh('jail -c name=a netns=a persist; jexec a hostname')).not.toContain('exit');
    expect(await box.sh('jail -r a; ip netns del a; jail -c name=a vnet persist; jexec a hostname')).toBe(
      'a\n',
    );
  });

  it('is found wherever it is, and goes on when its disk is full', async () => {
    const { box } = t;
    const there = 'export NETGRAPH_RUN_DIR=here/run NETGRAPH_STATE_DIR=here/state';
    await box.sh('mkdir -p /run/small/here; mount -t tmpfs -o size=64k tmpfs /run/small/here');
    expect(await box.sh(`cd /run/small; ${there}; ngctl list | head -1`)).toBe('There are 1 total nodes:\n');
    const status = await box.run(`cd /run/small; ${there}; netgraph status --json`);
    const { pid, ...rest } = JSON.parse(status.stdout);
    expect(rest).toMatchObject({
      socket: '/run/small/here/run/control.sock',
      stateDir: '/run/small/here/state',
    });
    expect(
      await box.sh(`readlink /proc/${pid}/cwd; cat /dev/zero 2>/dev/null >/run/small/here/full || true`),
    ).toBe('/\n');
    for (let i = 0; i < 20; i++) {
      const client = box.connect([], '/run/small/here/run/control.sock');
      client.write(Buffer.from('something for the log to tell of'));
      await client.record();
    }
    expect(
      await box.sh(`cd /run/small; ${there}; netgraph status --json | grep pid; netgraph stop; ls -A here`),
    ).toBe(`  "pid": ${pid},\nfull\n`);
  });

  it('may be there twice, and one knows nothing of the other', async () => {
    const { box } = t;
    const before = await box.sh(EVERYTHING);
    const other = 'NETGRAPH_RUN_DIR=/run/other/run NETGRAPH_STATE_DIR=/run/other/state';
    await makeBusy(box);
    expect(await box.sh(`export ${other}; jls; ngctl list | head -1`)).toMatch(
      /^ +JID .*\nThere are 1 total nodes:\n$/,
    );
    // Hostnames of jails without vnet belong to the instance, names of namespaces to the machine.
    expect(await box.sh(`jail -c name=h persist; ${other} jail -c name=h persist; jexec h hostname`)).toBe(
      'h\n',
    );
    expect(await box.sh(`${other} jail -c name=a vnet persist`)).toMatch(
      /^jail: there is a namespace a already: .*\n\(exit 1\)/,
    );
    expect(await box.sh(`export ${other}; jexec h hostname; netgraph status --json`)).toContain(
      '/run/other/state',
    );
    expect(await box.sh(`${other} netgraph stop; jexec h hostname; jls name`)).toBe('h\na\nb\nh\n');
    expect(await box.sh('netgraph stop')).toBe('');
    expect(await box.sh(EVERYTHING)).toBe(before);
  });

  it('has its state to itself, and writes it anew when somebody took it away', async () => {
    const { box } = t;
    const other = 'NETGRAPH_RUN_DIR=/run/other';
    const refused = `${other} jls 2>/dev/null; grep -c "state directory .* is that of another daemon" /run/other/daemon.log; rm -r /run/other`;
    expect(await box.sh(`jail -c name=a vnet persist; ${refused}`)).toMatch(/^[1-3]\n$/);
    expect(await box.sh(`netgraph restart >/dev/null; ${refused}; jls name`)).toMatch(/^[1-3]\na\n$/);
    expect(await box.sh('rm -r /run/state; jail -c name=b vnet persist')).toBe('');
    const { pid } = await box.status();
    expect(await box.sh(`kill -9 ${pid}; sleep 0.2; jls name`)).toBe('a\nb\n');
    expect((await box.status()).notices).toEqual([]);
  });

  it('is stopped in no time where nobody buries the dead', async () => {
    const { box } = t;
    // As in a container whose first process is `sleep infinity`.
    const script = 'ngctl list >/dev/null; netgraph stop; echo stopped';
    void box.run(
      `unshare --pid --fork --mount-proc sh -c '(${script}) >/run/said 2>&1 & exec sleep 60'`,
      60_000,
    );
    await until(async () => (await box.sh('cat /run/said')) === 'stopped\n');
  });

  it('takes the socket node of a client that was killed half-way, and its half-made request', async () => {
    const { box } = t;
    const client = await box.client();
    const raw = box.connect();
    await raw.call('hello', { version: 1 });
    await raw.call('open', { name: 'victim' });
    expect((await client.listNodes({ named: true })).map(({ name }) => name)).toEqual(['victim']);
    raw.write(Buffer.from([200, 0, 0, 0, 2, 9, 0, 0, 0, 46])); // 200 bytes are promised
    raw.destroy();
    await until(async () => (await client.listNodes({ named: true })).length === 0);
    await client.close();
  });
});
