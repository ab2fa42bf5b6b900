import { afterAll, beforeAll, expect } from 'vitest';
import type { NetgraphClient } from '../../../src/client/index.js';
import { type Machine, type RawClient, sharedMachine } from '../../support/machine.js';

export const create = (name: string, more: Record<string, string> = {}) => ({
  parameters: { name, vnet: 'new', persist: 'true', ...more },
});

/** The name of the errno with which a promise is rejected; 'ok' when it is not. */
export const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error) => error.code,
  );

/** All that there is on the host, by the host's own account. */
const everything = (box: Machine): Promise<string> =>
  box.sh(
    'jls jid name; ngctl list | grep -v ngctl; for n in hub secret w wb; do ngctl show $n:; done; sysctl net.graph | grep -v drops',
  );

/** Two jails, `a` and `b`, with wormholes from the host to each, and programs on the host and in `a`. */
export interface Lab {
  box: Machine;
  host: NetgraphClient;
  inside: NetgraphClient;
  raw: RawClient;
  /** The far side of the host's wormhole to the jail, there. */
  far: string;
}

/** A Lab for all tests of the present describe(). Whatever they try, nothing of it shows in the end. */
export function sharedLab(): Lab {
  const lab = sharedMachine() as Lab;
  let before: string;

  beforeAll(async () => {
    const { box } = lab;
    const host = await box.client({ name: 'host' });
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
    const inside = await box.client({ name: 'me' }, ['jexec', 'a']);
    const raw = box.connect(['jexec', 'a']);
    await raw.call('hello', { version: 1 });
    await raw.call('open', {});
    const [node] = (await inside.listNodes()).filter(({ type }) => type === 'wormhole');
    const far = `[${node.id.toString(16)}]:`;
    before = await everything(box);
    Object.assign(lab, { host, inside, raw, far });
  });

  afterAll(async () => {
    // Whatever was tried, nothing of it shows.
    expect(await everything(lab.box)).toBe(before);
    lab.raw.destroy();
    await lab.inside.close();
    await lab.host.close();
  });
  return lab;
}
