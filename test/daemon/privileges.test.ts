import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { groupId } from '../../src/linux/index.js';
import { native } from '../../src/linux/native.js';
import { machine, SOCKET, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const LOG = '/run/netgraph/daemon.log';
const NEEDED = [
  'CAP_DAC_OVERRIDE',
  'CAP_KILL',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_SYS_PTRACE',
  'CAP_SYS_ADMIN',
];
const bit = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  KILL: 5,
  NET_BROADCAST: 11,
  NET_ADMIN: 12,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
};
const setOf = (names: (keyof typeof bit)[]): string =>
  names
    .reduce((sum, name) => sum + 2 ** bit[name], 0)
    .toString(16)
    .padStart(16, '0');

const INHERITING =
  'setpriv --inh-caps=+net_admin,+net_raw --ambient-caps=+net_admin,+net_raw netgraph daemon';

/** A jail with an interface, and somebody else's process in it. */
const JAIL = `
jail -c name=a vnet persist; printf 'mkpeer eiface e ether\\nname .:e nic\\n' | ngctl -j a -f -
jexec -U nobody a sleep 1000 >/dev/null 2>&1 & while ! pgrep -xu nobody sleep >/dev/null; do sleep 0.05; done`;

describeReal('the capabilities of the daemon', () => {
  const t = machine();

  it('are those that it needs, in every thread, however it was started', async () => {
    const needed = setOf(['DAC_OVERRIDE', 'KILL', 'NET_BROADCAST', 'NET_ADMIN', 'SYS_PTRACE', 'SYS_ADMIN']);
    for (const how of ['jls', 'netgraph daemon', INHERITING]) {
      void t.box.run(`${how} >/dev/null 2>>${LOG}`);
      await until(async () => (await t.box.status()).running);
      expect(await t.box.sh(`${JAIL}; jail -r a`)).toBe(''); // which takes threads of the pool
      const { pid, capabilities } = await t.box.status();
      expect(capabilities).toEqual(NEEDED);
      expect(await t.box.sh('netgraph status')).toContain(`\ncapabilities ${NEEDED.join(' ')}\n`);
      const sets = await t.box.sh(`cat /proc/${pid}/task/*/status | grep -E '^(Cap|NoNew)' | sort -u`);
      const inherited = setOf(how === INHERITING ? ['NET_ADMIN'] : []);
      expect(sets.replaceAll('\t', ' ').split('\n')).toEqual([
        `CapAmb: ${inherited}`,
        `CapBnd: ${needed}`,
        `CapEff: ${needed}`,
        `CapInh: ${inherited}`,
        `CapPrm: ${needed}`,
        'NoNewPrivs: 1',
        '',
      ]);
      const threads = Number(await t.box.sh(`ls /proc/${pid}/task | wc -l`));
      expect(threads).toBeGreaterThan(5);
      expect(await t.box.sh('netgraph stop')).toBe('');
    }
  });

  it('are not those of programs in jails', async () => {
    expect(await t.box.sh('jail -c name=a vnet persist; jexec a grep CapEff /proc/self/status')).toBe(
      await t.box.sh('grep CapEff /proc/self/status'),
    );
  });

  // What goes wrong without.
  it.each([
    ['net_admin', 'ngctl -d mkpeer . eiface e ether', /EPERM: Operation not permitted, TUNSETIFF/],
    ['net_broadcast', `cat ${LOG}`, /EPERM: Operation not permitted, NETLINK_LISTEN_ALL_NSID/],
    ['sys_admin', `cat ${LOG}`, /EPERM: Operation not permitted, unshare/],
    ['sys_ptrace', 'jls', /jls: peer: EACCES: Permission denied/],
    ['chown', `cat ${LOG}`, /EPERM: operation not permitted, chown/],
  ])('are needed: %s', async (name, command, said) => {
    const env = name === 'chown' ? 'env NETGRAPH_GROUP=4242' : '';
    const start = `setpriv --bounding-set=-${name} ${env} netgraph daemon 2>${LOG}`;
    const daemon = t.box.run(start);
    const ended = daemon.then(() => true);
    await until(async () => (await t.box.sh(`test -S ${SOCKET}`)) === '' || Promise.race([ended, false]));
    if (command.startsWith('cat')) await daemon;
    expect(await t.box.sh(command)).toMatch(said);
  });

  it('are needed: kill, where the tool does not do it', async () => {
    const left = 'pgrep -cu nobody sleep || true';
    for (const [bounding, count] of [
      ['-net_raw', '0\n'],
      ['-kill', '1\n'],
    ]) {
      void t.box.run(`setpriv --bounding-set=${bounding} netgraph daemon 2>${LOG}`);
      await until(async () => (await t.box.status()).running);
      expect(await t.box.sh(JAIL)).toBe('');
      const client = await t.box.client();
      await client.call('jail.remove', { jail: 'a' });
      await client.close();
      expect([bounding, await t.box.sh(left)]).toEqual([bounding, count]);
      await t.box.sh('netgraph stop');
    }
  });

  it('are needed: dac_override, where directories are not those of root', async () => {
    const there = 'mkdir -p -m 700 /run/home; chown 65534 /run/home; export NETGRAPH_RUN_DIR=/run/home/x/run';
    expect(await t.box.sh(`${there}; ngctl list | head -1; netgraph stop`)).toBe(
      'There are 1 total nodes:\n',
    );
    expect(await t.box.sh(`${there}; setpriv --bounding-set=-dac_override netgraph daemon`)).toContain(
      'daemon.log: Permission denied',
    );
  });

  it('of the unit are enough', async () => {
    const unit = readFileSync(new URL('../../scripts/netgraph.service', import.meta.url), 'utf8');
    const names = /^CapabilityBoundingSet=(.*)$/m.exec(unit)![1].split(' ');
    expect(names.sort()).toEqual(NEEDED.filter((name) => name !== 'CAP_DAC_OVERRIDE').sort());
    const set = names.map((name) => `+${name.slice(4).toLowerCase()}`).join(',');
    void t.box.run(`setpriv --bounding-set=-all,${set} netgraph daemon 2>${LOG}`);
    await until(async () => (await t.box.status()).running);
    const { pid } = await t.box.status();
    // Without a new start: the unit has seen to all of it.
    expect(await t.box.sh(`grep NoNew /proc/${pid}/status`)).toBe('NoNewPrivs:\t0\n');
    expect(await t.box.sh(`${JAIL}; ngctl mkpeer . eiface e ether; jail -r a; pgrep -u nobody`)).toBe(
      '(exit 1)\n',
    );
    expect(await t.box.sh('netgraph stop; ip netns list; ip -o link | grep -v lo:')).toBe('(exit 1)\n');
  });
});

