import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Machine } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** A node type as others would write it: an echo that says hello. */
const definition = (
  type: string,
  create = "() => ({ receive: (_, hook) => hook, on: { hello: () => 'hello' } })",
) =>
  `defineNode({ type: '${type}', cookie: 17, messages: { hello: { cmd: 1, reply: t.string } }, create: ${create} })`;
const esm = (type: string, create?: string) =>
  `import { defineNode, t } from '${LIBRARY}';\nexport default ${definition(type, create)};`;
const cjs = (type: string) =>
  `const { defineNode, t } = require('${LIBRARY}');\nmodule.exports = ${definition(type)};`;

/** Node types each of which fails at one of the things that it does. */
const failing = {
  badcreate: "() => { throw new Error('create') }",
  badhook: "() => ({ receive: () => 0, newHook() { throw new Error('newHook') } })",
  badframe: "() => ({ receive() { throw new Error('receive') } })",
  badreply: "() => ({ receive: () => 0, on: { hello() { throw new Error('hello') } } })",
  badtext: '() => ({ receive: () => 0, on: { hello: () => 7 } })',
  badend:
    "() => ({ receive: () => 0, shutdown() { throw new Error('end') }, disconnect() { throw new Error('hook') } })",
  badtimer:
    "({ env }) => { env.clock.after(1000, () => { throw new Error('timer') }); return { receive: () => 0 } }",
};

const FILES: Record<string, string> = {
  'ng_alpha.js': esm('alpha'),
  'ng_beta.cjs': cjs('beta'),
  'ng_gamma.mjs': esm('gamma'),
  'ng_delta.js': cjs('delta'),
  'ng_syntax.js': 'export default {{{',
  'ng_throws.js': "throw new Error('not today')",
  'ng_other.js': esm('another'),
  'ng_nothing.js': 'export const x = 1;',
  'ng_waits.mjs': 'await 1; export default 1;',
  'ng_hub.js': "throw new Error('there is one already')",
  ...Object.fromEntries(
    Object.entries(failing).map(([type, create]) => [`ng_${type}.js`, esm(type, create)]),
  ),
};

