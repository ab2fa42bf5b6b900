import { afterEach, expect, it } from 'vitest';
import { Message, type NetgraphClient, NgError } from '../../src/client/index.js';
import { FLOW_COOKIE, FlowMessages } from '../../src/netgraph/index.js';
import { eiface } from '../../src/nodes/eiface.js';
import { machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';
import { getStats } from './lab.js';

/** A broadcast frame of a type that no network stack knows. */
function strange(): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
  return frame;
}

/** Code of the error with which a promise is rejected. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error) => (error instanceof NgError ? error.code : String(error)),
  );

describeReal('an eiface', () => {
  const t = machine();

  afterEach(async () => {
    const defects = 'grep -E "uncaught|unhandled|Error" /run/netgraph/daemon.log';
    expect(await t.box.sh(defects)).toBe('(exit 1)\n');
  });

  /** Makes an eiface, which stays, and returns the name of its interface. */
  async function make(client: NetgraphClient): Promise<string> {
    await client.mkpeer('.', 'eiface', 'new', 'ether');
    const name = JSON.parse((await client.msg('new', 'getifname'))!);
    await client.rmhook('.', 'new');
    return name;
  }

  /** The flags, name and so on of an interface as `ip -o link` shows them; of the host, or of a jail. */
  const link = (name: string, jail?: string) =>
    t.box.sh(`ip ${jail === undefined ? '' : `-n ${jail}`} -o link show ${name}`);

  const mac = async (name: string, jail?: string) => /ether (\S+)/.exec(await link(name, jail))![1];

  const nodes = async (client: NetgraphClient) =>
    (await client.listNodes()).filter(({ type }) => type === 'eiface').map(({ name }) => name);

  const jail = async (name: string) => {
    expect(await t.box.sh(`jail -c name=${name} vnet persist`)).toBe('');
    return t.box.client({ jail: name });
  };

  it('takes the lowest free name of its vnet, around interfaces that others made', async () => {
    const host = await t.box.client();
    const inside = await jail('left');
    const names = async (client: NetgraphClient, count: number) => {
      const made: string[] = [];
      for (let i = 0; i < count; i++) made.push(await make(client));
      return made;
    };
    expect(await names(host, 3)).toEqual(['ngeth0', 'ngeth1', 'ngeth2']);
    expect(await names(inside, 2)).toEqual(['ngeth0', 'ngeth1']);
    await host.shutdown('ngeth1:');
    expect(await names(host, 2)).toEqual(['ngeth1', 'ngeth3']);
    await t.box.sh('ip link add ngeth4 type bridge');
    expect(await names(host, 2)).toEqual(['ngeth5', 'ngeth6']);
    expect(await t.box.sh('ip link del ngeth4')).toBe('');
    expect(await names(host, 1)).toEqual(['ngeth4']);
    expect(await names(inside, 1)).toEqual(['ngeth2']);
    // A renamed one has its number still.
    expect(await t.box.sh('ip link set ngeth0 name lan0')).toBe('');
    expect(await names(host, 1)).toEqual(['ngeth7']);
    expect(await t.box.sh('ip -o link show type tun | grep -c .')).toBe('8\n');
  });

  it('has an address that comes back with its name, and that no other vnet has', async () => {
    const clients = { left: await jail('left'), right: await jail('right') };
    const host = await t.box.client();
    for (const client of [host, ...Object.values(clients)]) for (let i = 0; i < 3; i++) await make(client);
    const addresses = async () => {
      const all: string[] = [];
      for (const vnet of [undefined, 'left', 'right'])
        for (let i = 0; i < 3; i++) all.push(await mac(`ngeth${i}`, vnet));
      return all;
    };
    const before = await addresses();
    expect(new Set(before).size).toBe(9);
    for (const address of before) expect(address).toMatch(/^58:9c:fc:/);

    for (const path of ['ngeth0:', 'ngeth2:']) await clients.left.shutdown(path);
    await host.shutdown('ngeth1:');
    for (const client of [clients.left, clients.left, host]) await make(client);
    expect(await addresses()).toEqual(before);

    await t.box.sh('jail -r left');
    clients.left = await jail('left');
    for (let i = 0; i < 3; i++) await make(clients.left);
    expect(await addresses()).toEqual(before);

    await t.box.sh('netgraph stop');
    for (const name of ['left', 'right']) await t.box.sh(`jail -c name=${name} vnet persist`);
    for (const options of [{}, { jail: 'left' }, { jail: 'right' }]) {
      const client = await t.box.client(options);
      for (let i = 0; i < 3; i++) await make(client);
    }
    expect(await addresses()).toEqual(before);
  });

  it('sets its address, up or down, and refuses those that no interface may have', async () => {
    const host = await t.box.client();
    await make(host);
    await host.msg('ngeth0:', 'set', '02:00:00:00:00:0a');
    expect(await mac('ngeth0')).toBe('02:00:00:00:00:0a');
    await t.box.sh('ip link set ngeth0 up');
    await host.msg('ngeth0:', 'set', '02:00:00:00:00:0b');
    expect(await mac('ngeth0')).toBe('02:00:00:00:00:0b');
    expect(await refusal(host.msg('ngeth0:', 'set', '01:00:5e:00:00:01'))).toBe('EADDRNOTAVAIL');
    expect(await refusal(host.send('ngeth0:', new Message(eiface.cookie, 3, new Uint8Array(5))))).toBe(
      'EINVAL',
    );
    expect(await mac('ngeth0')).toBe('02:00:00:00:00:0b');
  });

  it('tells its name and addresses as they are now', async () => {
    const host = await t.box.client();
    await make(host);
    const getifaddrs = async () => {
      const { message } = await host.request('ngeth0:', new Message(eiface.cookie, 2));
      return Buffer.from(message.data).toString('hex');
    };
    const address = await mac('ngeth0');
    // struct sockaddr_dl: length 54, AF_LINK, index 0, IFT_ETHER, lengths of name and address; padded to 56.
    const linkLevel = (name: string) =>
      `3612${'0000'}06${Buffer.of(name.length, 6, 0).toString('hex')}${Buffer.from(name).toString('hex')}` +
      `${address.replaceAll(':', '')}`.padEnd(2 * (56 - 8 - name.length), '0');
    expect(await getifaddrs()).toBe(linkLevel('ngeth0'));

    await t.box.sh(`
      echo 1 >/proc/sys/net/ipv6/conf/ngeth0/addr_gen_mode
      ip link set ngeth0 name lan
      ip address add 192.0.2.1/24 dev lan
      ip address add 198.51.100.7/31 dev lan
      ip address add 2001:db8::1/64 dev lan nodad
      ip link set lan up`);
    expect(await host.msg('ngeth0:', 'getifname')).toBe('"lan"');
    const inet = (hex: string) => `1002${'0000'}${hex}${'00'.repeat(8)}`;
    const inet6 = (hex: string) => `1c1c${'00'.repeat(6)}${hex}${'00'.repeat(4)}${'00'.repeat(4)}`;
    expect(await getifaddrs()).toBe(
      linkLevel('lan') + inet('c0000201') + inet('c6336407') + inet6(`20010db8${'00'.repeat(11)}01`),
    );
    expect((await host.request('ngeth0:', new Message(eiface.cookie, 1))).message.data.length).toBe(16);
  });

  it('has a carrier while its hook is connected, unless flow messages say otherwise, and stays without', async () => {
    const host = await t.box.client();
    await make(host);
    await t.box.sh('ip link set ngeth0 up');
    const carrier = async () => {
      const flags = await link('ngeth0');
      return [flags.includes('LOWER_UP'), flags.includes('NO-CARRIER')];
    };
    const [ON, OFF] = [
      [true, false],
      [false, true],
    ];
    const tell = ({ cmd }: { cmd: number }, path = 'ngeth0:') =>
      host.send(path, new Message(FLOW_COOKIE, cmd));
    expect(await carrier()).toEqual(OFF);
    await host.connectNodes('.', 'ngeth0:', 'e', 'ether');
    expect(await carrier()).toEqual(ON);
    await tell(FlowMessages.link_is_down);
    expect(await carrier()).toEqual(OFF);
    await tell(FlowMessages.link_is_up, 'e');
    expect(await carrier()).toEqual(ON);
    await host.close();
    expect(await carrier()).toEqual(OFF);
    expect(await t.box.sh('ngctl list | grep -c eiface')).toBe('1\n');
    expect(await t.box.sh('ngctl mkpeer ngeth0: hub ether x')).toBe('');
    expect(await carrier()).toEqual(ON);
    // Link management travels along hooks: here from the far side of a tee, which then takes itself out.
    expect(await t.box.sh('ngctl shutdown ngeth0:ether; ngctl mkpeer ngeth0: tee ether left')).toBe('');
    const other = await t.box.client();
    await other.connectNodes('.', 'ngeth0:ether', 'link', 'right');
    await other.send('link', new Message(FLOW_COOKIE, FlowMessages.link_is_down.cmd));
    expect(await carrier()).toEqual(OFF);
    await other.send('link', new Message(FLOW_COOKIE, FlowMessages.link_is_up.cmd));
    expect(await t.box.sh('ngctl shutdown ngeth0:ether')).toBe('');
    expect(await other.listHooks('ngeth0:')).toMatchObject({ linkinfo: [{ peerhook: 'link' }] });
    expect(await carrier()).toEqual(ON);
  });

  it('that is down drops frames, counts them, and tells the sender: ENETDOWN', async () => {
    const host = await t.box.client();
    await make(host);
    await host.connectNodes('.', 'ngeth0:', 'e', 'ether');
    expect(await refusal(host.sendData('e', strange()))).toBe('ENETDOWN');
    expect(await refusal(host.sendData('e', strange()))).toBe('ENETDOWN');
    expect(await getStats(host)).toMatchObject({ txFrames: 0, txOctets: 0, dropDown: 2 });
    await t.box.sh('ip link set ngeth0 up');
    await until(async () => (await refusal(host.sendData('e', strange()))) === 'none');
    const { dropDown } = await getStats(host);
    expect(await getStats(host)).toMatchObject({ txFrames: 1, txOctets: 60 });
    await t.box.sh('ip link set ngeth0 down');
    await until(async () => (await refusal(host.sendData('e', strange()))) === 'ENETDOWN');
    expect((await getStats(host)).dropDown).toBeGreaterThan(dropDown);
    expect(await refusal(host.sendData('e', strange().subarray(0, 13)))).toBe('ENETDOWN');
  });

  it('moved to another jail forwards there as before, and goes with its node', async () => {
    const host = await t.box.client();
    await jail('left');
    await jail('right');
    expect(await t.box.sh('ngctl mkpeer eiface e ether; ngctl mkpeer eiface e ether')).toBe('');
    expect(await t.box.sh('ngctl connect ngeth0: ngeth1: ether ether')).toBe('');
    await t.box.sh('ifconfig ngeth0 inet 192.0.2.1/24 up');
    expect(await t.box.sh('ifconfig ngeth1 vnet left')).toBe('');
    expect(await t.box.sh('ifconfig -j left ngeth1 inet 192.0.2.2/24 up')).toBe('');
    const ping = (words: string) => t.box.sh(`ping -c 2 -i 0.05 -W 2 ${words} | grep -o '[0-9]* received'`);
    expect(await ping('192.0.2.2')).toBe('2 received\n');
    expect(await host.msg('ngeth1:', 'getifname')).toBe('"ngeth1"');

    // From jail to jail, with a new name; what happens there is noticed.
    expect(await t.box.sh('ip -n left link set ngeth1 netns right name far0')).toBe('');
    expect(await t.box.sh('ifconfig -j right far0 inet 192.0.2.3/24 up')).toBe('');
    expect(await ping('192.0.2.3')).toBe('2 received\n');
    expect(await host.msg('ngeth1:', 'getifname')).toBe('"far0"');
    await host.send('ngeth1:', new Message(FLOW_COOKIE, FlowMessages.link_is_down.cmd));
    expect(await link('far0', 'right')).toContain('NO-CARRIER');
    await t.box.sh('ip -n right link set far0 down');
    expect(await t.box.sh('ngctl rmhook ngeth1: ether')).toBe('');
    await host.connectNodes('.', 'ngeth1:', 'e', 'ether');
    await until(async () => (await refusal(host.sendData('e', strange()))) === 'ENETDOWN');

    expect(await t.box.sh('ngctl shutdown ngeth1:')).toBe('');
    expect(await link('far0', 'right')).toContain('does not exist');
    expect(await nodes(host)).toEqual(['ngeth0']);
    expect(await make(host)).toBe('ngeth1');
  });

  it('moved back and forth keeps its node, and goes with the jail that it is in last', async () => {
    const host = await t.box.client();
    await jail('left');
    await make(host);
    expect(await t.box.sh('ifconfig ngeth0 vnet left')).toBe('');
    expect(await t.box.sh('ifconfig ngeth0 -vnet left')).toBe('');
    expect(await link('ngeth0')).toContain('ngeth0');
    expect(await nodes(host)).toEqual(['ngeth0']);
    expect(await t.box.sh('ifconfig ngeth0 vnet left; jail -r left; ip netns list')).toBe('');
    await until(async () => (await nodes(host)).length === 0);
    expect(await make(host)).toBe('ngeth0');
  });

  it('takes its node along when somebody deletes the interface, wherever it is', async () => {
    const host = await t.box.client();
    const inside = await jail('left');
    for (const client of [host, host, inside]) await make(client);
    await host.mkpeer('ngeth0:', 'hub', 'ether', 'x');
    await host.name('ngeth0:ether', 'lan');
    await host.connectNodes('lan:', 'ngeth1:', 'y', 'ether');
    expect(await t.box.sh('ifconfig ngeth1 vnet left; ip -n left link set ngeth1 name moved')).toBe('');
    expect(await t.box.sh('ip link del ngeth0')).toBe('');
    await until(async () => (await nodes(host)).length === 1);
    expect(await host.listHooks('lan:')).toMatchObject({ nodeinfo: { hooks: 1 } });
    expect(await t.box.sh('ip -n left link del moved; ip -n left link del ngeth0')).toBe('');
    await until(async () => (await nodes(host)).length === 0);
    await until(async () => (await nodes(inside)).length === 0);
    // The hub lost its last hook.
    expect(await refusal(host.nodeInfo('lan:'))).toBe('ENOENT');
    expect([await make(host), await make(inside)]).toEqual(['ngeth0', 'ngeth0']);
    expect(await t.box.sh('ip -o link show type tun | grep -c .')).toBe('1\n');
  });
});
