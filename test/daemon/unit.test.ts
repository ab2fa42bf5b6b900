import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';
import { Confinement, UNIT } from '../support/unit.js';

const isThere = spawnSync('systemd-analyze', ['--version']).status === 0;
const orWhyNot = isThere ? '' : ' (skipped: no systemd-analyze)';

it.skipIf(!isThere)(`the systemd unit is clean${orWhyNot}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'netgraph-unit-'));
  const file = join(folder, 'netgraph.service');
  // What it starts need not be installed here.
  writeFileSync(file, UNIT.replace(/^(Exec\w+=)\S+/gm, '$1/bin/true'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  // Of other units of this machine it tells, too.
  const complaints = stderr.split('\n').filter((line) => line.includes('netgraph'));
  expect({ status, complaints }).toEqual({ status: 0, complaints: [] });
});

/** All that a daemon does to a system, and what is to be seen of it. */
const MAKE = `
jail -c name=a vnet persist host.hostname=left
ip netns add there; jail -c name=b vnet persist netns=there
jail -c name=h persist host.hostname=h.example.net
make() { printf 'mkpeer eiface e ether\nname .:e nic\nmsg nic: setifname "em0"\nmsg nic: set 02:00:00:00:00:0%s\n' $1; }
make 1 | ngctl -j a -f -; (make 2; echo 'msg nic: setoffload 0') | ngctl -j b -f -
ip -n a addr add 192.0.2.1/24 dev em0; ip -n a link set em0 up
ip -n there addr add 192.0.2.2/24 dev em0; ip -n there link set em0 up
for j in a b; do printf "mkpeer wormhole w$j evthorizon\nname .:w$j w$j\nmsg w$j: open \\"$j\\"\n"; done >/run/script
printf 'connect wa:jid=1 nic: evthorizon ether\nconnect wb:jid=2 nic: evthorizon ether\n' >>/run/script
printf 'rmhook wa\nrmhook wb\nconnect wa: wb: evthorizon evthorizon\n' >>/run/script; ngctl -f /run/script`;
const SEE = `
netgraph save; netgraph status | grep io_uring; jexec a hostname; ip -n a -o link | grep -o 'em0.* mtu'
ip netns exec a ping -q -c 3 -i 0.2 192.0.2.2 | grep -o '.* packet loss'`;
const UNMAKE = `
ip -n a link del em0; while ngctl -j a show nic: >/dev/null 2>&1; do sleep 0.05; done
jexec a sleep 1000 >/dev/null 2>&1 & while ! pgrep -x sleep >/dev/null; do sleep 0.05; done
jail -r a b h; jls; netgraph stop; ip netns del there; ip netns list; ip -o link | wc -l`;

/** One call after the other that a unit has to allow. */
const FEW = 'jail -c name=a vnet persist host.hostname=left; ngctl mkpeer . eiface e ether; jail -r a';

const LOG = '/run/netgraph/daemon.log';

describeReal(`the daemon confined as the systemd unit says${orWhyNot}`, () => {
  const t = machine();
  let confinement: Confinement;
  beforeAll(() => {
    if (isThere) confinement = new Confinement();
  });
  afterAll(() => confinement?.remove());

  /** Makes `confined` a command that starts others so. */
  const confine = (unit: string) =>
    t.box.sh(`printf '#!/bin/sh\nexec %s "$@"\n' "'${confinement.words(unit).join("' '")}'" >/run/bin/confined
chmod +x /run/bin/confined`);

  async function start(how: string): Promise<number> {
    void t.box.run(`${how} netgraph daemon >>${LOG} 2>&1`, 120_000);
    await until(async () => (await t.box.status()).running);
    return (await t.box.status()).pid;
  }

  /** What tools say that use such a daemon, which is renewed, killed and started again meanwhile. */
  async function session(how: string): Promise<string> {
    const say = (script: string) => t.box.sh(script, 120_000);
    await start(how);
    const first = await say(`${MAKE}; ${SEE}; ${how} netgraph restart | tr -d 0-9; ${SEE}`);
    const { pid } = await t.box.status();
    await say(`kill -9 ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`);
    await start(how);
    const refusals = `grep -E 'EPERM|ENOSYS|EACCES|EAFNOSUPPORT' ${LOG}; true`;
    return first + (await say(`${SEE}; ${UNMAKE}; ${refusals}`));
  }

  it.skipIf(!isThere)('does all that it does otherwise', { timeout: 240_000 }, async () => {
    const free = await session('');
    expect(free).toContain('3 packets transmitted, 3 received, 0% packet loss');
    expect(free).not.toContain('EPERM');
    await confine(UNIT);
    expect(await session('confined')).toBe(free);
    await confine(UNIT.replace('=~@keyring', '=~@aio @keyring'));
    const less = 'io_uring not available, so that small frames cost more';
    expect(await session('confined')).toBe(free.replaceAll('io_uring in use', less));
  });

  // Each as the unit has it, and what goes wrong without.
  it.skipIf(!isThere).each([
    ['', '', 'nothing'],
    [' mount ', ' ', 'EPERM: Operation not permitted, mount'],
    [' umount2', '', 'EPERM: Operation not permitted, umount'],
    [' sethostname', '', 'EPERM: Operation not permitted, sethostname'],
    [' AF_NETLINK', '', 'EAFNOSUPPORT'],
    ['=net uts', '=uts', 'EPERM: Operation not permitted, '],
    ['=CAP_NET_ADMIN ', '=', 'EPERM: Operation not permitted, SIOCSIFFLAGS'],
  ])('is held to it: without "%s"', async (from, to, what) => {
    expect(UNIT).toContain(from);
    await confine(UNIT.replace(from, to));
    void t.box.run(`confined netgraph daemon >${LOG} 2>&1`);
    await until(async () => (await t.box.sh(`cat ${LOG}`)) !== '');
    const said = await t.box.sh(`${FEW}; cat ${LOG}`);
    if (from === '') {
      const { pid } = await t.box.status();
      const lines = await t.box.sh(`grep -hE '^(NoNewPrivs|Seccomp):' /proc/${pid}/task/*/status | sort -u`);
      expect(lines).toBe('NoNewPrivs:\t1\nSeccomp:\t2\n');
    } else expect(said).toContain(what);
  });
});
