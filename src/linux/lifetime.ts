import { watch as watchDirectory } from 'node:fs';
import { basename, dirname } from 'node:path';
import { codeOf, native } from './native.js';
import type { Namespace } from './netns.js';
import type { Reactor } from './reactor.js';

/** How often a namespace that lost its name is looked at, and one whose name cannot be watched, milliseconds. */
const LINGER = 1000;

export interface LifetimeEvents {
  /** Its name was taken away (`ip netns del`) or the process it was adopted from ended. */
  unlinked?(): void;
  /** Besides, no process is in it any more: it exists only because of what we have open. */
  ended(): void;
}

interface Directory {
  close(): void;
  /** By file name. */
  checks: Map<string, Set<() => void>>;
}

/**
 * Notices the end of namespaces that we keep alive ourselves, through a TAP's descriptor, so that the kernel has no
 * news of it: inotify(7) on the directory of the name, or a pidfd for the process it was adopted from. Both are scarce,
 * and others may have used them up: then it looks every second.
 */
export class Lifetimes {
  private readonly directories = new Map<string, Directory>();

  constructor(private readonly reactor: Reactor) {}

  /** @returns what ends the watch */
  watch(namespace: Namespace, events: LifetimeEvents): () => void {
    let unlinked = false;
    let stopped = false;
    let timer: NodeJS.Timeout | undefined;
    let release = (): void => {};
    const check = (): void => {
      if (stopped) return;
      if (!unlinked) {
        if (namespace.linked) return;
        unlinked = true;
        release();
        events.unlinked?.();
        if (stopped) return; // by whoever heard of it
      }
      if (namespace.processes().length === 0) events.ended();
      else timer = setTimeout(check, LINGER).unref();
    };
    release =
      namespace.pid === undefined
        ? this.watchPath(namespace.path, check)
        : this.watchProcess(namespace.pid, check);
    // It may have gone before there was a watch.
    if (!namespace.linked) timer = setTimeout(check, 0);
    return () => {
      stopped = true;
      clearTimeout(timer);
      release();
    };
  }

  close(): void {
    for (const directory of this.directories.values()) directory.close();
    this.directories.clear();
  }

  private watchProcess(pid: number, check: () => void): () => void {
    try {
      return this.reactor.watch(native.pidfdOpen(pid), check);
    } catch (error) {
      return codeOf(error) === 'ESRCH' ? () => {} : poll(check);
    }
  }

  private watchPath(path: string, check: () => void): () => void {
    if (path.startsWith('/proc/')) return () => {}; // our own, which we do not outlive
    const name = basename(path);
    const directory = this.directory(dirname(path));
    const set = directory.checks.get(name) ?? new Set();
    directory.checks.set(name, set.add(check));
    return () => {
      set.delete(check);
      if (set.size === 0) directory.checks.delete(name);
      if (directory.checks.size > 0 || this.directories.get(dirname(path)) !== directory) return;
      directory.close();
      this.directories.delete(dirname(path));
    };
  }

  /** One watch for all names in a directory, as each watch hears of all of them. */
  private directory(path: string): Directory {
    const known = this.directories.get(path);
    if (known !== undefined) return known;
    const checks = new Map<string, Set<() => void>>();
    const directory = { checks, close: watchNames(path, checks) };
    this.directories.set(path, directory);
    return directory;
  }
}

/** Runs the checks of names in a directory that something became of. @returns what ends that */
function watchNames(path: string, checks: Directory['checks']): () => void {
  const all = (): void => {
    for (const set of [...checks.values()]) for (const check of [...set]) check();
  };
  try {
    const watcher = watchDirectory(path, { persistent: false }, (_event, file) => {
      if (file === null) all();
      else for (const check of [...(checks.get(file) ?? [])]) check();
    });
    // The directory itself was removed: then so were the names.
    watcher.on('error', all);
    return () => watcher.close();
  } catch {
    return poll(all);
  }
}

function poll(check: () => void): () => void {
  const timer = setInterval(check, LINGER).unref();
  return () => clearInterval(timer);
}
