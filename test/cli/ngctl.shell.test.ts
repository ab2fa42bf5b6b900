import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { lines } from '../../src/cli/ngctl/lines.js';
import { splitMessage } from '../../src/cli/ngctl/msg.js';
import { Message } from '../../src/client/index.js';
import { GraphSocket } from '../client/graph-socket.js';
import { simulatedShell } from './ngctl-shell.js';

const ok = (output = '') => ({ output, rc: 0 });

describe('finding a command', () => {
  const { shell, output } = simulatedShell();
  it.each([
    ['list', 'list'],
    ['ls', 'ls'],
    ['l', 'list'],
    ['MKPEER', 'mkpeer'],
    ['mk', 'mkpeer'],
    ['shut', 'shutdown'],
    ['Shut', 'shutdown'],
    ['sho', 'show'],
    ['disc', 'rmhook'],
    ['rmn', 'shutdown'],
    ['.', 'read'],
    ['?', 'help'],
    ['w', 'write'],
    ['cm', 'msg'],
    ['j', 'connect'],
    ['gra', 'dot'],
    ['i', 'show'],
    ['e', 'quit'],
    ['so', 'read'],
    ['st', 'status'],
  ])('%s is %s', (word, command) => {
    const found = shell.find(word);
    expect(found).toBe(shell.find(command));
    expect(found).toBeDefined();
    expect(output()).toBe('');
  });

  it.each(['s', 'sh', 'co', 'conf', 'rm', 'c', 'd', 'n'])('%s', async (word) => {
    const found = shell.find(word);
    if (word === 'n') expect(found?.usage).toBe('name <path> <name>');
    else expect([found, output()]).toEqual([undefined, `ngctl: "${word}": ambiguous command\n`]);
  });

  it('fails for others', async () => {
    const { run } = simulatedShell();
    expect(await run('lists')).toEqual({ output: 'ngctl: "lists": unknown command\n', rc: 2 });
    expect(await run('# nothing')).toEqual({ output: 'ngctl: "#": unknown command\n', rc: 2 });
    expect(await run(' \t\r\v\f')).toEqual(ok());
  });
});

describe('help', () => {
  it('shows every command', async () => {
    const { run, shell } = simulatedShell();
    const { output } = await run('help');
    const rows = output.split('\n');
    expect(rows[0]).toBe('Available commands:');
    expect(rows).toHaveLength(shell.commands.length + 2);
    for (const row of rows.slice(1, -1)) expect(row).toMatch(/^ {2}[a-z]+ +\S/);
    expect(rows[1].indexOf('Show')).toBe(13);
  });

  it('shows one command', async () => {
    const { run } = simulatedShell();
    const { output } = await run('help conn');
    expect(output).toMatch(
      /^usage: {4}connect \[path\] <relpath> <hook> <peerhook>\nAliases: {2}join\nSummary: {2}/,
    );
    const description = output.split('Description:\n')[1].split('\n').slice(0, -1);
    for (const line of description) expect(line.length).toBeLessThanOrEqual(65);
    expect(await run('help nosuch')).toEqual(ok('ngctl: "nosuch": unknown command\n'));
    expect((await run('help types')).output).not.toContain('Aliases');
  });
});

describe('debug', () => {
  it('has a level', async () => {
    const { run } = simulatedShell();
    for (const [line, level] of [
      ['debug 2', 2],
      ['debug +', 3],
      ['debug -', 2],
      ['debug 1x', 1],
      ['debug x', 0],
      ['debug -', 0],
    ] as const) {
      await run(line);
      expect(await run('debug')).toEqual(ok(`Current debug level is ${level}\n`));
    }
    expect(await run('debug -1')).toEqual({ output: 'ngctl: usage: debug [level]\n', rc: 1 });
    expect(await run('debug 1 2')).toEqual({ output: 'ngctl: usage: debug [level]\n', rc: 1 });
  });

  it('tells what is sent and received', async () => {
    const { run } = simulatedShell();
    await run('debug 1');
    expect(await run('rmhook nosuch: h')).toMatchObject({
      output: `ngctl: sendto(nosuch:): No such file or directory
ngctl: send msg: No such file or directory
ngctl: (no node "nosuch")
`,
    });
    await run('debug 3');
    expect((await run('rmhook h')).output).toBe(`ngctl: SENDING MESSAGE:
ngctl: SOCKADDR: { fam=32 len=4 addr="." }
ngctl: NG_MESG :
ngctl:   vers   8
ngctl:   arglen 32
ngctl:   flags  0
ngctl:   token  2
ngctl:   cookie 1137070366
ngctl:   cmd    5
ngctl:   args (32 bytes)
ngctl: 0000:  68 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  h...............
ngctl: 0010:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
`);
  });
});

