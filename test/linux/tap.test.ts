import { spawnSync } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { native } from '../../src/linux/native.js';
import { NgError } from '../../src/netgraph/index.js';
import { describeReal } from '../support/sandbox.js';
import { ip, ipJson, openDescriptors, quiet, sandbox, until } from './root.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').replace(/..\B/g, '$&:');

function code(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof NgError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describeReal('TAP interfaces', () => {
  const t = sandbox();

  it('appear in their namespace only, recognisable as ours, and go when destroyed', async () => {
    const host = t.box.host({ instance: 'lab' });
    const [here, there] = [t.box.vnet(), t.box.vnet()];
    const device = host.createEthernet(here, 'ngeth0', quiet);
    const [link] = ipJson('-n', t.box.netnsOf(here).name, '-d', 'link', 'show', 'ngeth0');
    expect(link).toMatchObject({ ifname: 'ngeth0', ifalias: 'netgraph:lab', mtu: 1500, operstate: 'DOWN' });
    expect(link!.address).toBe(hex(device.address()));
    expect(ipJson('-n', t.box.netnsOf(there).name, 'link').map((other) => other.ifname)).toEqual(['lo']);
    expect(device).toMatchObject({ name: 'ngeth0', up: false });

    device.destroy();
    device.destroy();
    await host.settled();
    expect(ipJson('-n', t.box.netnsOf(here).name, 'link').map((other) => other.ifname)).toEqual(['lo']);
    expect(device.name).toBe('ngeth0');
    expect(code(() => device.address()).code).toBe('ENXIO');
  });

  it('go on with the descriptors of another host, and those of no use are closed', async () => {
    const vnet = t.box.vnet();
    const [old, host] = [t.box.host({ instance: 'lab' }), t.box.host({ instance: 'lab' })];
    const [used, unused] = ['e0', 'e1'].map((name) => old.createEthernet(vnet, name, quiet));
    old.keepAll();
    host.survivors.inherit(old.handOver());
    expect(host.resumeEthernet(vnet, used!.resume(), quiet).fd).toBe(used!.fd);
    host.survivors.close();
    expect(existsSync(`/proc/self/fd/${unused!.fd}`)).toBe(false);
    // Its interface stays.
    const named = ipJson('-n', t.box.netnsOf(vnet).name, 'link').map((link) => link.ifname);
    expect(named).toEqual(['lo', 'e0', 'e1']);
    expect([...host.orphans([t.box.netnsOf(vnet)])].map(({ link }) => link.name)).toEqual(['e1']);
  });

  it('are taken up as themselves only, whatever others are called and however namespaces are numbered', () => {
    const [here, there] = [t.box.vnet(), t.box.vnet()];
    const old = t.box.host({ instance: 'lab' });
    const [first, second] = ['e0', 'e1'].map((name) => old.createEthernet(here, name, quiet));
    const kept = [first!, second!].map((device) => device.resume());
    old.keepAll();
    for (const fd of old.handOver().values()) closeSync(fd);
    const netns = t.box.netnsOf(here).name;
    ip('-n', netns, 'link', 'del', 'e0');
    ip('-n', netns, 'link', 'set', 'e1', 'name', 'e0');

    const host = t.box.host({ instance: 'lab', report: () => {} });
    expect(code(() => host.resumeEthernet(here, kept[0], quiet)).code).toBe('EEXIST');
    expect(host.resumeEthernet(here, kept[1], quiet).name).toBe('e0');
    // After a reboot the namespace of another vnet may have the number.
    host.survivors.expectNone();
    expect(host.resumeEthernet(there, { ...kept[1], name: 'e0' }, quiet).name).toBe('e0');
    expect(ipJson('-n', t.box.netnsOf(there).name, 'link').map((link) => link.ifname)).toEqual(['lo', 'e0']);
  });

  it('have the offloads that the kernel grants, or none: as they were told, also when another host takes them up', () => {
    const CSUM_TSO = 0x07; // TUN_F_CSUM, TSO4, TSO6; what else there is came with later kernels
    const { path } = t.box.netns();
    const [many, none] = [native.tapOpen(path, 'many', true), native.tapOpen(path, 'none', false)];
    expect([many.offloads & CSUM_TSO, none.offloads]).toEqual([CSUM_TSO, 0]);
    for (const { fd } of [many, none]) closeSync(fd);
    for (const offloads of [true, false]) {
      const vnet = t.box.vnet();
      const [old, host] = [t.box.host({ instance: 'lab', offloads }), t.box.host({ instance: 'lab' })];
      const device = old.createEthernet(vnet, 'e0', quiet);
      expect(device.offloads).toBe(offloads);
      old.keepAll();
      host.survivors.inherit(old.handOver());
      expect(host.resumeEthernet(vnet, device.resume(), quiet).offloads).toBe(offloads);
    }
  });

  it('refuse names that are taken, also by a persistent TAP of somebody else', () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    ip('-n', netns, 'tuntap', 'add', 'theirs', 'mode', 'tap');
    host.createEthernet(vnet, 'ours', quiet);
    for (const name of ['lo', 'theirs', 'ours']) {
      const error = code(() => host.createEthernet(vnet, name, quiet));
      expect(error.code).toBe('EEXIST');
      expect(error.message).toContain(name);
    }
    expect(ipJson('-n', netns, 'link', 'show', 'theirs')).toHaveLength(1);
  });

  it('refuse what cannot be a name', () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    expect(code(() => host.createEthernet(vnet, 'a'.repeat(16), quiet)).code).toBe('ENAMETOOLONG');
    for (const name of ['', 'tap%d', 'a/b', 'a b', '..']) {
      expect(code(() => host.createEthernet(vnet, name, quiet)).code, name).toBe('EINVAL');
    }
    expect(host.createEthernet(vnet, 'a'.repeat(15), quiet).name).toBe('a'.repeat(15));
  });

  it('have an address of the OUI 58:9c:fc, the same again, different for other names and vnets', async () => {
    const host = t.box.host({ identityOf: (vnet) => t.box.netnsOf(vnet).name });
    const [a, b] = [t.box.vnet(), t.box.vnet()];
    const first = host.createEthernet(a, 'ngeth0', quiet);
    const address = hex(first.address());
    expect(address).toMatch(/^58:9c:fc:/);
    expect(hex(host.createEthernet(a, 'ngeth1', quiet).address())).not.toBe(address);
    expect(hex(host.createEthernet(b, 'ngeth0', quiet).address())).not.toBe(address);
    first.destroy();
    expect(hex(host.createEthernet(a, 'ngeth0', quiet).address())).toBe(address);
  });

  it('take another address, also while up', () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    const device = host.createEthernet(vnet, 'e0', quiet);
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    device.setAddress(Uint8Array.of(2, 0, 0, 1, 2, 3));
    expect(ipJson('-n', netns, 'link', 'show', 'e0')[0]!.address).toBe('02:00:00:01:02:03');
    expect(hex(device.address())).toBe('02:00:00:01:02:03');
    expect(code(() => device.setAddress(Uint8Array.of(1, 0, 0, 0, 0, 1))).code).toBe('EADDRNOTAVAIL');
    expect(code(() => device.setAddress(Uint8Array.of(2, 0))).code).toBe('EINVAL');
  });

  it('show their addresses', () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const device = host.createEthernet(vnet, 'e0', quiet);
    expect(device.addresses()).toEqual([]);
    ip('-n', t.box.netnsOf(vnet).name, 'addr', 'add', '192.0.2.7/24', 'dev', 'e0');
    expect(device.addresses()).toEqual([{ family: 'inet', address: Uint8Array.of(192, 0, 2, 7) }]);
  });

  it('follow renames, up, down and carrier', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    const device = host.createEthernet(vnet, 'e0', quiet);
    ip('-n', netns, 'link', 'set', 'e0', 'name', 'lan');
    expect(device.name).toBe('lan');
    ip('-n', netns, 'link', 'set', 'lan', 'up');
    await until(() => device.up);

    device.setCarrier(false);
    expect(ipJson('-n', netns, 'link', 'show', 'lan')[0]!.flags).toContain('NO-CARRIER');
    device.setCarrier(true);
    expect(ipJson('-n', netns, 'link', 'show', 'lan')[0]!.flags).toContain('LOWER_UP');

    ip('-n', netns, 'link', 'set', 'lan', 'down');
    await until(() => !device.up);
  });

  it('leave their name to a new one at once, however busy the removal is', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    for (let i = 0; i < 30; i++) {
      const device = host.createEthernet(vnet, 'again', quiet);
      if (i % 2) ip('-n', netns, 'link', 'set', 'again', 'up');
      device.destroy();
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, i));
    }
    const last = host.createEthernet(vnet, 'again', quiet);
    await host.settled();
    expect(last.name).toBe('again');
    expect(ipJson('-n', netns, 'link').map((link) => link.ifname)).toEqual(['lo', 'again']);
  });

  it('come and go by the thousand without a descriptor left, and without stopping the program', async () => {
    const host = t.box.host();
    const vnets = [t.box.vnet(), t.box.vnet(), t.box.vnet()];
    host.createEthernet(vnets[0]!, 'first', quiet).destroy();
    await host.settled();
    const before = openDescriptors();
    for (let round = 0; round < 5; round++) {
      const devices = Array.from({ length: 210 }, (_, i) =>
        host.createEthernet(vnets[i % 3]!, `t${i}`, quiet),
      );
      const start = performance.now();
      for (const device of devices) device.destroy();
      expect(performance.now() - start).toBeLessThan(100);
      await host.settled();
    }
    expect(openDescriptors()).toBeLessThanOrEqual(before);
    expect(ipJson('-n', t.box.netnsOf(vnets[0]!).name, 'link')).toHaveLength(1);
  });

  it('work in a namespace given by descriptor or path', async () => {
    const vnet = t.box.vnet();
    const path = t.box.netnsOf(vnet).path;
    const fd = t.box.netnsOf(vnet).open();
    expect(t.box.host({ netnsOf: () => path }).createEthernet(vnet, 'byPath', quiet).name).toBe('byPath');
    expect(t.box.host({ netnsOf: () => fd }).createEthernet(vnet, 'byFd', quiet).name).toBe('byFd');
    const names = ipJson('-n', t.box.netnsOf(vnet).name, 'link').map((link) => link.ifname);
    expect(names).toEqual(['lo', 'byPath', 'byFd']);
    (await import('node:fs')).closeSync(fd);
    expect(
      code(() => t.box.host({ netnsOf: () => '/etc/passwd' }).createEthernet(vnet, 'x', quiet)).code,
    ).toBe('EINVAL');
    expect(
      code(() => t.box.host({ netnsOf: () => 'nobody-made' }).createEthernet(vnet, 'x', quiet)).code,
    ).toBe('ENOENT');
  });

  it('are refused to who is not root, by name of what failed', () => {
    const addon = fileURLToPath(new URL('../../native-bindings/index.cjs', import.meta.url));
    const script = `
      const addon = require(${JSON.stringify(addon)});
      process.setegid(65534); process.seteuid(65534);
      for (const work of [() => addon.tapOpen('/proc/self/ns/net', 'ngx', true), () => addon.netnsAnonymous()]) {
        try { work(); console.log('allowed'); } catch (error) { console.log(error.code, error.syscall, error.message); }
      }`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout + stderr).toMatch(
      /^(EPERM|EACCES) \w+ (EPERM|EACCES): .*\nEPERM unshare EPERM: operation not permitted, unshare/i,
    );
  });
});
