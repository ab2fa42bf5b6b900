import { expect, it } from 'vitest';
import { Namespace } from '../../src/linux/index.js';
import { Frame } from '../../src/netgraph/frame.js';
import { errno } from '../../src/netgraph/index.js';
import { cpuShare, describeFrames, ip, ipJson, openDescriptors, quiet, sleep, until } from './root.js';

const frame = () =>
  new Frame(Uint8Array.from([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, 0, 0]));

describeFrames('interfaces that others take away', (t) => {
  /** An interface that counts how often it is told of its end. */
  function counted(host = t.box.host(), vnet = t.box.vnet(), name = 'e0') {
    const told = { gone: 0 };
    const device = host.createEthernet(vnet, name, { receive() {}, gone: () => void told.gone++ });
    return { told, device, host, vnet, netns: t.box.netnsOf(vnet).name };
  }

  it('are told gone once when the link is deleted, and the program does not spin', async () => {
    for (const up of [false, true]) {
      const { told, device, netns, host } = counted();
      if (up) ip('-n', netns, 'link', 'set', 'e0', 'up');
      await until(() => device.up === up);
      ip('-n', netns, 'link', 'del', 'e0');
      expect(device.transmit(frame())).toBe(up ? 0 : errno('ENETDOWN'));
      host.flush();
      await until(() => told.gone === 1);
      expect(await cpuShare(200)).toBeLessThan(0.3);
      expect(told.gone).toBe(1);
      expect(device).toMatchObject({ name: 'e0', up: false });
      expect(device.transmit(frame())).toBe(errno('ENETDOWN'));
      device.destroy();
      await host.settled();
      expect(told.gone).toBe(1);
      expect(device.counters.dropGone).toBeGreaterThanOrEqual(1);
    }
  });

  it('leave no descriptor, and let the others of the namespace go on', async () => {
    const first = counted();
    const other = counted(first.host, first.vnet, 'e1');
    const before = openDescriptors();
    ip('-n', first.netns, 'link', 'del', 'e0');
    await until(() => first.told.gone === 1);
    await first.host.settled();
    expect(openDescriptors()).toBe(before - 1);
    ip('-n', first.netns, 'link', 'set', 'e1', 'up');
    await until(() => other.device.up);
    expect(other.told.gone).toBe(0);
    // The name is free again.
    counted(first.host, first.vnet, 'e0');
  });

  it('go with their namespace when `ip netns del` takes its name and nobody is in it', async () => {
    const { told, netns, host, device } = counted();
    const keeper = counted(host);
    const before = openDescriptors();
    ip('netns', 'del', netns);
    await until(() => told.gone === 1);
    await host.settled();
    expect(await cpuShare(200)).toBeLessThan(0.3);
    expect(openDescriptors()).toBeLessThan(before);
    expect(device.transmit(frame())).toBe(errno('ENETDOWN'));
    expect([told.gone, keeper.told.gone]).toEqual([1, 0]);
  });

  it('stay in a namespace without a name as long as a process is in it', async () => {
    const { told, netns, vnet, device } = counted();
    const namespace = t.box.netnsOf(vnet);
    const child = t.box.spawn('ip', 'netns', 'exec', netns, 'sleep', '60');
    await until(() => namespace.processes().length > 0);
    expect(namespace.processes()).toEqual([child.pid]);
    ip('netns', 'del', netns);
    await sleep(100);
    expect(told.gone).toBe(0);
    expect(device.name).toBe('e0');
    child.kill();
    await until(() => told.gone === 1);
  });

  it('go with the process whose namespace they are in', async () => {
    const child = t.box.spawn('unshare', '--net', 'sleep', '60');
    await until(() => Namespace.adopt(child.pid!).inode !== Namespace.adopt(process.pid).inode);
    const namespace = Namespace.adopt(child.pid!);
    const { told, device } = counted(t.box.host(), t.box.vnet(namespace));
    expect(device.name).toBe('e0');
    child.kill();
    await until(() => told.gone === 1);
    expect(namespace.linked).toBe(false);
  });

  it('are found where somebody moved them', async () => {
    const { told, device, netns, host } = counted();
    const other = t.box.netns();
    ip('-n', netns, 'link', 'set', 'e0', 'netns', other.name, 'name', 'moved');
    await until(() => device.name === 'moved');
    ip('-n', other.name, 'addr', 'add', '192.0.2.1/24', 'dev', 'moved');
    ip('-n', other.name, 'link', 'set', 'moved', 'up');
    await until(() => device.up);
    expect(device.addresses()[0]!.address).toEqual(Uint8Array.of(192, 0, 2, 1));
    expect(told.gone).toBe(0);
    device.destroy();
    await host.settled();
    expect(ipJson('-n', other.name, 'link').map((link) => link.ifname)).toEqual(['lo']);
    expect(told.gone).toBe(0);
  });

  it('are told when the first sign is a failing write, outside of the call that found out', async () => {
    const { told, device, netns, host } = counted();
    ip('-n', netns, 'link', 'set', 'e0', 'up');
    await until(() => device.up);
    ip('-n', netns, 'link', 'del', 'e0');
    device.transmit(frame());
    host.flush();
    expect(told.gone).toBe(0);
    await Promise.resolve();
    expect(told.gone).toBe(1);
    expect(device.counters).toMatchObject({ dropGone: 1, txFrames: 0, txOctets: 0 });
  });

  it('may be destroyed and made while a batch is handed out', async () => {
    const host = t.box.host();
    const vnet = t.box.vnet();
    const netns = t.box.netnsOf(vnet).name;
    let rounds = 0;
    const make = (): void => {
      const device = host.createEthernet(vnet, `r${rounds}`, {
        receive() {
          device.destroy();
          if (++rounds < 5) make();
        },
        gone() {},
      });
      setImmediate(() => ip('-n', netns, 'link', 'set', device.name, 'up'));
    };
    make();
    await until(() => rounds === 5);
    await host.settled();
    expect(ipJson('-n', netns, 'link')).toHaveLength(1);
  });

  it('end with close(), after which nothing of them is left', async () => {
    const before = openDescriptors();
    const host = t.box.host();
    const vnet = t.box.vnet();
    for (let i = 0; i < 10; i++) host.createEthernet(vnet, `e${i}`, quiet);
    await host.close();
    await host.close();
    expect(() => host.createEthernet(vnet, 'e0', quiet)).toThrow('closed');
    expect(ipJson('-n', t.box.netnsOf(vnet).name, 'link')).toHaveLength(1);
    await sleep(10);
    expect(openDescriptors()).toBeLessThanOrEqual(before);
  });
});