describe('errors', () => {
  it('are explained when asked for', async () => {
    const { run } = simulatedShell({ explain: true });
    expect((await run('mkpeer nosuch a b')).output).toBe(
      'ngctl: send msg: No such file or directory\nngctl: (no node type "nosuch", and no module ng_nosuch)\n',
    );
  });

  it('end a file', async () => {
    const { shell, output } = simulatedShell();
    const file = lines(Readable.from(['# comment\n\nmkpeer hub h x\nmkpe', 'er . hub\nlist\n']));
    expect(await shell.runLines(file)).toBe(1);
    expect(output()).toBe(
      'ngctl: usage: mkpeer [path] <type> <hook> <peerhook>\nngctl: line 4: error in file\n',
    );
  });
});

describe('read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ngctl-'));
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it('carries out a file', async () => {
    const { run } = simulatedShell();
    const inner = file('inner', 'name h hub1\nshow -n hub1:');
    const outer = file('outer', `mkpeer hub h x\nsource ${inner}\n. ${inner}\n`);
    const row = '  Name: hub1            Type: hub             ID: 00000002   Num hooks: 1\n';
    expect(await run(`read ${outer}`)).toEqual(ok(row + row));
  });

  it('stops at errors, and at quit', async () => {
    const { run } = simulatedShell();
    const bad = file('bad', 'nosuch\n');
    const outer = file('outer2', `\nread ${bad}\nlist\n`);
    expect(await run(`read ${outer}`)).toEqual({
      output:
        'ngctl: "nosuch": unknown command\nngctl: line 1: error in file\nngctl: line 2: error in file\n',
      rc: 2,
    });
    expect(await run(`read ${file('quit', 'quit\nlist\n')}`)).toEqual({ output: '', rc: 3 });
    expect(await run('read')).toEqual({ output: 'ngctl: usage: read <filename>\n', rc: 1 });
    const missing = join(folder, 'missing');
    expect(await run(`read ${missing}`)).toEqual({
      output: `ngctl: ${missing}: No such file or directory\n`,
      rc: 2,
    });
    expect(await run(`read ${folder}`)).toEqual({ output: `ngctl: ${folder}: Is a directory\n`, rc: 2 });
  });
});

describe('write', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ngctl-'));

  it('sends bytes', async () => {
    const { run, socket } = simulatedShell();
    await run('mkpeer echo e x');
    expect(await run('write e 1 0x1f 017 -1 255 -128 08 7up')).toEqual(ok());
    expect(socket.takeFrame()).toEqual({ hook: 'e', data: Uint8Array.of(1, 31, 15, 255, 255, 128, 0, 7) });
    expect(await run(`w e ${'1 '.repeat(9000)}`)).toEqual(ok());
    expect(socket.takeFrame()?.data.length).toBe(8192);
  });

  it('sends a file', async () => {
    const { run, socket } = simulatedShell();
    await run('mkpeer echo e x');
    const path = join(folder, 'frame');
    writeFileSync(path, 'hello');
    expect(await run(`write e -f ${path}`)).toEqual(ok());
    expect(Buffer.from(socket.takeFrame()!.data).toString()).toBe('hello');
    writeFileSync(path, '');
    expect((await run(`write e -f ${path}`)).output).toBe(`ngctl: file "${path}" is empty\n`);
    expect((await run('write e -f /nonexistent')).output).toBe(
      'ngctl: can\'t read file "/nonexistent": No such file or directory\n',
    );
  });

  it('refuses what is no byte', async () => {
    const { run } = simulatedShell();
    for (const word of ['256', '-129', 'x', '99999999999', '+'])
      expect(await run(`write h ${word}`)).toEqual({ output: `ngctl: invalid byte "${word}"\n`, rc: 2 });
    const usage = { output: 'ngctl: usage: write hook < -f file | byte ... >\n', rc: 1 };
    for (const line of ['write', 'write h', 'write h -f', 'write h -f a b'])
      expect(await run(line)).toEqual(usage);
    expect(await run('write h 1')).toEqual({
      output: 'ngctl: writing to hook "h": No route to host\n',
      rc: 2,
    });
  });
});

