import { expect, it } from 'vitest';
import { SOCKET, sharedMachine } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
const MKPEER = 'ngctl -d mkpeer . eiface e ether';

describeReal('what the daemon cannot do here', () => {
  const t = sharedMachine();

  it('is serve somebody who is not root', async () => {
    const refused = `${SOCKET}: only root may use netgraph\n(exit 77)\n`;
    expect(await t.box.sh(`${NOBODY} ngctl list`)).toBe(`ngctl: ${refused}`);
    expect(await t.box.sh(`${NOBODY} jls`)).toBe(`jls: ${refused}`);
    expect(await t.box.sh(`${NOBODY} netgraph stop`)).toBe(`netgraph: ${refused}`);
    expect(await t.box.sh(`stat -c %a ${SOCKET}; stat -c %a /run/netgraph`)).toBe('600\n755\n');
    const other = 'NETGRAPH_RUN_DIR=/run/none';
    expect(await t.box.sh(`${other} ${NOBODY} ngctl list`)).toBe(
      'ngctl: no netgraph daemon runs (/run/none/control.sock), and only root on the host can start it\n(exit 77)\n',
    );
    expect(await t.box.sh(`${NOBODY} netgraph daemon`)).toContain('EACCES: Permission denied');
  });

  it('is serve somebody in a network namespace that is neither the host nor a jail', async () => {
    const refused = 'the caller is in a network namespace that is neither the host nor a jail\n(exit 77)\n';
    for (const tool of ['ngctl list', 'jls', 'netgraph stop'])
      expect(await t.box.sh(`unshare --net ${tool}`)).toBe(`${tool.split(' ')[0]}: ${refused}`);
    expect(await t.box.sh('ip netns add alien; ip netns exec alien ngctl list')).toBe(`ngctl: ${refused}`);
    // Nor does it start a daemon of its own.
    expect(await t.box.sh('NETGRAPH_RUN_DIR=/run/none unshare --net ngctl list')).toContain(
      'only root on the host',
    );
  });

  it('is make interfaces without /dev/net/tun, or without the driver behind it', async () => {
    const said = (why: string) =>
      `ngctl: send msg: Device not configured\nngctl: (ngeth0: this system has no TAPs: ${why})`;
    await t.box.sh('mount -t tmpfs tmpfs /dev/net');
    expect(await t.box.sh(MKPEER)).toContain(said("ENOENT: No such file or directory, open '/dev/net/tun'"));
    await t.box.sh('mknod /dev/net/tun c 10 253');
    expect(await t.box.sh(MKPEER)).toMatch(
      /no TAPs: (ENODEV|ENXIO): .*, open '\/dev\/net\/tun'\)\n\(exit 71\)\n$/,
    );
    await t.box.sh('rm /dev/net/tun; mknod /dev/net/tun c 1 3');
    expect(await t.box.sh(MKPEER)).toContain(
      "interface ngeth0: ENOTTY: Inappropriate ioctl for device, TUNSETIFF 'ngeth0'",
    );
    await t.box.sh('umount /dev/net');
    expect(await t.box.sh('ngctl mkpeer . eiface e ether; ngctl shutdown ngeth0:')).toBe('');
  });

  it('is anything at all without the capabilities, and its log says so', async () => {
    const powerless =
      'NETGRAPH_RUN_DIR=/run/weak NETGRAPH_STATE_DIR=/run/weak/state setpriv --bounding-set=-net_admin,-sys_admin --inh-caps=-all';
    const said = await t.box.sh(`${powerless} ngctl list; cat /run/weak/daemon.log`);
    expect(said).toContain('ngctl: the netgraph daemon does not start: see /run/weak/daemon.log');
    expect(said).toContain("namespace monitor: EPERM: Operation not permitted, unshare 'CLONE_NEWNET'");
  });

  it('is find what is not there, or give a name twice', async () => {
    const table: [command: string, said: string][] = [
      ['ngctl -j nope list', 'ngctl: jail "nope" not found\n(exit 68)\n'],
      ['ngctl -j 77 list', 'ngctl: jail "77" not found\n(exit 68)\n'],
      ['jexec nope true', 'jexec: jail "nope" not found\n(exit 1)\n'],
      ['jail -r nope', 'jail: "nope" not found\n(exit 1)\n'],
      ['jail -c name=a vnet persist', ''],
      ['jail -c name=a vnet persist', 'jail: "a" already exists\n(exit 1)\n'],
      [
        'ip netns add taken; jail -c name=taken vnet persist',
        'jail: there is a namespace taken already: netns=taken adopts it, "ip netns del taken" removes it',
      ],
      ['ngctl mkpeer nope: hub a b', 'ngctl: send msg: No such file or directory\n(exit 71)\n'],
      ['ngctl -d mkpeer . nope a b', '(no node type "nope", and no module ng_nope)\n(exit 71)\n'],
      ['ngctl -d msg .: nope', 'ngctl: send msg: Function not implemented\n'],
      ['nghook nope: hook', "can't connect to node"],
      ['jail -r a', ''],
    ];
    for (const [command, said] of table) {
      const actual = await t.box.sh(command);
      if (said === '') expect([command, actual]).toEqual([command, '']);
      expect(`${command}: ${actual}`).toContain(said);
    }
  });
});
