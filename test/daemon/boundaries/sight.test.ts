import { expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message, type NetgraphClient } from '../../../src/client/index.js';
import { errnoName } from '../../../src/netgraph/index.js';
import { Kind } from '../../../src/protocol/index.js';
import { until } from '../../support/machine.js';
import { describeReal } from '../../support/sandbox.js';
import { create, refusal, sharedLab } from './lab.js';

// Starting processes takes its time where much else runs.

describeReal('a process in a jail', () => {
  const lab = sharedLab();

  it('knows no node of the others, and has names of its own', async () => {
    const { host, inside, raw } = lab;
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

  it('is told of frames lost in its own vnet, and of no others', async () => {
    const { box, host, inside } = lab;
    const lost = async (client: NetgraphClient) => (await client.call('status', {})).counters.noHook;
    const [here, there] = [await lost(inside), await lost(host)];
    await host.mkpeer('.', 'hub', 'alone', 'x');
    await host.sendData('alone', new Uint8Array(60));
    expect([await lost(inside), await lost(host)]).toEqual([here, there + 1]);
    await inside.mkpeer('.', 'hub', 'alone', 'x');
    await inside.sendData('alone', new Uint8Array(60));
    expect(await lost(inside)).toBe(here + 1);
    expect(await box.sh('jexec a sysctl -n net.graph.drops.nohook')).toBe(`${here + 1}\n`);
    for (const client of [host, inside]) await client.rmhook('.', 'alone');
  });

  it('forges neither messages nor answers to programs outside', async () => {
    const { far, host, inside, raw } = lab;
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
    const { box, far, host, inside } = lab;
    const b = await box.client({}, ['jexec', 'b']);
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
    const { box, raw } = lab;
    const call = async (method: string, params: unknown = {}) => {
      const { errno, text } = await raw.call(method, params);
      return errno === 0 ? JSON.parse(text) : (errnoName(errno) ?? errno);
    };
    expect(await call('jail.list')).toEqual([]);
    const status = await call('status');
    expect(status).toMatchObject({ jails: 0, nodes: 3, interfaces: [] });
    // Of the whole daemon it learns nothing, by numbers either.
    expect(status.memory).toBeUndefined();
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
    expect(await box.sh('jexec a netgraph stop')).toContain('jail a may not stop the daemon');
  });

  it('adopts no namespace, and learns nothing of jails outside from what is refused', async () => {
    const { box, inside } = lab;
    const { pid } = await box.status();
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
});