describe('msg', () => {
  it('takes words apart as libnetgraph does', () => {
    expect(splitMessage('setconfig { a=1  b=2 }')).toEqual(['setconfig', '{ a=1  b=2 }']);
    expect(splitMessage(' \tgetconfig')).toEqual(['getconfig', '']);
    expect(splitMessage('set\n{\n a=1 }\n')).toEqual(['set', '{\n a=1 }\n']);
  });

  it('takes a command and its arguments in one word', async () => {
    const { shell, output } = simulatedShell();
    await shell.run(['mkpeer', 'eiface', 'e', 'ether']);
    await shell.run(['msg', 'e', 'set   00:11:22:33:44:55']);
    await shell.run(['msg', 'e', 'getifname', '']);
    expect(output()).toBe('Rec\'d response "getifname" (1) from "[2]:":\nArgs:\t"ngeth0"\n');
  });

  it('shows what no node can put in words', async () => {
    const { run, world, socket } = simulatedShell();
    const other = new GraphSocket(world.graph, world.vnet0);
    await other.send('ngctl1:', new Message(12345, 7, Uint8Array.of(0x41, 0)));
    await other.send('ngctl1:', new Message(12345, 0x80000001));
    expect((await run('msg ngctl1: shutdown')).output).toBe(
      `Rec'd command 7 from "[2]:":\n0000:  41 00                                            A.              \n`,
    );
    expect(socket.isOpen).toBe(false);
  });

  it('prefers the reply to its own message', async () => {
    const { run, world } = simulatedShell();
    const other = new GraphSocket(world.graph, world.vnet0);
    await other.send('ngctl1:', new Message(12345, 7));
    expect((await run('msg . listtypes')).output).toContain(
      'Rec\'d response "listtypes" (805306378) from "[1]:"',
    );
    expect((await run('msg . rmhook { hook="x" }')).output).toBe(
      `Rec'd command 7 from "[2]:":\nNo arguments\n`,
    );
    expect((await run('msg . rmhook { hook="x" }')).output).toBe('');
  });
});

describe('dot', () => {
  it('draws a compact graph', async () => {
    const { run } = simulatedShell();
    await run('mkpeer hub h x');
    await run('name h hub1');
    await run('mkpeer hub1: tee t left');
    await run('connect hub1: hub1:t q right');
    expect((await run('dot -c')).output).toBe(`digraph netgraph {
	edge [ dir = "none", fontsize = 10 ];
	node [ shape = record, fontsize = 12 ] {
		"1" [ label = "{ngctl1:|{socket|[1]:}}" ];
		"2" [ label = "{hub1:|{hub|[2]:}}" ];
		"3" [ label = "{\\<unnamed\\>:|{tee|[3]:}}" ];
	};
	subgraph cluster_disconnected {
		bgcolor = pink;
	};
	"1" -> "2" [ headlabel = "x", taillabel = "h" ] ;
	"2" -> "3" [ headlabel = "right", taillabel = "q" ] ;
	"2" -> "3" [ headlabel = "left", taillabel = "t" ] ;
}
`);
  });

  it('draws nodes without hooks apart, and any name', async () => {
    const { run } = simulatedShell();
    await run('name . a|"b\\{c}');
    expect((await run('graphviz')).output).toBe(`graph netgraph {
	edge [ weight = 1.0 ];
	node [ shape = record, fontsize = 12 ] {
		"1" [ label = "{a\\|\\"b\\\\\\{c\\}:|{socket|[1]:}}" ];
	};
	subgraph cluster_disconnected {
		bgcolor = pink;
		"1";
	};
}
`);
  });

  it('writes to a file', async () => {
    const { run } = simulatedShell();
    const path = join(mkdtempSync(join(tmpdir(), 'ngctl-')), 'graph.dot');
    expect(await run(`dot ${path}`)).toEqual(ok());
    expect(readFileSync(path, 'utf8')).toBe((await run('dot')).output);
    expect(await run('dot a b')).toEqual({ output: 'ngctl: usage: dot [-c] [outputfile]\n', rc: 1 });
    expect((await run('dot -x')).output).toBe(
      'ngctl: illegal option -- x\nngctl: usage: dot [-c] [outputfile]\n',
    );
  });
});
