import { expect, it } from 'vitest';
import type { NetgraphClient } from '../../src/client/index.js';
import { encodeRecord, Kind } from '../../src/protocol/index.js';
import { machine, SOCKET, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const create = (host: NetgraphClient, name: string) =>
  host.call('jail.create', { parameters: { name, vnet: 'new', persist: 'true' } });
const remove = (host: NetgraphClient, jail: string) => host.call('jail.remove', { jail });
const types = async (host: NetgraphClient) => (await host.listNodes()).map(({ type }) => type);

describeReal('removing a jail', () => {
  const t = machine();

  it('takes its nodes, and what they were joined to elsewhere, and leaves its name to the next, twenty times', async () => {
    const host = await t.box.client();
    for (let round = 0; round < 20; round++) {
      const [a, b] = [await create(host, 'a'), await create(host, 'b')];
      for (const { name, jid } of [a, b]) {
        await host.mkpeer('.', 'wormhole', name, 'evthorizon');
        await host.name(name, name);
        await host.msg(name, 'open', `"${name}"`);
        await host.mkpeer(`${name}.jid=${jid}`, 'eiface', 'evthorizon', 'ether');
        // A hub keeps the wormhole from being the last node of its graph.
        if (round % 2) await host.mkpeer(`${name}.jid=${jid}`, 'hub', 'x', 'y').catch(() => {});
      }
      if (round % 3 === 0) {
        for (const name of ['a', 'b']) await host.rmhook('.', name);
        await host.connectNodes('a:', 'b:', 'evthorizon', 'evthorizon');
        expect(await types(host)).toEqual(['socket']);
      } else expect(await types(host)).toEqual(['socket', 'wormhole', 'wormhole']);
      await remove(host, 'a');
      // What led to it is gone when we hear of it, and so is its interface.
      expect(await types(host)).toEqual(round % 3 === 0 ? ['socket'] : ['socket', 'wormhole']);
      const { nodes, interfaces } = await host.call('status', {});
      expect([nodes, interfaces.length]).toEqual(round % 3 === 0 ? [2, 1] : [4, 1]);
      await remove(host, 'b');
      expect(await types(host)).toEqual(['socket']);
    }
    const { jails, nodes, interfaces } = await host.call('status', {});
    expect([jails, nodes, interfaces]).toEqual([0, 1, []]);
    expect(await t.box.sh('ip netns list; ls /run/netns /run/netgraph/uts')).toBe(
      '/run/netgraph/uts:\n\n/run/netns:\n',
    );
    await host.close();
  });

  it('ends the processes in it, also those that do not want to', async () => {
    const host = await t.box.client();
    await create(host, 'a');
    const stubborn = 'trap "" TERM; echo up; while :; do sleep 1; done';
    const fleeing = 'echo up; while :; do sleep 100 & sleep 0.05; done';
    const stopped = 'sleep 1000 & kill -STOP $!; echo up; wait';
    const children = [stubborn, fleeing, stopped].map((script) =>
      t.box.spawn('jexec', 'a', 'sh', '-c', script),
    );
    for (const child of children) await new Promise((resolve) => child.stdout.once('data', resolve));
    const start = performance.now();
    // The network of a jail is entered by others without its hostname, too.
    const guest = t.box.spawn('ip', 'netns', 'exec', 'a', 'sleep', '1001');
    await until(async () => (await t.box.sh('pgrep -fc "^[s]leep 1001"')) === '1\n');
    await remove(host, 'a');
    expect(performance.now() - start).toBeLessThan(6000);
    await until(() =>
      [...children, guest].every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null),
    );
    expect(await t.box.sh('pgrep -x sleep')).toBe('(exit 1)\n');
    await host.close();
  });

  it('does not wait for, nor end, processes on the host', async () => {
    const host = await t.box.client();
    const bystander = t.box.spawn('sleep', '1000');
    await host.call('jail.create', { parameters: { name: 'h', persist: 'true' } });
    const inside = t.box.spawn('jexec', 'h', 'sleep', '1000');
    await until(async () => (await t.box.sh('pgrep -xc sleep')) === '2\n');
    await remove(host, 'h');
    expect(await t.box.sh('pgrep -xc sleep')).toBe('1\n');
    await until(() => inside.exitCode !== null || inside.signalCode !== null);
    expect(bystander.exitCode).toBe(null);
    await t.box.sh('pkill -x sleep');
    await host.close();
  });

  it('ends nobody else, though his hostname has the number of one that is gone', async () => {
    const host = await t.box.client();
    await create(host, 'a');
    const strangers = `I=$(stat -c %i /run/netgraph/uts/a); umount /run/netgraph/uts/a; sleep 0.2
      for i in $(seq 60); do
        unshare --uts sleep 1003 & sleep 0.02
        [ "$(stat -Lc %i /proc/$!/ns/uts)" = $I ] && break
      done >/dev/null 2>&1; pgrep -fc '^sleep 1003'`;
    const count = await t.box.sh(strangers);
    await remove(host, 'a');
    expect(await t.box.sh("pgrep -fc '^sleep 1003'")).toBe(count);
    await host.close();
  });

  it('makes nobody in it one of the host meanwhile', async () => {
    const host = await t.box.client();
    const request = Buffer.from(encodeRecord(Kind.CALL, 1, '{"method":"jail.list"}')).toString('hex');
    for (const vnet of ['inherit', 'new']) {
      await host.call('jail.create', { parameters: { name: 'h', persist: 'true', vnet } });
      const script = `
        const { connect } = require('net'), { writeFileSync } = require('fs');
        process.on('SIGTERM', () => {
          const client = connect('${SOCKET}');
          client.write(Buffer.from('${request}', 'hex'));
          client.once('data', (data) => { writeFileSync('/run/said', data); process.exit(); });
        });
        console.log('up'); setInterval(() => {}, 1000);`;
      const inside = t.box.spawn('jexec', 'h', process.execPath, '-e', script);
      await new Promise((resolve) => inside.stdout.once('data', resolve));
      await remove(host, 'h');
      expect(await t.box.sh('cat /run/said; rm /run/said')).toContain('jail h is being removed');
    }
    await host.close();
  });

  it('works while its interfaces are full of frames', async () => {
    const host = await t.box.client();
    for (let round = 0; round < 3; round++) {
      const jails = [await create(host, 'a'), await create(host, 'b')];
      for (const [i, { name, jid }] of jails.entries()) {
        await host.mkpeer('.', 'wormhole', name, 'evthorizon');
        await host.name(name, name);
        await host.msg(name, 'open', `"${name}"`);
        await host.mkpeer(`${name}.jid=${jid}`, 'eiface', 'evthorizon', 'ether');
        await host.rmhook('.', name);
        await t.box.sh(
          `ip -n ${name} addr add 192.0.2.${i + 1}/24 dev ngeth0; ip -n ${name} link set ngeth0 up`,
        );
      }
      if (round !== 2) await host.connectNodes('a:', 'b:', 'evthorizon', 'evthorizon');
      else {
        await host.mkpeer('a:', 'hub', 'evthorizon', 'left');
        await host.connectNodes('a:evthorizon', 'b:', 'right', 'evthorizon');
      }
      const pings = [
        t.box.run('ip netns exec a ping -f -q -w 9 192.0.2.2'),
        t.box.run('jexec b ping -f -q -w 9 192.0.2.1'),
      ];
      await until(async () =>
        (await host.call('status', {})).interfaces.every(({ counters }) => counters.rxFrames > 500),
      );
      await remove(host, round === 1 ? 'b' : 'a');
      await remove(host, round === 1 ? 'a' : 'b');
      await Promise.all(pings);
      const { interfaces, counters } = await host.call('status', {});
      expect([interfaces, counters!.handlerFailed]).toEqual([[], 0]);
    }
    await host.close();
  });

  it('with fifty interfaces takes no longer than a breath', async () => {
    const host = await t.box.client();
    const { jid } = await create(host, 'many');
    const inside = await t.box.client({ jail: 'many' });
    for (let i = 0; i < 50; i++) await inside.mkpeer('.', 'eiface', `e${i}`, 'ether');
    expect(await t.box.sh('ip -n many -br link | wc -l')).toBe('51\n');
    expect((await inside.listNodes({ named: true })).map(({ name }) => name)).toContain('ngeth49');
    const start = performance.now();
    await remove(host, String(jid));
    expect(performance.now() - start).toBeLessThan(2000);
    expect((await host.call('status', {})).interfaces).toEqual([]);
    await inside.close();
    await host.close();
  });

  it('is done once, however many ask for it', async () => {
    const host = await t.box.client();
    await create(host, 'a');
    const outcomes = await Promise.allSettled([remove(host, 'a'), remove(host, 'a'), create(host, 'a')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const other = await t.box.client();
    await Promise.allSettled([remove(host, 'a'), remove(other, 'a')]);
    expect(await host.call('jail.list', {})).toEqual([]);
    await other.close();
    await host.close();
  });
});
