import { describe, expect, it } from 'vitest';
import { parseIPv6 } from '../../src/cli/ifconfig/address.js';
import { showLink, splitAlias } from '../../src/cli/ifconfig/show.js';
import { type Address, IFA_F, type Link } from '../../src/linux/rtnetlink.js';

const eiface: Link = {
  index: 26,
  name: 'ngeth0a',
  up: true,
  lowerUp: true,
  mtu: 1500,
  address: new Uint8Array([0x58, 0x9c, 0xfc, 0x10, 0xff, 0xc0]),
  type: 1,
  kind: 'tun',
  group: 0,
  alias: 'netgraph:/run/netgraph to the world',
  master: 0,
  flags: 0x11043,
};
const inet: Address = {
  index: 26,
  family: 'inet',
  address: new Uint8Array([192, 168, 128, 1]),
  prefix: 30,
  broadcast: new Uint8Array([192, 168, 128, 3]),
  flags: 0,
};
const inet6: Address = {
  index: 26,
  family: 'inet6',
  address: parseIPv6('fe80::1')!,
  prefix: 64,
  flags: 0x80,
};

describe('ifconfig(8) shows', () => {
  it('an Ethernet interface', () => {
    expect(showLink(eiface, [inet6, inet, { ...inet, index: 1 }])).toBe(
      `ngeth0a: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\tdescription: to the world
\tether 58:9c:fc:10:ff:c0
\tinet 192.168.128.1 netmask 0xfffffffc broadcast 192.168.128.3
\tinet6 fe80::1%ngeth0a prefixlen 64 scopeid 0x1a
\tmedia: Ethernet autoselect
\tstatus: active
`,
    );
  });

  it('one that is down and has no carrier', () => {
    const link = { ...eiface, flags: 0x1002, up: false, lowerUp: false, alias: '' };
    expect(showLink(link, [], { driver: true })).toBe(
      `ngeth0a: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tether 58:9c:fc:10:ff:c0
\tmedia: Ethernet autoselect
\tstatus: no carrier
\tdrivername: ngeth0a
`,
    );
  });

  it('the loopback interface', () => {
    const lo = {
      ...eiface,
      index: 1,
      name: 'lo',
      type: 772,
      kind: '',
      alias: '',
      mtu: 65536,
      flags: 0x10049,
    };
    const own = {
      ...inet,
      index: 1,
      address: new Uint8Array([127, 0, 0, 1]),
      prefix: 8,
      broadcast: undefined,
    };
    expect(showLink(lo, [own])).toBe(
      `lo: flags=1000049<UP,LOOPBACK,RUNNING,LOWER_UP> metric 0 mtu 65536
\tinet 127.0.0.1 netmask 0xff000000
\tgroups: lo
`,
    );
  });

  it('one family only, and in other formats', () => {
    const lines = (family: 'inet' | 'inet6' | 'ether', formats = {}) =>
      showLink(eiface, [inet, { ...inet6, flags: IFA_F.TENTATIVE }], { family, formats })
        .split('\n')
        .slice(2, -1);
    expect(lines('inet')).toEqual(['\tinet 192.168.128.1 netmask 0xfffffffc broadcast 192.168.128.3']);
    expect(lines('inet', { inet: 'cidr' })).toEqual(['\tinet 192.168.128.1/30 broadcast 192.168.128.3']);
    expect(lines('inet', { inet: 'dotted' })).toEqual([
      '\tinet 192.168.128.1 netmask 255.255.255.252 broadcast 192.168.128.3',
    ]);
    expect(lines('inet6', { inet6: 'cidr' })).toEqual(['\tinet6 fe80::1%ngeth0a/64 tentative scopeid 0x1a']);
    expect(lines('ether', { ether: 'dash' })).toEqual(['\tether 58-9c-fc-10-ff-c0']);
  });

  it('no mark of the daemon as a description', () => {
    expect(splitAlias('netgraph:/run/netgraph')).toEqual({ mark: 'netgraph:/run/netgraph', text: '' });
    expect(splitAlias('a description')).toEqual({ mark: '', text: 'a description' });
  });
});