describeReal('the group of the daemon', () => {
  const t = machine();
  const as = (groups: string) => `setpriv --reuid 4001 --regid 4001 ${groups}`;
  const member = as('--groups 4242');

  it('may do what root may, and nobody else', async () => {
    const { box } = t;
    await box.sh('NETGRAPH_GROUP=4242 jls');
    expect(await box.sh(`stat -c '%a %u:%g' ${SOCKET}`)).toBe('660 0:4242\n');
    expect((await box.status()).capabilities).toEqual(['CAP_CHOWN', ...NEEDED]);
    expect(await box.sh(`${member} jail -c name=a vnet persist`)).toBe('');
    expect(await box.sh(`${member} ngctl -j a mkpeer . eiface e ether; ${member} jls name`)).toBe('a\n');
    expect(await box.sh('jexec a ip -o link | grep -c ngeth0')).toBe('1\n');
    // In a jail a member is confined like root.
    expect(await box.sh(`jexec a ${member} netgraph stop; jexec a ${member} jls | tail +2`)).toMatch(
      /^netgraph: jail a may not stop the daemon\n/,
    );
    const refused = `ngctl: ${SOCKET}: only root and group 4242 may use netgraph\n(exit 77)\n`;
    expect(await box.sh(`${as('--clear-groups')} ngctl list`)).toBe(refused);
    // A user namespace makes root of anybody, but no member.
    expect(await box.sh(`${as('--clear-groups')} unshare --map-root-user ngctl list`)).toContain('only root');
    expect(await box.sh(`${member} netgraph stop; ip netns list; ls /run/netgraph`)).toBe('');
  });

  it('has a name or a number', async () => {
    const { box } = t;
    await box.sh('NETGRAPH_GROUP=daemon jls');
    expect(await box.sh(`stat -c '%a %G' ${SOCKET}; netgraph stop`)).toBe('660 daemon\n');
    for (const name of ['nope', '4294967295', 'a b'])
      expect(await box.sh(`NETGRAPH_GROUP='${name}' netgraph daemon`)).toBe(
        `netgraph: NETGRAPH_GROUP: there is no group "${name}"\n(exit 71)\n`,
      );
    expect(await box.sh('NETGRAPH_GROUP= jls; netgraph status | sed -n 3p')).toContain(SOCKET);
    expect(await box.sh(`stat -c '%a %u:%g' ${SOCKET}`)).toBe('600 0:0\n');
  });
});

describe('keepCapabilities', () => {
  it('takes numbers of capabilities', () => {
    expect(() => native.keepCapabilities('x' as never)).toThrow('must be an array of numbers');
    expect(() => native.keepCapabilities([64])).toThrow('no such capability');
  });
});

describe('groupId', () => {
  it('knows groups by name and number', () => {
    expect([groupId('root'), groupId('0'), groupId('4294967294')]).toEqual([0, 0, 4294967294]);
    expect([groupId('no such group'), groupId(''), groupId('4294967295')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
