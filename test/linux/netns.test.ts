import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect, it } from 'vitest';
import { Namespace, ownInode, processesIn, Rtnetlink, UTS_DIRECTORY } from '../../src/linux/index.js';
import { describeReal } from '../support/sandbox.js';
import { ip, ipJson, openDescriptors, sandbox, until } from './root.js';

describeReal('namespaces', () => {
  const t = sandbox();

  it('are those of ip-netns(8), with lo up and a hostname', async () => {
    const name = t.box.name();
    const namespace = Namespace.create(name, { hostname: 'www.example.org' });
    try {
      expect(ipJson('netns').map((entry) => entry.name)).toContain(name);
      expect(ipJson('-n', name, 'link')).toMatchObject([
        { ifname: 'lo', flags: expect.arrayContaining(['UP']) },
      ]);
      expect(ipJson('-n', name, 'addr')[0]!.addr_info).toMatchObject([
        { local: '127.0.0.1' },
        { local: '::1' },
      ]);
      const inside = (program: string) =>
        execFileSync(
          'nsenter',
          [`--net=${namespace.path}`, `--uts=${namespace.utsPath}`, ...program.split(' ')],
          {
            encoding: 'utf8',
          },
        );
      expect(inside('hostname')).toBe('www.example.org\n');
      expect(inside('readlink /proc/self/ns/net')).toBe(`net:[${namespace.inode}]\n`);
      expect(inside('readlink /proc/self/ns/uts')).toBe(`uts:[${namespace.utsInode}]\n`);
      expect(namespace.inode).not.toBe(ownInode());
      expect(execFileSync('hostname', { encoding: 'utf8' })).not.toContain('example');
    } finally {
      await namespace.remove();
    }
    expect(existsSync(namespace.path)).toBe(false);
    expect(existsSync(`${UTS_DIRECTORY}/${name}`)).toBe(false);
    expect(ipJson('netns').map((entry) => entry.name)).not.toContain(name);
    await namespace.remove();
  });

  it('are made below a shared mount, so that other mount namespaces see them come and go', () => {
    t.box.netns();
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    for (const directory of ['/run/netns', UTS_DIRECTORY]) {
      const found = mounts.filter((line) => line.split(' ')[4] === directory);
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(' shared:');
    }
  });

  it('are not those that others made under their name later, though they have their number', async () => {
    const namespace = Namespace.create(t.box.name());
    const { name, path } = namespace;
    const state = namespace.state();
    expect(Namespace.restore(state).linked).toBe(true);
    ip('netns', 'del', name);
    ip('netns', 'add', name);
    // The kernel gives the lowest number that is free, which may take a while to be.
    const { ino } = statSync(path);
    const restored = Namespace.restore({ ...state, identity: { ...state.identity, ino } });
    expect([restored.linked, restored.utsLinked]).toEqual([false, true]);
    expect(() => restored.open()).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    await restored.remove();
    expect(existsSync(path)).toBe(true);
    ip('netns', 'del', name);
  });

  it('may be known by a link to that of a process', async () => {
    const child = spawn('unshare', ['--net', 'sleep', '60']);
    await until(() => statSync(`/proc/${child.pid}/ns/net`).ino !== ownInode());
    const link = `${process.env.TMPDIR}/${t.box.name()}`;
    symlinkSync(`/proc/${child.pid}/ns/net`, link);
    try {
      const namespace = Namespace.adopt(link);
      expect(namespace.linked).toBe(true);
      expect(Namespace.restore(namespace.state()).linked).toBe(true);
      closeSync(namespace.open());
    } finally {
      rmSync(link);
      child.kill();
    }
  });

  it('are refused when the name is taken or none', () => {
    const { name } = t.box.netns();
    expect(() => Namespace.create(name)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    for (const wrong of ['', '.', '..', 'a/b', 'x'.repeat(255), 'a\0b']) {
      expect(() => Namespace.create(wrong), wrong).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    const fresh = t.box.name();
    expect(() => Namespace.create(fresh, { hostname: 'h'.repeat(65) })).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
    expect(existsSync(`/run/netns/${fresh}`)).toBe(false);
    expect(existsSync(`${UTS_DIRECTORY}/${fresh}`)).toBe(false);
  });

  it('are adopted by name, path and process, and then left alone', async () => {
    const name = t.box.name();
    ip('netns', 'add', name);
    try {
      const byName = Namespace.adopt(name);
      const byPath = Namespace.adopt(`/run/netns/${name}`);
      expect(byName.inode).toBe(statSync(`/run/netns/${name}`).ino);
      expect(byPath.inode).toBe(byName.inode);
      expect(byName.utsPath).toBeUndefined();
      const child = t.box.spawn('ip', 'netns', 'exec', name, 'sleep', '60');
      await until(() => Namespace.adopt(child.pid!).inode === byName.inode);
      const byPid = Namespace.adopt(`/proc/${child.pid}/ns/net`);
      expect(byPid).toMatchObject({ pid: child.pid, name: `pid:${child.pid}`, inode: byName.inode });
      expect(byName.processes()).toEqual([child.pid]);
      for (const namespace of [byName, byPath, byPid]) await namespace.remove();
      expect(existsSync(`/run/netns/${name}`)).toBe(true);
    } finally {
      ip('netns', 'del', name);
    }
    expect(() => Namespace.adopt(name)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => Namespace.adopt(0x3fffff)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
    expect(() => Namespace.adopt('/etc/passwd')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('bring their hostname along when adopted by name', () => {
    const made = t.box.netns();
    const adopted = Namespace.adopt(made.name);
    expect(adopted.utsPath).toBe(made.utsPath);
    expect(adopted.utsInode).toBe(made.utsInode);
  });

  it('are not confused with others that get their name', async () => {
    const namespace = t.box.netns();
    ip('netns', 'del', namespace.name);
    expect(namespace.linked).toBe(false);
    expect(() => namespace.open()).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    const fd = Namespace.adopt(process.pid).open();
    expect(fstatSync(fd).ino).toBe(ownInode());
    ip('netns', 'add', namespace.name);
    try {
      // Inode numbers may be used again, but a namespace that is still open keeps its own.
      await namespace.remove();
      expect(existsSync(`/run/netns/${namespace.name}`) || !namespace.linked).toBe(true);
    } finally {
      closeSync(fd);
      if (existsSync(`/run/netns/${namespace.name}`)) ip('netns', 'del', namespace.name);
    }
  });

  it('are made although `ip netns del` left the hostname of an earlier one', async () => {
    const namespace = t.box.netns();
    ip('netns', 'del', namespace.name);
    const again = Namespace.create(namespace.name, { hostname: 'again' });
    expect(again.utsInode).toBeDefined();
    await namespace.remove();
    expect(again.linked).toBe(true);
    await again.remove();
  });

  it('leave a file alone that somebody put in their place', async () => {
    const namespace = t.box.netns();
    ip('netns', 'del', namespace.name);
    writeFileSync(namespace.path, 'theirs');
    await namespace.remove();
    expect(readFileSync(namespace.path, 'utf8')).toBe('theirs');
    execFileSync('rm', [namespace.path]);
  });

  it('tell when their name is taken away and when they end', async () => {
    const host = t.box.host();
    const [namespace, other] = [t.box.netns(), t.box.netns()];
    const told: string[] = [];
    host.lifetimes.watch(other, { ended: () => told.push('other') });
    host.lifetimes.watch(namespace, {
      unlinked: () => told.push('unlinked'),
      ended: () => told.push('ended'),
    });
    const child = t.box.spawn('ip', 'netns', 'exec', namespace.name, 'sleep', '60');
    await until(() => namespace.processes().length === 1);
    ip('netns', 'del', namespace.name);
    await until(() => told.length > 0);
    expect(told).toEqual(['unlinked']);
    child.kill();
    await until(() => told.length > 1);
    expect(told).toEqual(['unlinked', 'ended']);
  });

  it('do not tell when the watch has ended', async () => {
    const host = t.box.host();
    const namespace = t.box.netns();
    const told: string[] = [];
    const stop = host.lifetimes.watch(namespace, { ended: () => told.push('ended') });
    const stopAnother = host.lifetimes.watch(namespace, { ended: () => told.push('another') });
    stop();
    stop();
    ip('netns', 'del', namespace.name);
    await until(() => told.length > 0);
    stopAnother();
    expect(told).toEqual(['another']);
  });

  it('find the processes of any namespace', () => {
    expect(processesIn('net', ownInode())).toContain(process.pid);
    expect(processesIn('uts', statSync('/proc/self/ns/uts').ino)).toContain(process.pid);
    expect(t.box.netns().processes()).toEqual([]);
    expect(t.box.netns().utsProcesses()).toEqual([]);
  });

  it('come and go without a descriptor left, and the program stays where it is', async () => {
    const own = ownInode();
    const before = openDescriptors();
    for (let i = 0; i < 20; i++) {
      const namespace = t.box.netns();
      new Rtnetlink(namespace.path).links();
      expect(ownInode()).toBe(own);
      await namespace.remove();
    }
    expect(openDescriptors()).toBe(before);
  });
});
