import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFile, namespaceOfPeer, ownInode, peerCredentials, Rtnetlink } from '../../src/linux/index.js';
import { describeReal } from '../support/sandbox.js';
import { sandbox, until } from './root.js';

const addon = JSON.stringify(fileURLToPath(new URL('../../native-bindings/index.cjs', import.meta.url)));

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ngt-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describeReal('the peer of a connection', () => {
  const t = sandbox();

  /** A connection to us from a program in a namespace. */
  async function connect(...wrapper: string[]) {
    const path = join(directory, 'socket');
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket)).listen(path);
    await until(() => server.listening);
    chmodSync(directory, 0o755);
    chmodSync(path, 0o777);
    const script = `require('node:net').connect('${path}'); setTimeout(() => {}, 60000)`;
    const child = t.box.spawn(wrapper[0]!, ...wrapper.slice(1), process.execPath, '-e', script);
    await until(() => sockets.length > 0);
    server.close();
    return { socket: sockets[0]!, child };
  }

  it('is known by process, user and namespaces', async () => {
    const namespace = t.box.netns();
    const inside = ['nsenter', `--net=${namespace.path}`, `--uts=${namespace.utsPath}`];
    const { socket, child } = await connect(
      ...inside,
      'setpriv',
      '--reuid=65534',
      '--regid=65533',
      '--clear-groups',
    );
    expect(peerCredentials(socket)).toEqual({ pid: child.pid, uid: 65534, gid: 65533 });
    expect(namespaceOfPeer(socket)).toEqual({
      pid: child.pid,
      uid: 65534,
      gid: 65533,
      netInode: namespace.inode,
      utsInode: namespace.utsInode,
    });
    socket.destroy();
    expect(() => peerCredentials(socket)).toThrow(expect.objectContaining({ code: 'ENOTCONN' }));
  });

  it('is ESRCH once its process has ended', async () => {
    const { socket, child } = await connect('env');
    expect(namespaceOfPeer(socket).netInode).toBe(ownInode());
    child.kill();
    execFileSync('sleep', ['0.2']); // so that nothing of it is noticed here
    expect(() => namespaceOfPeer(socket)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
    socket.destroy();
  });

  it('is nothing that a file has', () => {
    expect(() => peerCredentials(0x7fff)).toThrow(/SO_PEERCRED/);
  });
});

describeReal('execIn', () => {
  const t = sandbox();

  const exec = (options: object, input = '') =>
    spawnSync(
      process.execPath,
      ['-e', `require(${addon}).execIn(JSON.parse(process.argv[1]))`, JSON.stringify(options)],
      {
        encoding: 'utf8',
        input,
      },
    );
  const env = [`PATH=${process.env.PATH}`];

  it('becomes the program, in the namespaces, with /sys and /etc of the namespace', () => {
    const namespace = t.box.netns();
    const made = mkdirSync(`/etc/netns/${namespace.name}`, { recursive: true });
    writeFileSync(`/etc/netns/${namespace.name}/hosts`, '192.0.2.1 only.here\n');
    try {
      const script =
        'echo $$; pwd; readlink /proc/self/ns/net; hostname; ls /sys/class/net; cat /etc/hosts; echo $A; cat';
      const { stdout, stderr, status, pid } = exec(
        {
          netns: namespace.path,
          uts: namespace.utsPath,
          mounts: namespace.name,
          cwd: '/usr',
          env: [...env, 'A=b'],
          argv: ['sh', '-c', `${script}; exit 7`],
        },
        'input',
      );
      expect(stdout.split('\n')).toEqual([
        String(pid),
        '/usr',
        `net:[${namespace.inode}]`,
        namespace.name,
        'lo',
        '192.0.2.1 only.here',
        'b',
        'input',
      ]);
      expect([stderr, status]).toEqual(['', 7]);
    } finally {
      rmSync(`/etc/netns/${namespace.name}`, { recursive: true });
      if (made === '/etc/netns' && readdirSync(made).length === 0) rmdirSync(made);
    }
    expect(statSync('/sys/class/net/lo').isDirectory()).toBe(true);
  });

  it('gives it default signals and an empty mask', () => {
    const { stdout } = exec({ env, argv: ['cat', '/proc/self/status'] });
    expect(stdout).toContain(
      'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n',
    );
    const piped = spawnSync('sh', [
      '-c',
      `"${process.execPath}" -e 'require(${addon}).execIn({env:[],argv:["/usr/bin/yes"]})' | head -1; echo done`,
    ]);
    expect(String(piped.stdout)).toBe('y\ndone\n');
  });

  it('gives it blocking standard input and output', () => {
    const script = `
      process.stdin.on('data', () => {}); process.stdout.write('x');
      require(${addon}).execIn({ env: ${JSON.stringify(env)}, argv: ['python3', '-c', 'import os; print([os.get_blocking(i) for i in range(3)])'] })`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout).toContain('[True, True, True]');
  });

  it('throws when it cannot', () => {
    const cases: [object, RegExp][] = [
      [{ env, argv: ['no-such-program'] }, /code: 'ENOENT'/],
      [{ env, argv: ['/etc/passwd'] }, /code: 'EACCES'/],
      [{ env, argv: [] }, /argv must name a program/],
      [{ env, argv: ['true'], netns: '/run/netns/none' }, /ENOENT.*open '\/run\/netns\/none'/],
      [{ env, argv: ['true'], netns: '/etc/passwd' }, /code: 'EINVAL'/],
      [{ env, argv: ['true'], cwd: '/nowhere' }, /ENOENT.*chdir '\/nowhere'/],
      [{ argv: ['true'] }, /env must be an array/],
    ];
    for (const [options, message] of cases) expect(exec(options).stderr).toMatch(message);
  });
});