describeReal('a node type in a file of its own', () => {
  let box: Machine;

  beforeEach(async () => {
    box = await Machine.start();
    const write = Object.entries(FILES).map(
      ([name, text]) => `cat >/run/two/${name} <<'END'\n${text}\nEND\n`,
    );
    await box.sh(`mkdir /run/one /run/two; ${write.join('')}`);
    expect(await box.sh('NETGRAPH_MODULE_PATH=/run/one:/run/none:/run/two ngctl list >/dev/null')).toBe('');
  });

  afterEach(() => box.close());

  it('is found on the search path when it is first asked for, whatever kind of module it is', async () => {
    for (const type of ['alpha', 'beta', 'gamma', 'delta']) {
      const script = `mkpeer ${type} h h\\nmsg .:h hello\\nshow .:h\\n`;
      expect(await box.sh(`printf '${script}' | ngctl -f -`)).toMatch(
        new RegExp(
          `^Rec'd response "hello" \\(1\\) from "\\[\\d+\\]:":\\nArgs:\t"hello"\\n  Name: <unnamed> +Type: ${type} `,
        ),
      );
    }
    // What comes with the program comes first.
    expect(await box.sh('ngctl mkpeer . hub h h; ngctl types | grep -c " alpha\\| beta\\| hub"')).toBe('3\n');
  });

  it('that cannot be used is refused with the name of the file and the reason', async () => {
    // Behind what is said of any message.
    const reason = async (type: string) =>
      (await box.sh(`ngctl -d mkpeer . ${type} h h 2>&1 | sed 1,2d`)).replace(/\s+/g, ' ').trim();
    expect(await reason('syntax')).toMatch(/^ngctl: \(\/run\/two\/ng_syntax\.js: .*\)$/);
    expect(await reason('throws')).toBe('ngctl: (/run/two/ng_throws.js: not today)');
    expect(await reason('other')).toBe('ngctl: (/run/two/ng_other.js: defines type "another")');
    expect(await reason('nothing')).toBe(
      'ngctl: (/run/two/ng_nothing.js: its default export is not a node type)',
    );
    expect(await reason('waits')).toMatch(/^ngctl: \(\/run\/two\/ng_waits\.mjs: .*require.*\)$/);
    expect(await reason('nowhere')).toBe('ngctl: (no node type "nowhere", and no module ng_nowhere)');
    expect(await box.sh('ngctl mkpeer . throws h h')).toBe('ngctl: send msg: Exec format error\n(exit 71)\n');
    // It can be put right.
    await box.sh("printf '%s' 'module.exports = 1' >/run/one/ng_throws.cjs");
    expect(await reason('throws')).toBe(
      'ngctl: (/run/one/ng_throws.cjs: its default export is not a node type)',
    );
    expect(await box.sh('ngctl mkpeer . alpha h h')).toBe('');
  });

  it('whose code fails costs its own node its life, and nobody else', async () => {
    const client = await box.client();
    await client.mkpeer('.', 'hub', 'h', 'me');
    await client.name('h', 'witness');
    const types = async () => (await client.listNodes()).map(({ type }) => type);

    await expect(client.mkpeer('.', 'badcreate', 'x', 'y')).rejects.toThrow('create');
    await expect(client.mkpeer('.', 'badhook', 'x', 'y')).rejects.toMatchObject({ code: 'EIO' });
    await client.mkpeer('.', 'badreply', 'x', 'y');
    await expect(client.msg('x', 'hello')).rejects.toMatchObject({
      code: 'EIO',
      message: expect.stringContaining('hello'),
    });
    await client.mkpeer('.', 'badtext', 'x', 'y');
    await expect(client.msg('x', 'hello')).rejects.toThrow('7 is not a string');
    await client.shutdown('x');
    await client.mkpeer('witness:', 'badframe', 'a', 'b');
    await client.mkpeer('witness:', 'alpha', 'c', 'd');
    await client.sendData('h', new Uint8Array(60));
    const [frame] = [await client.frames().next()];
    expect(frame.value).toMatchObject({ hook: 'h' });
    await client.mkpeer('witness:', 'badtimer', 'e', 'f');
    await client.mkpeer('.', 'badend', 'x', 'y');
    await client.shutdown('x');
    await box.sh('sleep 0.1');
    expect((await types()).sort()).toEqual(['alpha', 'hub', 'socket']);
    const { counters } = await client.call('status', {});
    expect(counters!.handlerFailed).toBeGreaterThanOrEqual(4);
    const log = await box.sh('cat /run/netgraph/daemon.log');
    for (const type of ['badhook', 'badreply', 'badframe', 'badtimer'])
      expect(log).toMatch(new RegExp(`node .* of type ${type} failed: Error: `));
    expect(log).not.toMatch(/uncaught|unhandled/);
    await client.close();
  });

  it('is loaded and unloaded by its name, but not while it is in use, nor by a jail', async () => {
    const table: [command: string, said: string][] = [
      ['kldload ng_alpha', ''],
      ['kldload ng_alpha', "kldload: can't load ng_alpha: module already loaded or in kernel\n(exit 1)\n"],
      ['kldstat -q -m ng_alpha', ''],
      ['ngctl mkpeer . alpha h h', ''],
      ['kldunload ng_alpha', ''],
      ['kldunload ng_alpha', "kldunload: can't find file ng_alpha: No such file or directory\n(exit 1)\n"],
      [
        'kldload ng_throws',
        "kldload: can't load ng_throws: Exec format error (/run/two/ng_throws.js: not today)\n(exit 1)\n",
      ],
      ['kldload ../two/ng_alpha', ''],
      [
        "printf 'mkpeer alpha h h\\nname .:h a\\nmkpeer a: hub x y\\nname a:x keep\\nmsg keep: setpersistent\\n' | ngctl -f -",
        '',
      ],
      [
        'jail -c name=j vnet persist; jexec j kldload ng_beta',
        "kldload: can't load ng_beta: Operation not permitted (jail j may not load modules)\n(exit 1)\n",
      ],
      [
        'jexec j kldunload ng_hub',
        "kldunload: can't unload file: Operation not permitted (jail j may not unload modules)\n(exit 1)\n",
      ],
    ];
    for (const [command, said] of table) expect([command, await box.sh(command)]).toEqual([command, said]);
    expect(await box.sh('ngctl list | grep -c alpha; kldunload ng_alpha')).toMatch(
      /^1\nkldunload: can't unload file: Device busy \(node type alpha has 1 nodes\)\n/,
    );
  });
});
