import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConf, readConf } from '../../src/cli/jail/conf.js';
import { configuredJails } from '../../src/cli/jail/config.js';

/** Names and values of each jail of a text. */
const jails = (text: string) =>
  Object.fromEntries(
    configuredJails(parseConf(text, 'jail.conf')).map(({ name, parameters, failure, refusal }) => {
      const wrong = failure ?? refusal;
      if (wrong !== undefined) throw wrong;
      return [name, Object.fromEntries(parameters.entries())];
    }),
  );

describe('jail.conf(5)', () => {
  it('reads the example of its manual page', () => {
    const text = `
# Typical static defaults:
exec.start = "/bin/sh /etc/rc";
exec.stop = "/bin/sh /etc/rc.shutdown";
exec.clean;
mount.devfs;

// Base the path off the jail name.
path = "/var/jail/$name";

/* A typical
   jail. */
foo {
	host.hostname = "foo.com";
}
bar {
	exec.start = '';
	path = /;
	mount.nodevfs;
	persist;	// Required because there are no processes
}
`;
    expect(jails(text)).toEqual({
      foo: {
        name: ['foo'],
        'exec.start': ['/bin/sh /etc/rc'],
        'exec.stop': ['/bin/sh /etc/rc.shutdown'],
        'exec.clean': [],
        'mount.devfs': [],
        path: ['/var/jail/foo'],
        'host.hostname': ['foo.com'],
      },
      bar: {
        name: ['bar'],
        'exec.start': [''],
        'exec.stop': ['/bin/sh /etc/rc.shutdown'],
        'exec.clean': [],
        'mount.devfs': ['false'],
        path: ['/'],
        persist: [],
      },
    });
  });

  it('adds to lists, also those of a wildcard', () => {
    const text = 'exec.start = a, "b c"; x { exec.start += d; exec.start += e, f; } * { exec.start += g; }';
    expect(jails(text).x['exec.start']).toEqual(['a', 'b c', 'd', 'e', 'f', 'g']);
  });

  it('lets the later statement count', () => {
    expect(jails('* { path = /a; } x { path = /b; }').x.path).toEqual(['/b']);
    expect(jails('x { path = /b; } * { path = /a; }').x.path).toEqual(['/a']);
    expect(jails('x { persist; } * { nopersist; }').x.persist).toEqual(['false']);
    expect(jails('x { vnet; } x.y { novnet; } x.* { persist; }')).toMatchObject({
      x: { vnet: [] },
      'x.y': { vnet: ['inherit'], persist: [] },
    });
  });

  it('puts variables in, in the order of need', () => {
    const text = `
      host.hostname = "\${name}.$domain";
      $domain = "$tld.example";
      $tld = net;
      $ifs = em0, em1;
      x { vnet.interface = $ifs; exec.start = 'echo $name'; exec.stop = "echo \\$HOME $tld-\${host.hostname}"; }`;
    expect(jails(text).x).toMatchObject({
      'host.hostname': ['x.net.example'],
      'vnet.interface': ['em0', 'em1'],
      'exec.start': ['echo $name'],
      'exec.stop': ['echo $HOME net-x.net.example'],
    });
  });

  it('knows quotes and backslashes', () => {
    const text = String.raw`x { exec.start = "a\"b\tc\x41\101", 'it\'s', back\ slash, a"b c"d, "con\
tinued"; }`;
    expect(jails(text).x['exec.start']).toEqual(['a"b\tcAA', "it's", 'back slash', 'ab cd', 'continued']);
  });

  it('joins words and parts of them', () => {
    expect(jails(`$a = 1; x { path = /jails/$a/b-\${a}c; exec.start = /sbin/init+x; }`).x).toMatchObject({
      path: ['/jails/1/b-1c'],
      'exec.start': ['/sbin/init+x'],
    });
  });

  it.each([
    ['x { persist', 'jail.conf line 1: syntax error at end of file'],
    ['x {\npersist\n foo = ;\n}', 'jail.conf line 3: syntax error at a word'],
    ['x { exec.start = "a; }', 'jail.conf line 1: unterminated string'],
    ['/* x', 'jail.conf line 1: unterminated comment'],
    [`x { path = \${a\n; }`, 'jail.conf line 1: unterminated variable'],
    ['x { path = $a; }', 'path: variable "a" not found'],
    ['$a = $b; $b = "c$a"; x { path = $a; }', 'a: variable loop'],
    ['$a = 1, 2; x { path = "/$a"; }', 'path: array cannot be substituted inline'],
    ['$path = 1; x { path = /; }', 'variable "$path" cannot have the same name as a parameter.'],
    ['x { colour = red; }', 'unknown parameter: colour'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => jails(text)).toThrow(expect.objectContaining({ exitCode: 1, message }));
  });

  it('includes files by a pattern, in the order of their names', () => {
    const directory = mkdtempSync(join(tmpdir(), 'jail-conf-'));
    try {
      mkdirSync(join(directory, 'd'));
      writeFileSync(join(directory, 'd', '2.conf'), 'two { vnet; }');
      writeFileSync(join(directory, 'd', '1.conf'), 'one { vnet; }');
      writeFileSync(join(directory, 'd', 'other'), 'no { vnet; }');
      const main = join(directory, 'jail.conf');
      writeFileSync(
        main,
        `persist; .include "${directory}/d/*.conf"; .include "d/none*.conf"; three { vnet; }`,
      );
      const names = configuredJails(readConf(main)).map(({ name, parameters }) => [
        name,
        parameters.boolean('persist'),
      ]);
      expect(names).toEqual([
        ['one', true],
        ['two', true],
        ['three', true],
      ]);
      expect(() => readConf(join(directory, 'gone'))).toThrow(/^open .*gone: No such file or directory$/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