describeReal('lockFile', () => {
  it('gives the lock to one at a time, also among processes', () => {
    const path = join(directory, 'lock');
    const first = lockFile(path);
    expect(first).not.toBeNull();
    expect(lockFile(path)).toBeNull();
    const script = `console.log(require(${addon}).lockFile(${JSON.stringify(path)}) === null)`;
    const other = () => execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(other()).toBe('true\n');
    closeSync(first!);
    expect(other()).toBe('false\n');
    expect(() => lockFile(join(directory, 'none', 'lock'))).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
  });
});

describeReal('the addon', () => {
  const t = sandbox();

  it('may be loaded in a worker and cut off in the midst', async () => {
    const namespace = t.box.netns();
    const worker = new Worker(
      `const addon = require(${addon});
       const poller = new addon.Poller(() => {}, () => {});
       poller.add(addon.tapOpen(${JSON.stringify(namespace.path)}, 'w0', true).fd);
       poller.watch(addon.netlinkMonitor('/proc/self/ns/net', [1]));
       require('node:worker_threads').parentPort.postMessage('ready');`,
      { eval: true },
    );
    await new Promise((resolve) => worker.once('message', resolve));
    expect(new Rtnetlink(namespace.path).link('w0')).toBeDefined();
    expect(await worker.terminate()).toBe(1);
    expect(new Rtnetlink(namespace.path).link('w0')).toBeUndefined();
  });

  it('lets a program end that has no interface any more, and keeps one going that has', () => {
    const namespace = t.box.netns();
    const program = (last: string) =>
      spawnSync(
        process.execPath,
        [
          '-e',
          `const addon = require(${addon});
           const poller = new addon.Poller(() => {}, () => {});
           poller.watch(addon.netlinkMonitor('/proc/self/ns/net', [1]));
           const slot = poller.add(addon.tapOpen(${JSON.stringify(namespace.path)}, 'w0', true).fd);
           setTimeout(() => { console.log('late'); process.exit(); }, 300).unref();
           ${last}`,
        ],
        { encoding: 'utf8' },
      ).stdout;
    expect(program('')).toBe('late\n');
    expect(program('poller.remove(slot)')).toBe('');
    expect(program('poller.close(); poller.close()')).toBe('');
  });

  it('reports what a callback throws as uncaught, and goes on', () => {
    const namespace = t.box.netns();
    const script = `
      const addon = require(${addon});
      let count = 0;
      const poller = new addon.Poller((n) => { count++; throw new Error('from the callback'); }, () => {});
      poller.add(addon.tapOpen(${JSON.stringify(namespace.path)}, 'w0', true).fd);
      process.on('uncaughtException', (error) => { console.log(error.message); if (count === 2) process.exit(); });
      require('node:child_process').execFileSync('ip', ['-n', ${JSON.stringify(namespace.name)}, 'link', 'set', 'w0', 'up']);`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout).toBe('from the callback\nfrom the callback\n');
  });

  it('says what to do when it is not built', () => {
    copyFileSync(JSON.parse(addon), join(directory, 'index.cjs'));
    const { stderr } = spawnSync(process.execPath, [join(directory, 'index.cjs')], { encoding: 'utf8' });
    expect(stderr).toContain('the native part of netgraph is not built');
    expect(stderr).toContain('npm run build');
  });

  it('refuses misuse with a sentence', () => {
    const script = `
      const addon = require(${addon});
      const poller = new addon.Poller(() => {}, () => {});
      const [end, other] = addon.socketPair();
      const slot = poller.add(end);
      const own = '/proc/self/ns/net';
      for (const work of [
        () => addon.tapOpen({}, 'x', true),
        () => addon.tapOpen(own, 7, true),
        () => addon.tapOpen(own, 'a\\0b', true),
        () => addon.tapName('x'),
        () => addon.tapName(0),
        () => addon.netlinkRequest(own, 'x'),
        () => addon.netlinkRequest(own, new Uint8Array(3)),
        () => addon.netlinkRequest(own, new Uint8Array(16)),
        () => new addon.Poller(),
        () => addon.Poller(() => {}, () => {}),
        () => poller.flush('x'),
        () => poller.flush(-1),
        () => poller.flush(65),
        () => (poller.list.set([99, 1]), poller.flush(1)),
        () => (poller.list.set([slot, 0]), poller.flush(1)), // it has no batch yet
        () => (poller.batch(slot), poller.list.set([slot, -1]), poller.flush(1)),
        () => (poller.list.set([slot, 129]), poller.flush(1)),
        () => (poller.list.set([slot, 1]), poller.batch(slot).set([-1, 1]), poller.flush(1)),
        () => (poller.batch(slot).set([poller.slab.byteLength, 1]), poller.flush(1)),
        () => poller.batch(99),
        () => poller.add(-1),
        () => addon.closeFds(3),
        () => (poller.close(), poller.add(0)),
      ]) {
        try { work(); console.log('allowed'); } catch (error) { console.log(error.name + ': ' + error.message); }
      }`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout + stderr).not.toMatch(/allowed|FATAL|Assertion/);
    expect(stdout.trim().split('\n')).toHaveLength(23);
    expect(stdout).toContain('TypeError: a namespace is a descriptor or a path');
  });
});
