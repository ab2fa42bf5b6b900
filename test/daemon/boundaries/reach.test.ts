import { expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, Message } from '../../../src/client/index.js';
import { errnoName } from '../../../src/netgraph/index.js';
import { defaultOf } from '../../../src/netgraph/types/index.js';
import { Kind } from '../../../src/protocol/index.js';
import { describeReal } from '../../support/sandbox.js';
import { create, refusal, sharedLab } from './lab.js';

// Starting processes takes its time where much else runs.

describeReal('a process in a jail', () => {
  const lab = sharedLab();

  it('opens no wormhole to a sibling, to the host or to itself', async () => {
    const { inside } = lab;
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
    const { box, raw } = lab;
    const fresh = box.connect(['jexec', 'a']);
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
    expect(await box.sh('jexec a ngctl -j b list; jexec a jexec b true; jexec a ifconfig -j b')).toMatch(
      /^ngctl: jail "b" not found\njexec: jail "b" not found\nifconfig: .*"b" not found/,
    );
  });

  it('sends nothing through a wormhole out of it, whatever the message', async () => {
    const { far, inside, raw } = lab;
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

  it('may have a jail called like one outside, and means its own by that name', async () => {
    const { box, inside } = lab;
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

  it('has a wormhole of its own connect nothing to what is outside', async () => {
    const { far, inside } = lab;
    for (const path of ['jid=0', '.:jid=0', `${far}jid=0`, 'jid=0.evthorizon', 'jid=0.evthorizon.h'])
      expect([path, await refusal(inside.connectNodes(far, path, 'x', 'y'))]).toEqual([path, 'EPERM']);
    for (const path of ['jid=0', 'jid=0.evthorizon'])
      expect([path, await refusal(inside.mkpeer(`${far}${path}`, 'hub', 'x', 'y'))]).toEqual([path, 'EPERM']);
  });
});
