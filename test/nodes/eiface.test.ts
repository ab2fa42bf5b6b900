import { describe, expect, it } from 'vitest';
import { Frame, Message, VNET_HEADER } from '../../src/netgraph/index.js';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

const frame = (length = 60) => 'x'.repeat(length);

function withInterface() {
  const world = simulatedWorld();
  const me = new Program(world);
  me.mkpeer('.', 'eiface', 'e', 'ether');
  return { world, me, device: world.devices.all[0] };
}

describe('eiface', () => {
  it('makes an interface of its vnet, with the lowest free number, and is named like it', () => {
    const { world, me } = withInterface();
    me.mkpeer('.', 'eiface', 'f', 'ether');
    expect(world.devices.all.map(({ name }) => name)).toEqual(['ngeth0', 'ngeth1']);
    me.msg('ngeth0:', 'shutdown');
    me.mkpeer('.', 'eiface', 'g', 'ether');
    expect(me.msg('g', 'getifname')).toBe('"ngeth0"');
    const inside = new Program(world, world.jails.create('jail').vnet);
    inside.mkpeer('.', 'eiface', 'e', 'ether');
    expect(inside.msg('ngeth0:', 'getifname')).toBe('"ngeth0"');
  });

  it('leaves out names that other interfaces have', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    world.devices.createEthernet(world.vnet0, 'ngeth0', { receive: () => {}, gone: () => {} });
    me.mkpeer('.', 'eiface', 'e', 'ether');
    expect(me.msg('e', 'getifname')).toBe('"ngeth1"');
  });

  it('does not try the names one after the other that others have', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    for (let unit = 0; unit < 1000; unit++)
      if (unit !== 900)
        world.devices.createEthernet(world.vnet0, `ngeth${unit}`, { receive: () => {}, gone: () => {} });
    world.devices.attempts = 0;
    for (const [hook, name] of Object.entries({ e: 'ngeth900', f: 'ngeth1000' })) {
      me.mkpeer('.', 'eiface', hook, 'ether');
      expect(me.msg(hook, 'getifname')).toBe(`"${name}"`);
    }
    expect(world.devices.attempts).toBe(4);
  });

  it('goes without a name when a node has it', () => {
    const world = simulatedWorld();
    const me = new Program(world);
    me.name('.', 'ngeth0');
    me.mkpeer('.', 'eiface', 'e', 'ether');
    expect(me.msg('e', 'nodeinfo')).toBe('{ type="eiface" id=0x2 hooks=1 }');
    expect(world.log[0]).toContain('the node goes without a name');
  });

  it('passes frames between the graph and the network stack', () => {
    const { me, device } = withInterface();
    expect(me.send('e', frame())).toBe(0);
    expect(device.received.map(({ length }) => length)).toEqual([60]);
    device.inject(Buffer.from('from the stack'));
    expect(me.received()).toEqual(['e:from the stack']);
  });

  it('without offloads hands on what is as on a wire already as it is, not a copy', () => {
    const { me, device } = withInterface();
    me.msg('e', 'setoffload', '0');
    const handed: Frame[] = [];
    device.transmit = (one) => handed.push(one) * 0;
    const ready = new Frame(new Uint8Array(VNET_HEADER + 60), VNET_HEADER, 60, true);
    me.node.findHook('e')!.send(ready);
    expect(handed[0]).toBe(ready);
  });

  it('that is down drops frames: ENETDOWN; and frames without a whole header: EINVAL', () => {
    const { me, device } = withInterface();
    expect([me.send('e', frame(13)), me.send('e', frame(14))]).toEqual(['EINVAL', 0]);
    device.up = false;
    expect(me.send('e', frame())).toBe('ENETDOWN');
  });

  it('has one hook, ether: others are EPFNOSUPPORT, a second one EEXIST', () => {
    const { me } = withInterface();
    const connect = (peerhook: string) =>
      me.refusal('.', 'connect', `{ path="ngeth0:" ourhook="x" peerhook="${peerhook}" }`);
    expect([connect('other'), connect('ether')]).toEqual(['EPFNOSUPPORT', 'EEXIST']);
  });

  it('has a link while its hook is connected, and stays without it', () => {
    const { me, device } = withInterface();
    expect(device.carrier).toBe(true);
    me.msg('.', 'rmhook', '{ hook="e" }');
    expect(device.carrier).toBe(false);
    device.inject(Buffer.from('to nobody'));
    me.connect('.', 'ngeth0:', 'again', 'ether');
    expect(device.carrier).toBe(true);
  });

  it('takes its interface along when it is shut down', () => {
    const { world, me } = withInterface();
    me.msg('ngeth0:', 'shutdown');
    expect(world.devices.all).toEqual([]);
    expect(me.msg('.', 'nodeinfo')).toBe('{ type="socket" id=0x1 }');
  });

  it('goes when somebody else deletes its interface', () => {
    const { world, me, device } = withInterface();
    device.remove();
    expect(world.graph.count(world.vnet0)).toBe(1);
    expect(me.msg('.', 'nodeinfo')).toBe('{ type="socket" id=0x1 }');
    me.mkpeer('.', 'eiface', 'e', 'ether');
    expect(me.msg('e', 'getifname')).toBe('"ngeth0"');
  });

  it('counts what its stack sent and the graph lost', () => {
    const { me, device } = withInterface();
    device.inject(new Uint8Array(60));
    me.data.socket.owner.data = () => 55;
    device.inject(new Uint8Array(60));
    me.msg('.', 'rmhook', '{ hook="e" }');
    for (let i = 0; i < 2; i++) device.inject(new Uint8Array(60));
    expect(me.msg('ngeth0:', 'getstats')).toBe('{ dropNoHook=2 dropRefused=1 }');
  });

  it('sets the address of the interface', () => {
    const { me, device } = withInterface();
    me.msg('e', 'set', '02:00:00:11:22:33');
    expect([...device.mac]).toEqual([2, 0, 0, 0x11, 0x22, 0x33]);
    expect(me.refusal('e', 'set', '02:00')).toBe('EINVAL');
  });

  it('tells the addresses of the interface as packed sockaddrs (NGM_EIFACE_GET_IFADDRS)', () => {
    const { me, device } = withInterface();
    device.addressList = [
      { family: 'inet', address: Uint8Array.of(10, 0, 0, 1) },
      { family: 'inet6', address: new Uint8Array(16).fill(0xfe) },
    ];
    me.control.send('e', new Message(948105892, 2));
    const { data } = me.control.inbox.pop()!.message;
    const text = Buffer.from(data).toString('hex');
    expect(data.length).toBe(56 + 16 + 32);
    expect(text.slice(0, 4)).toBe('3612');
    expect(text).toContain(
      `${Buffer.from('ngeth0').toString('hex')}${Buffer.from(device.mac).toString('hex')}`,
    );
    expect(text.slice(112)).toBe(
      `1002${'0000'}0a000001${'00'.repeat(8)}1c1c${'00'.repeat(6)}${'fe'.repeat(16)}${'00'.repeat(8)}`,
    );
  });

  it('follows a renaming of the interface in getifname; the node keeps its name', () => {
    const { me, device } = withInterface();
    device.name = 'lan0';
    expect(me.msg('ngeth0:', 'getifname')).toBe('"lan0"');
  });
});
