import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJail } from '../../src/cli/jail/options.js';
import { Parameters, quoteValue } from '../../src/cli/jail/parameters.js';

const of = (...words: string[]) => {
  const parameters = new Parameters();
  for (const word of words) parameters.add(word);
  return parameters;
};

describe('parameters of jail(8)', () => {
  it('reach the daemon in its words', () => {
    const words = [
      'name=demo',
      'host.hostname=demo.example.net',
      'vnet',
      'persist',
      'children.max=2',
      'path=/',
    ];
    expect(of(...words).forDaemon()).toEqual({
      name: 'demo',
      'host.hostname': 'demo.example.net',
      vnet: 'new',
      persist: 'true',
      'children.max': '2',
      path: '/',
    });
  });

  it('may be negative, and the later one counts', () => {
    expect(of('persist', 'nopersist', 'novnet').forDaemon()).toEqual({ persist: 'false', vnet: 'inherit' });
    expect(of('nopersist', 'persist=1').forDaemon()).toEqual({ persist: 'true' });
    expect(of('vnet=inherit', 'vnet=new').forDaemon()).toEqual({ vnet: 'new' });
    expect(of('exec.noclean').boolean('exec.clean')).toBe(false);
  });

  it('of the command itself stay here', () => {
    const parameters = of(
      'exec.start=sh /etc/rc',
      'exec.start=echo a,b',
      'vnet.interface=em0,em1',
      'allow.nomount',
    );
    expect(parameters.forDaemon()).toEqual({});
    expect(parameters.list('exec.start')).toEqual(['sh /etc/rc', 'echo a,b']);
    expect(parameters.list('vnet.interface')).toEqual(['em0', 'em1']);
  });

  it.each([
    ['foo', 'unknown parameter: foo'],
    ['foo=1', 'unknown parameter: foo'],
    ['noname=x', 'unknown parameter: noname'],
    ['persist=perhaps', 'persist: unknown boolean value "perhaps"'],
    ['vnet=some', 'vnet: unknown value "some"'],
    ['children.max=many', 'children.max: non-integer value "many"'],
  ])('%s is refused: %s', (word, message) => {
    expect(() => of(word)).toThrow(expect.objectContaining({ exitCode: 1, message }));
  });

  it('that would be a promise we do not keep are refused with what to do instead', () => {
    expect(() => of('ip4.addr=192.0.2.1')).toThrow(/^ip4\.addr: .*ifconfig -j/);
    expect(() => of('mount.fstab=/etc/fstab.x')).toThrow(/^mount\.fstab: /);
  });

  it('are quoted only where need be', () => {
    expect(['plain', '', 'two words', "it's", 'say "hi"', 'a\\b'].map(quoteValue)).toEqual([
      'plain',
      '""',
      '"two words"',
      `"it's"`,
      `'say "hi"'`,
      'a\\\\b',
    ]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        const quoted = quoteValue(text);
        const inner = /^["']/.test(quoted) ? quoted.slice(1, -1) : quoted;
        expect(inner.replace(/\\(.)/gs, '$1')).toBe(text);
      }),
    );
  });
});

describe('command lines of jail(8)', () => {
  it('are read as the manual page has them', () => {
    const options = parseJail(['-i', '-c', 'name=demo', 'host.hostname=demo.example.net', 'vnet', 'persist']);
    expect(options).toMatchObject({
      create: true,
      modify: false,
      remove: false,
      printId: true,
      verbosity: -1,
    });
    expect(options.parameters?.text('name')).toBe('demo');
  });

  it('combine what is to be done', () => {
    expect(parseJail(['-rc', 'name=a', 'vnet'])).toMatchObject({ create: true, remove: true });
    expect(parseJail(['-cmr', 'name=a', 'vnet'])).toMatchObject({ create: true, remove: true, modify: true });
    expect(parseJail(['-R', 'a', 'b'])).toMatchObject({ remove: true, bare: true, operands: ['a', 'b'] });
    expect(parseJail(['-r', '*'])).toMatchObject({ remove: true, operands: ['*'] });
    expect(parseJail(['-f', 'x.conf', '-c', 'a'])).toMatchObject({
      file: 'x.conf',
      create: true,
      operands: ['a'],
    });
    expect(parseJail(['-c']).parameters).toBeUndefined();
  });

  it('give command= the rest of the line', () => {
    const { parameters } = parseJail(['-c', 'vnet', 'command=sh', '-c', 'a=b; echo $a', 'name=x']);
    expect(parameters?.list('command')).toEqual(['sh', '-c', 'a=b; echo $a', 'name=x']);
    expect(parameters?.has('name')).toBe(false);
    expect(parseJail(['-c', 'vnet', 'command', 'ls']).parameters?.list('command')).toEqual(['ls']);
  });

  it('know options that stand for parameters', () => {
    const { parameters } = parseJail(['-l', '-u', 'www', '-n', 'web', '-s', '2', '-c', 'vnet']);
    expect(Object.fromEntries(parameters!.entries())).toEqual({
      'exec.clean': [],
      'exec.jail_user': ['www'],
      'exec.system_jail_user': [],
      name: ['web'],
      securelevel: ['2'],
      vnet: [],
    });
  });

  it('may be those of old', () => {
    const { create, oldStyle, parameters } = parseJail(['/', 'www.example.org', '', '/bin/sh', '-c', 'true']);
    expect({ create, oldStyle }).toEqual({ create: true, oldStyle: true });
    expect(parameters?.list('command')).toEqual(['/bin/sh', '-c', 'true']);
    expect(parameters?.text('host.hostname')).toBe('www.example.org');
  });

  it.each([[[]], [['name=a']], [['-r']], [['-r', 'name=a']], [['-x']], [['-R', '-c', 'a=b']], [['-J']]])(
    '%j is a usage error',
    (argv) => {
      expect(() => parseJail(argv)).toThrow(expect.objectContaining({ name: 'UsageError' }));
    },
  );
});
