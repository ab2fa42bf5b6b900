import { describe, expect, it } from 'vitest';
import { type Account, account, cleanEnvironment, planOf } from '../../src/cli/jexec/enter.js';
import { parseJexec } from '../../src/cli/jexec/main.js';
import { pickJail, seenFrom } from '../../src/cli/system.js';
import type { JailStatus } from '../../src/protocol/index.js';

const demo: JailStatus = {
  jid: 3,
  name: 'demo',
  parent: 0,
  hostname: 'demo',
  path: '/',
  vnet: 'new',
  persist: true,
  childrenMax: 0,
  netns: '/run/netns/demo',
  uts: '/run/netgraph/uts/demo',
  adopted: false,
};
const www: Account = { name: 'www', uid: 80, gid: 81, home: '/srv/www', shell: '/bin/zsh' };

describe('jexec(8)', () => {
  it('reads its command line, up to the command', () => {
    const argv = ['-l', '-d', '/tmp', '-e', 'A=b=c', '-U', 'www', 'demo', 'ls', '-l'];
    expect(parseJexec(argv)).toEqual({
      jail: 'demo',
      command: ['ls', '-l'],
      clean: true,
      cwd: '/tmp',
      env: { A: 'b=c' },
      user: 'www',
      jailUser: true,
    });
    expect(parseJexec(['1']).command).toEqual([]);
  });

  it.each([[[]], [['-u', 'a', '-U', 'b', 'demo']], [['-e', 'novalue', 'demo']], [['-x', 'demo']]])(
    '%j is a usage error',
    (argv) => {
      expect(() => parseJexec(argv)).toThrow(expect.objectContaining({ name: 'UsageError' }));
    },
  );

  it('enters both namespaces, as `ip netns exec` does', () => {
    expect(planOf({ jail: demo, argv: ['ping', '::1'], env: { A: 'b', C: undefined } })).toEqual({
      netns: '/run/netns/demo',
      uts: '/run/netgraph/uts/demo',
      mounts: 'demo',
      cwd: '/',
      env: ['A=b'],
      argv: ['ping', '::1'],
    });
  });

  it('leaves a network alone that is ours too', () => {
    for (const netns of ['', '/proc/self/ns/net']) {
      const plan = planOf({ jail: { ...demo, netns }, argv: ['sh'], env: {} });
      expect(plan).toMatchObject({ netns: undefined, mounts: undefined, uts: '/run/netgraph/uts/demo' });
    }
  });

  it('changes user and root by programs that replace themselves', () => {
    const jail = { ...demo, path: '/jails/demo' };
    expect(planOf({ jail, argv: ['ls'], env: {}, user: www }).argv).toEqual(
      'chroot /jails/demo setpriv --reuid=80 --regid=81 --init-groups -- ls'.split(' '),
    );
    expect(planOf({ jail, argv: ['ls', 'a b'], env: {}, cwd: '/srv' }).argv).toEqual([
      'chroot',
      '/jails/demo',
      '/bin/sh',
      '-c',
      'cd "$0" && exec "$@"',
      '/srv',
      'ls',
      'a b',
    ]);
  });

  it('has a clean environment, with our own tools if they are there', () => {
    const before = { TERM: 'vt100', HOME: '/x', SECRET: 'y', PATH: '/private:/bin' };
    expect(cleanEnvironment(www, before)).toMatchObject({
      TERM: 'vt100',
      HOME: '/srv/www',
      SHELL: '/bin/zsh',
      USER: 'www',
      PATH: '/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin',
    });
    expect(cleanEnvironment(www, before)).not.toHaveProperty('SECRET');
    expect(cleanEnvironment(www, { ...before, NETGRAPH_SHELL: '1' }).PATH).toMatch(/^\/private:\/sbin:/);
  });

  it('finds users by name and ID', () => {
    expect(account('root')).toMatchObject({ uid: 0, gid: 0 });
    expect(account('0', '/').name).toBe('root');
    expect(() => account('no-such-user')).toThrow('no-such-user: no such user');
  });
});

describe('jails', () => {
  const inner = { ...demo, jid: 4, name: 'demo.inner', parent: 3 };
  const innermost = { ...demo, jid: 5, name: 'demo.inner.most', parent: 4 };

  it('are found by name and ID', () => {
    const jails = seenFrom([demo, inner], 0);
    expect(pickJail(jails, '3')).toEqual(demo);
    expect(pickJail(jails, 'demo')).toEqual(demo);
    expect(pickJail(jails, 'demo.inner')).toEqual(inner);
    expect(pickJail(jails, 'inner')).toBeUndefined();
    expect(pickJail(jails, '5')).toBeUndefined();
  });

  it('are called from inside by what is left there', () => {
    expect(seenFrom([inner, innermost], 3)).toMatchObject([
      { jid: 4, name: 'inner', parent: 0 },
      { jid: 5, name: 'inner.most', parent: 4 },
    ]);
  });
});
