import { expect, it } from 'vitest';
import { errnoName } from '../../../src/netgraph/index.js';
import { type RawClient, sharedMachine, until } from '../../support/machine.js';
import { describeReal } from '../../support/sandbox.js';
import { create, refusal } from './lab.js';

// Starting processes takes its time where much else runs.

describeReal('a process in a jail that is being removed', () => {
  const t = sharedMachine();

  /** The errno of an answer, unless the process was ended before it came. */
  const outcome = (client: RawClient, method: string, params: unknown = {}): Promise<string | undefined> =>
    client.call(method, params).then(
      ({ errno }) => errnoName(errno),
      () => 'closed',
    );

  it('gets nothing done any more, nor does anybody else in its name', async () => {
    const { box } = t;
    const [host, other] = [await box.client(), await box.client()];
    await host.call('jail.create', create('a', { 'children.max': '3' }));
    // They outlive the request to end: as long as that is put off, the removal is under way.
    const stubborn = ['jexec', 'a', 'env', '--ignore-signal=TERM'];
    const clients = Array.from({ length: 4 }, () => box.connect(stubborn));
    for (const client of clients) expect((await client.call('hello', { version: 1 })).errno).toBe(0);
    expect((await clients[0].call('open', { name: 'me' })).errno).toBe(0);
    const [removal, gone] = [host.call('jail.remove', { jail: 'a' }), ['ENXIO', 'closed']];
    await until(async () => (await other.call('jail.list', {})).length === 0);
    const said = await Promise.all([
      outcome(clients[0], 'jail.list'),
      outcome(clients[1], 'open', { name: 'late' }),
      outcome(clients[2], 'jail.create', create('inner')),
      outcome(clients[3], 'save'),
    ]);
    for (const one of said) expect(gone).toContain(one);
    await other.mkpeer('.', 'wormhole', 'w', 'evthorizon');
    expect(await refusal(other.msg('w', 'open', '"a"'))).toBe('EHOSTDOWN');
    expect(await refusal(other.call('jail.modify', { jail: 'a', parameters: { persist: 'true' } }))).toBe(
      'ENOENT',
    );
    const late = box.connect();
    expect(await outcome(late, 'hello', { version: 1, jail: 'a' })).toBe('EHOSTDOWN');
    late.destroy();
    await removal;
    await until(() => clients.every(({ closed }) => closed));
    expect(await box.sh('ip netns list; jls -N name')).toBe('');
    for (const client of [host, other]) await client.close();
  });
});
