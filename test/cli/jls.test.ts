import { describe, expect, it } from 'vitest';
import { formatJails, jailsAsJson } from '../../src/cli/jls/format.js';
import { parseJls } from '../../src/cli/jls/main.js';
import { type ListedJail, withChildren } from '../../src/cli/jls/parameters.js';

const demo: ListedJail = {
  jid: 1,
  name: 'demo',
  parent: 0,
  hostname: 'demo.example.net',
  path: '/',
  vnet: 'new',
  persist: true,
  childrenMax: 2,
  childrenCur: 1,
  netns: '/run/netns/demo',
  uts: '/run/netgraph/uts/demo',
  adopted: false,
};
const shared: ListedJail = {
  ...demo,
  jid: 12,
  name: 'a-rather-long-name',
  hostname: 'a.hostname.longer.than.its.column.example.net',
  path: '/jails/my "own"',
  vnet: 'inherit',
  persist: false,
};

const jls = (...argv: string[]) => formatJails([demo, shared], parseJls(argv).form);

describe('jls(8)', () => {
  it('shows a table', () => {
    expect(jls()).toBe(
      [
        '   JID  IP Address      Hostname                      Path',
        '     1                  demo.example.net              /',
        '    12                  a.hostname.longer.than.its.co /jails/my "own"',
        '',
      ].join('\n'),
    );
    expect(formatJails([], parseJls([]).form)).toBe(
      '   JID  IP Address      Hostname                      Path\n',
    );
  });

  it('shows names in the table with -N', () => {
    expect(jls('-N')).toBe(
      [
        ' JID             IP Address      Hostname                      Path',
        ' demo                            demo.example.net              /',
        ' a-rather-long-name                 a.hostname.longer.than.its.co /jails/my "own"',
        '',
      ].join('\n'),
    );
  });

  it('shows several lines for each with -v', () => {
    expect(formatJails([demo], parseJls(['-v']).form)).toBe(
      [
        '   JID  Hostname                      Path',
        '        Name                          State',
        '        CPUSetID',
        '        IP Address(es)',
        '     1  demo.example.net              /',
        '        demo                          ACTIVE',
        '        0',
        '',
      ].join('\n'),
    );
  });

  it('shows the parameters asked for', () => {
    expect(jls('name')).toBe('demo\na-rather-long-name\n');
    expect(jls('jid', 'vnet', 'ip4.addr')).toBe('1 new -\n12 inherit -\n');
    expect(jls('-n', 'jid', 'name', 'persist')).toBe(
      'jid=1 name=demo persist\njid=12 name=a-rather-long-name nopersist\n',
    );
    expect(jls('-h', 'jid', 'path')).toBe('jid path\n1 /\n12 /jails/my "own"\n');
    expect(jls('-q', 'path', 'ip4.addr')).toBe('/ ""\n\'/jails/my "own"\' ""\n');
  });

  it('shows all of them with -h, -n or -s alone', () => {
    expect(jls('-h').split('\n')[0]).toBe(
      'adopted dying host ip4 ip6 jid name netns parent path persist uts vnet children.cur children.max cpuset.id host.hostname ip4.addr ip6.addr',
    );
    expect(formatJails([demo], parseJls(['-n']).form)).toBe(
      'noadopted nodying host=new ip4=new ip6=new jid=1 name=demo netns=/run/netns/demo parent=0 path=/ persist ' +
        'uts=/run/netgraph/uts/demo vnet=new children.cur=1 children.max=2 cpuset.id=0 host.hostname=demo.example.net ip4.addr= ip6.addr=\n',
    );
    expect(formatJails([demo], parseJls(['-s']).form)).toBe(
      'host=new ip4=new ip6=new jid=1 name=demo path=/ persist vnet=new children.max=2 host.hostname=demo.example.net\n',
    );
    expect(formatJails([{ ...demo, adopted: true }], parseJls(['-s', 'netns', 'uts']).form)).toBe(
      'netns=/run/netns/demo\n',
    );
  });

  it('counts the jails inside one, however deep', () => {
    const jails = [demo, { ...demo, jid: 2, parent: 1 }, { ...demo, jid: 3, parent: 2 }, shared];
    expect(withChildren(jails).map(({ childrenCur }) => childrenCur)).toEqual([2, 1, 0, 0]);
  });

  it('lets the later of options that exclude each other count', () => {
    expect(parseJls(['-n', '-v']).form.kind).toBe('verbose');
    expect(parseJls(['-v', '-h']).form).toMatchObject({ kind: 'values', header: true });
    expect(parseJls(['-v', 'name']).form.kind).toBe('values');
    expect(parseJls(['-dj', 'demo', 'jid'])).toMatchObject({ jail: 'demo', form: { parameters: ['jid'] } });
    expect(parseJls(['-c', '-j', '5'])).toMatchObject({ jail: '5', checkOnly: true });
  });

  it('speaks JSON', () => {
    const json = (...argv: string[]) => {
      const { form, json: style } = parseJls(argv);
      return JSON.parse(jailsAsJson([demo], form, style === 'pretty'));
    };
    const first = { jid: 1, ipv4: '', hostname: 'demo.example.net', path: '/' };
    const document = { __version: '2', 'jail-information': { jail: [first] } };
    expect(json('--libxo', 'json')).toEqual(document);
    expect(json('--libxo=json,pretty')).toEqual(document);
    expect(json('--libxo:J', 'jid', 'persist')['jail-information'].jail).toEqual([
      { jid: '1', persist: true },
    ]);
    expect(parseJls(['--libxo', 'json,pretty']).json).toBe('pretty');
  });

  it('refuses what it does not know', () => {
    expect(() => parseJls(['colour'])).toThrow(
      expect.objectContaining({ exitCode: 1, message: 'unknown parameter: colour' }),
    );
    expect(() => parseJls(['-z'])).toThrow('illegal option -- z');
    expect(() => parseJls(['--libxo', 'xml'])).toThrow('--libxo xml: only json and text are there');
  });
});
