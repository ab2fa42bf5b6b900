import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/cli/command.js';
import { parseConf, readConf } from '../../src/cli/jail/conf.js';
import { configuredJails } from '../../src/cli/jail/config.js';
import { applyParameters, type JailSettings } from '../../src/jail/parameters.js';
import { attributes, bytesOf, Interrupted, LITTLE, Request, sort, stringOf } from '../../src/linux/nlmsg.js';
import { busy, byteMutation, fuzz, oddNames, outcome, TIMEOUT, textMutation } from './support.js';

const confs = [
  'exec.start = "/bin/sh /etc/rc";\nexec.clean;\npath = "/var/jail/$name";\nfoo {\n\thost.hostname = "foo.com";\n}\n',
  `bar {\n path = /; persist; // why\n mount.nodevfs; exec.start = ''; } * { vnet; exec.start += "a b", c; }`,
  `$tld = net; $domain = "$tld.example"; x { host.hostname = "\${name}.$domain"; vnet.interface = em0, em1; }`,
  'x.y { novnet; children.max = 5; } x { /* c */ vnet = inherit; } # end',
  String.raw`x { exec.start = "a\"b\tc\x41\101", 'it\'s', back\ slash, a"b c"d, "con\
tinued"; }`,
];

const confWords = [
  ...[
    '{',
    '}',
    ';',
    '=',
    '+=',
    ',',
    '$',
    '${',
    '}',
    '"',
    "'",
    '\\',
    '\n',
    '#',
    '//',
    '/*',
    '*/',
    '*',
    '.*',
    '.include',
  ],
  ...[
    '$name',
    `\${path}`,
    '$a = "$b$b"; ',
    '$b = $a; ',
    'x { ',
    'y.* { ',
    'persist;',
    'nopersist;',
    'no',
    '\0',
    '\u{1f600}',
  ],
  ...oddNames,
];

describe('jail.conf(5)', { timeout: TIMEOUT }, () => {
  it('of any shape is understood, or refused with a line or a name', () => {
    let understood = 0;
    fuzz(fc.tuple(fc.constantFrom(...confs), textMutation(confWords)), 6000, ([text, mutate]) => {
      try {
        for (const { name, parameters } of configuredJails(parseConf(mutate(text), 'jail.conf'))) {
          expect(name).toBeTypeOf('string');
          expect(
            [...parameters.entries()].flatMap(([, values]) => values).every((one) => typeof one === 'string'),
          ).toBe(true);
        }
        understood++;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        expect(error.message).not.toBe('');
      }
    });
    expect(understood).toBeGreaterThan(200);
  });

  it('as long as it likes takes no longer than it must', () => {
    const long = 1 << 16;
    const start = busy();
    for (const part of [
      '{',
      '"',
      "'",
      '$',
      '\\',
      '/*',
      '#',
      'x;',
      'x{',
      'a=b,',
      '$a',
      '"$',
      `\${a}`,
      '+=',
      ' ',
      '\n',
      '"$a"',
    ])
      for (const head of ['', 'x {', 'x { path = "', 'x { path = ', '"']) {
        try {
          configuredJails(parseConf(head + part.repeat(long / part.length), 'jail.conf'));
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
        }
      }
    expect(busy() - start).toBeLessThan(15_000);
  });
});

describe('files that include one another', () => {
  it('are read so deep and no deeper', () => {
    const directory = mkdtempSync(join(tmpdir(), 'conf-'));
    const file = join(directory, 'jail.conf');
    try {
      writeFileSync(file, `x { persist; } .include "${file}";`);
      expect(() => readConf(file)).toThrow('maximum include depth exceeded');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('parameters of jails', { timeout: TIMEOUT }, () => {
  it('are settings, or refused', () => {
    const settings: JailSettings = {
      name: 'a',
      jid: undefined,
      hostname: '',
      path: '/',
      vnet: 'inherit',
      persist: false,
      childrenMax: 0,
      netns: undefined,
    };
    const name = fc.constantFrom(
      ...[
        'name',
        'jid',
        'vnet',
        'novnet',
        'persist',
        'nopersist',
        'path',
        'host.hostname',
        'children.max',
        'netns',
      ],
      ...['exec.start', 'mount', 'allow.x', 'command', ...oddNames],
    );
    const value = fc.oneof(
      fc.constantFrom(
        '',
        'true',
        'false',
        '0',
        '1',
        '-1',
        '1e9',
        '999999999',
        '1000000000',
        '/x',
        ...oddNames,
      ),
      fc.string({ unit: 'binary', maxLength: 70 }),
    );
    fuzz(fc.dictionary(name, value, { maxKeys: 4 }), 6000, (parameters) => {
      const found = outcome(() => applyParameters(settings, parameters));
      if ('refused' in found) expect(found.refused.code).toBe('EINVAL');
      else {
        expect(found.value.name).toMatch(/^[\w-]+$/);
        expect(Number.isInteger(found.value.childrenMax)).toBe(true);
        expect(found.value.path.startsWith('/')).toBe(true);
      }
    });
  });
});

describe('answers of netlink(7)', { timeout: TIMEOUT }, () => {
  const message = (type: number, flags: number, body: Uint8Array): Uint8Array => {
    const bytes = new Request(type, flags, body).attribute(1, Buffer.from('reason\0')).u32(2, 7).finish(3);
    return bytes;
  };
  const errorBody = Buffer.alloc(20);
  errorBody.writeInt32LE(-17);
  errorBody.writeUInt32LE(20, 4);
  const answers = [
    message(16, 2, new Uint8Array(16)),
    message(2, 0x200, errorBody),
    message(2, 0x300, errorBody),
    message(3, 2, new Uint8Array(4)),
    Buffer.concat([message(16, 2, new Uint8Array(16)), message(3, 0x200, errorBody)]),
  ];

  it('of any shape are sorted, attribute by attribute', () => {
    expect(LITTLE).toBe(true);
    let found = 0;
    fuzz(fc.tuple(fc.constantFrom(...answers), byteMutation), 8000, ([answer, mutate]) => {
      const bytes = mutate(answer);
      try {
        const { messages, errors } = sort(bytes);
        for (const { body } of messages)
          for (const [type, value] of attributes(body, 16)) {
            found++;
            expect(type).toBeLessThan(0x4000);
            expect(bytesOf(value).length + stringOf(value).length).toBeLessThanOrEqual(4 * bytes.length);
          }
        for (const error of errors.values()) expect(error.code).not.toBe('');
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
      }
    });
    expect(found).toBeGreaterThan(1000);
  });
});
