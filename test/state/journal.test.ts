import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../src/state/index.js';
import { compile } from '../world/compile.js';

let directory: string;
let path: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'netgraph-journal-'));
  path = join(directory, 'journal');
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  fs.rmSync(directory, { recursive: true });
});

/** Opens, says what was found, and closes. */
function read(file = path) {
  const { journal, entries, damage } = Journal.open(file);
  const { size } = journal;
  journal.close();
  return { entries, damage, size };
}

/** Makes a journal and returns its bytes. */
function write(entries: unknown[], file = path): Buffer {
  const { journal } = Journal.open(file);
  for (const entry of entries) journal.append(entry);
  journal.close();
  return fs.readFileSync(file);
}

/** Where the lines of a journal begin, and where the last one ends. */
function borders(bytes: Buffer): number[] {
  const found = [0];
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) found.push(at + 1);
  return found;
}

const line = (json: string): string => `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
const header = line('{"format":"netgraph-journal","version":1}');
const samples = [{ op: 'mkpeer', id: 1 }, null, 'ümlaut \u0000 \ud800 \n', [1.5, { deep: [] }], 0, ''];

describe('a journal', () => {
  it('gives back what was appended, in order, in each open anew', () => {
    const { journal, entries, damage } = Journal.open(path);
    expect([entries, damage]).toEqual([[], undefined]);
    for (const entry of samples) journal.append(entry);
    journal.close();
    expect(fs.readFileSync(path, 'latin1').split('\n')[0]).toBe(header.trimEnd());
    const again = Journal.open(path);
    expect(again.entries).toEqual(samples);
    again.journal.append('more');
    expect(again.journal.size).toBe(fs.statSync(path).size);
    again.journal.close();
    expect(read()).toEqual({
      entries: [...samples, 'more'],
      damage: undefined,
      size: fs.statSync(path).size,
    });
  });

  it('makes its directory, and nobody else may read it', () => {
    const deep = join(directory, 'a/b/journal');
    write([], deep);
    for (const [name, mode] of [
      ['a', 0o700],
      ['a/b', 0o700],
      ['a/b/journal', 0o600],
    ] as const)
      expect([name, fs.statSync(join(directory, name)).mode & 0o777]).toEqual([name, mode]);
    const { journal } = Journal.open(deep);
    journal.rewrite([1]);
    journal.close();
    expect(fs.statSync(deep).mode & 0o777).toBe(0o600);
  });

  it('becomes shorter while others go on, who may append', async () => {
    const { journal } = Journal.open(path);
    const many = Array.from({ length: 10_000 }, (_, i) => i);
    for (const entry of many.slice(0, 100)) journal.append(entry);
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
      journal.append(`meanwhile ${turns}`);
    });
    const done = journal.compact(many);
    expect(read().entries.length).toBe(100);
    await done;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    const meanwhile = Array.from({ length: turns }, (_, i) => `meanwhile ${i + 1}`);
    expect(read().entries).toEqual([...many, ...meanwhile]);
    journal.append('after');
    expect(journal.size).toBe(fs.statSync(path).size);
    expect(read().entries.at(-1)).toBe('after');
    journal.close();
    expect(fs.readdirSync(directory)).toEqual(['journal']);
  });

  it.each<[string, (journal: Journal) => void, unknown[]]>([
    ['rewrite', (journal) => journal.rewrite(['new']), ['new']],
    ['close', (journal) => journal.close(), ['old']],
  ])('does not become shorter when %s comes between', async (_, between, left) => {
    const { journal } = Journal.open(path);
    journal.append('old');
    const done = journal.compact(['short']);
    between(journal);
    expect(await done).toBe(false);
    expect(read().entries).toEqual(left);
    expect(fs.readdirSync(directory)).toEqual(['journal']);
    journal.close();
  });

  it('becomes shorter once when it is told twice', async () => {
    const { journal } = Journal.open(path);
    journal.append('old');
    const many = Array.from({ length: 20_000 }, (_, i) => i);
    const first = journal.compact(many);
    while (fs.readdirSync(directory).length === 1) await sleep(1); // until the first is at work
    expect(await Promise.all([first, journal.compact(many)])).toEqual([false, true]);
    expect(read().entries).toEqual(many);
    journal.append('more');
    expect(read().entries.at(-1)).toBe('more');
    journal.close();
    expect(fs.readdirSync(directory)).toEqual(['journal']);
  });

  it('is as it was when it could not become shorter', async () => {
    const { journal } = Journal.open(path);
    journal.append('old');
    fs.renameSync(path, join(directory, 'away'));
    fs.mkdirSync(join(path, 'full'), { recursive: true });
    await expect(journal.compact(['short'])).rejects.toThrow();
    journal.append('more');
    expect(read(join(directory, 'away')).entries).toEqual(['old', 'more']);
    expect(fs.readdirSync(directory).sort()).toEqual(['away', 'journal']);
    journal.close();
  });

  it('replaces everything', () => {
    const { journal } = Journal.open(path);
    journal.append('old');
    journal.rewrite(new Set(['a', 'b']));
    expect(read().entries).toEqual(['a', 'b']);
    journal.append('c');
    expect(journal.size).toBe(fs.statSync(path).size);
    journal.close();
    expect(read().entries).toEqual(['a', 'b', 'c']);
  });

  it('is not in the way of itself: a temporary file from a crash', () => {
    const { journal } = Journal.open(path);
    const victim = join(directory, 'victim');
    fs.writeFileSync(victim, 'precious');
    for (const leave of [
      () => fs.writeFileSync(`${path}.new`, 'x'),
      () => fs.symlinkSync(victim, `${path}.new`),
    ]) {
      leave();
      journal.rewrite([1]);
      expect(read().entries).toEqual([1]);
      expect(fs.readdirSync(directory).sort()).toEqual(['journal', 'victim']);
    }
    expect(fs.readFileSync(victim, 'utf8')).toBe('precious');
    fs.writeFileSync(`${path}.new`, 'x');
    journal.remove();
    expect(fs.readdirSync(directory)).toEqual(['victim']);
  });

  it('is as before when an entry cannot be written down', () => {
    const { journal } = Journal.open(path);
    journal.append('good');
    const circle: unknown[] = [];
    circle.push(circle);
    for (const entry of [undefined, () => 0, circle, 1n, 'ß'.repeat(1 << 23)]) {
      expect(() => journal.append(entry)).toThrow();
      expect(() => journal.rewrite(['new', entry])).toThrow();
    }
    const broken = function* () {
      yield 'new';
      throw new Error('no more');
    };
    expect(() => journal.rewrite(broken())).toThrow('no more');
    journal.append('better');
    journal.close();
    expect(read()).toMatchObject({ entries: ['good', 'better'], damage: undefined });
    expect(fs.readdirSync(directory)).toEqual(['journal']);
  });

  it('takes an entry as long as a line may be', () => {
    const entry = 'x'.repeat((16 << 20) - 12);
    write([entry, 'next']);
    expect(read().entries.map((one) => (one as string).length)).toEqual([entry.length, 4]);
  });

  it('leaves no descriptor, and refuses everything once it is closed', async () => {
    const open = () =>
      fs.readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
        } catch {
          return false;
        }
      }).length;
    const { journal } = Journal.open(path);
    expect(open()).toBe(1);
    for (let i = 0; i < 5; i++) {
      journal.append(i);
      journal.rewrite([i]);
      await sleep(40); // some of these while it is brought to the disk
    }
    journal.append('last');
    journal.close();
    journal.close();
    expect(() => journal.append(1)).toThrow('is closed');
    expect(() => journal.rewrite([1])).toThrow('is closed');
    await sleep(150);
    expect(open()).toBe(0);
    expect(read().entries).toEqual([4, 'last']);
    journal.remove();
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  it('keeps no program from ending', () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { journal } = Journal.open(path);
    journal.append(1);
    expect(timers()).toBe(before);
    journal.close();
  });

  it('says in a sentence what it cannot open, and leaves it alone', () => {
    const make: Record<string, () => void> = {
      'it is a directory': () => fs.mkdirSync(path),
      'it is not a regular file': () => fs.symlinkSync('nowhere', path),
      'it is of version 2, and this program knows none above 1': () =>
        fs.writeFileSync(path, `${line('{"format":"netgraph-journal","version":2}')}something new`),
    };
    for (const [reason, prepare] of Object.entries(make)) {
      prepare();
      const before = fs.lstatSync(path);
      expect(() => Journal.open(path)).toThrow(`cannot open the journal ${path}: ${reason}`);
      const { ino, size, mtimeMs } = fs.lstatSync(path);
      expect({ ino, size, mtimeMs }).toMatchObject({
        ino: before.ino,
        size: before.size,
        mtimeMs: before.mtimeMs,
      });
      expect(fs.readdirSync(directory)).toEqual(['journal']);
      fs.rmSync(path, { recursive: true });
    }
    execFileSync('mkfifo', [path]);
    expect(() => Journal.open(path)).toThrow('it is not a regular file');
    expect(() => Journal.open(join(path, 'below'))).toThrow(/^cannot open the journal .*: (EEXIST|ENOTDIR)/);
  });

  it('keeps any JSON values through any appends, rewrites and opens', () => {
    const operation = fc.oneof(
      { weight: 5, arbitrary: fc.record({ append: fc.jsonValue() }) },
      { weight: 1, arbitrary: fc.record({ rewrite: fc.array(fc.jsonValue(), { maxLength: 4 }) }) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), (operations) => {
        let { journal } = Journal.open(path);
        let model: unknown[] = [];
        for (const one of operations) {
          if (one === 'reopen') {
            journal.close();
            const opened = Journal.open(path);
            journal = opened.journal;
            expect([opened.entries, opened.damage]).toEqual([model, undefined]);
          } else if ('append' in one) {
            journal.append(one.append);
            model.push(JSON.parse(JSON.stringify(one.append))); // -0 is 0
          } else {
            journal.rewrite(one.rewrite);
            model = JSON.parse(JSON.stringify(one.rewrite));
          }
          expect(journal.size).toBe(fs.statSync(path).size);
        }
        expect(read().entries).toEqual(model);
        journal.remove();
      }),
      { seed: 5, numRuns: 100 },
    );
  });
});

describe('a journal that was cut off', () => {
  it('at any byte has the entries that are whole, no damage, and goes on', () => {
    const bytes = write(samples);
    const ends = borders(bytes);
    for (let length = 0; length <= bytes.length; length++) {
      fs.writeFileSync(path, bytes.subarray(0, length));
      const whole = Math.max(0, ends.filter((end) => end <= length).length - 2);
      const { journal, entries, damage } = Journal.open(path);
      expect([length, entries, damage]).toEqual([length, samples.slice(0, whole), undefined]);
      expect(fs.readFileSync(path)).toEqual(bytes.subarray(0, ends[whole + 1]));
      journal.append('more');
      journal.close();
      expect(read().entries).toEqual([...samples.slice(0, whole), 'more']);
    }
    expect(fs.readdirSync(directory)).toEqual(['journal']);
  });
});

describe('a damaged journal', () => {
  it('has the entries before any byte that is another, and the damaged file is kept', () => {
    const entries = [{ op: 'mkpeer' }, 'zwölf', [3]];
    const bytes = write(entries);
    const starts = borders(bytes).slice(0, -1);
    const others = (byte: number) => new Set([byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0, 10]);
    for (let at = 0; at < bytes.length; at++) {
      for (const other of others(bytes[at])) {
        if (other === bytes[at]) continue;
        const wrong = Buffer.from(bytes);
        wrong[at] = other;
        fs.writeFileSync(path, wrong);
        const number = starts.filter((start) => start <= at).length;
        const found = read();
        expect([at, other, found.entries]).toEqual([at, other, entries.slice(0, Math.max(0, number - 2))]);
        expect(found.damage).toEqual({
          offset: starts[number - 1],
          line: number,
          reason: expect.stringMatching(/\w/),
          keptAs: `${path}.damaged`,
        });
        expect(fs.readFileSync(`${path}.damaged`)).toEqual(wrong);
        expect(fs.readFileSync(path)).toEqual(bytes.subarray(0, starts[Math.max(1, number - 1)]));
        fs.rmSync(`${path}.damaged`);
      }
    }
    expect(fs.readdirSync(directory)).toEqual(['journal']);
  });

  it.each([
    ['a text', 'hello\nworld\n', 1, 'the line does not begin with a checksum', 0],
    ['a text without an end', 'hello', 1, 'there is no newline', 0],
    ['no header', line('1'), 1, 'this is not the header', 0],
    ['a null for a header', line('null'), 1, 'this is not the header', 0],
    ['an older version', line('{"format":"netgraph-journal","version":0}'), 1, 'this is not the header', 0],
    ['a wrong checksum', `${header}${line('1')}00000000 2\n${line('3')}`, 3, 'the checksum is wrong', 1],
    ['a checksum in capitals', header + line('"a"').toUpperCase(), 2, 'the line does not begin with', 0],
    ['no JSON', header + line('1') + line('{"a":') + line('3'), 3, 'the line is not JSON: ', 1],
    ['an empty line', `${header}${line('1')}\n${line('3')}`, 3, 'the line does not begin with', 1],
    ['NUL bytes', `${header}${line('1')}${'\0'.repeat(50)}\n`, 3, 'there are NUL bytes', 1],
    [
      'NUL bytes for the end of an entry',
      `${header}${line('1')}${line('[2]').slice(0, 11)}\0\0`,
      3,
      'there is no',
      1,
    ],
    ['NUL bytes at the end', `${header}${line('1')}${'\0'.repeat(50)}`, 3, 'there is no newline', 1],
    [
      'no newline in the middle',
      `${header}${line('1').trimEnd()}${line('2')}`,
      2,
      'the checksum is wrong',
      0,
    ],
    ['something else at the end', `${header}${line('1')}vandals`, 3, 'there is no newline', 1],
    [
      'a line too long',
      `${header}${line('1')}${line(`"${'x'.repeat(16 << 20)}"`)}`,
      3,
      'the line is too long',
      1,
    ],
    [
      'an endless line',
      `${header}${line('1')}${line(`"${'x'.repeat(16 << 20)}`).trimEnd()}`,
      3,
      'there is no',
      1,
    ],
  ])('of %s says so', (_what, content, number, reason, good) => {
    fs.writeFileSync(path, content);
    const { entries, damage } = read();
    expect(entries).toEqual([1].slice(0, good));
    const offset = Buffer.byteLength(
      content
        .split('\n')
        .slice(0, number - 1)
        .map((one) => `${one}\n`)
        .join(''),
    );
    expect(damage).toMatchObject({ offset, line: number, reason: expect.stringContaining(reason) });
    expect(fs.readFileSync(damage!.keptAs, 'utf8')).toBe(content);
    expect(read()).toMatchObject({ entries: [1].slice(0, good), damage: undefined });
  });

  it('is one with an entry that is refused', () => {
    write([1, 2, 'three', 4]);
    const { journal, entries, damage } = Journal.open(path, (entry) => {
      if (typeof entry !== 'number') throw new Error(`${entry} is no number`);
    });
    journal.append(5);
    journal.close();
    expect([entries, damage]).toMatchObject([[1, 2], { line: 4, reason: 'three is no number' }]);
    expect(read().entries).toEqual([1, 2, 5]);
    expect(read(damage!.keptAs).entries).toEqual([1, 2, 'three', 4]);
  });

  it('overwrites nothing, whatever has the names already', () => {
    fs.writeFileSync(`${path}.damaged`, 'the first');
    fs.symlinkSync('nowhere', `${path}.damaged-2`);
    fs.mkdirSync(`${path}.damaged-3`);
    for (const number of [4, 5]) {
      fs.writeFileSync(path, `damage ${number}\n`);
      expect(read().damage?.keptAs).toBe(`${path}.damaged-${number}`);
    }
    expect(fs.readFileSync(`${path}.damaged`, 'utf8')).toBe('the first');
    expect(fs.readlinkSync(`${path}.damaged-2`)).toBe('nowhere');
    expect(fs.readFileSync(`${path}.damaged-4`, 'utf8')).toBe('damage 4\n');
  });

  it('is kept once when the open that kept it was killed before it made the new file', () => {
    fs.writeFileSync(path, 'damage\n');
    fs.linkSync(path, `${path}.damaged`);
    const { journal, damage } = Journal.open(path);
    expect(damage?.keptAs).toBe(`${path}.damaged`);
    journal.append(1);
    journal.close();
    expect(fs.readFileSync(`${path}.damaged`, 'utf8')).toBe('damage\n');
    expect(fs.readdirSync(directory).sort()).toEqual(['journal', 'journal.damaged']);
  });
});

/** Fills what room there is, makes room, and goes on. */
function fillUp(file: string, errors: RegExp, makeRoom: () => void): void {
  const { journal } = Journal.open(file);
  const written: string[] = [];
  const add = (length: number): void => {
    const entry = `${written.length} ${'x'.repeat(length)}`;
    journal.append(entry);
    written.push(entry);
  };
  expect(() => {
    for (;;) add(300);
  }).toThrow(errors);
  expect(written.length).toBeGreaterThan(5);
  expect(fs.statSync(file).size).toBe(journal.size);
  expect(read(file)).toMatchObject({ entries: written, damage: undefined });
  expect(() => journal.rewrite([...written, ...written])).toThrow(errors);
  expect(fs.readdirSync(join(file, '..'))).toEqual([basename(file)]);
  expect(() => {
    for (;;) add(0);
  }).toThrow(errors);
  expect(read(file).entries).toEqual(written);
  makeRoom();
  for (let i = 0; i < 10; i++) add(300);
  journal.close();
  expect(read(file)).toMatchObject({ entries: written, damage: undefined });
}

describe('without room, a journal is as before, and goes on when there is some again', () => {
  it('for a file', () => {
    const prlimit = (...words: string[]) =>
      execFileSync('prlimit', ['--pid', `${process.pid}`, ...words], { encoding: 'utf8' }).trim();
    const usual = prlimit('--fsize', '--output=SOFT', '--noheadings', '--raw');
    prlimit('--fsize=10000:');
    try {
      fillUp(path, /^(ENOSPC|EFBIG): /, () => prlimit(`--fsize=${usual}:`));
    } finally {
      prlimit(`--fsize=${usual}:`);
    }
  });

  it.skipIf(process.geteuid?.() !== 0)('on the disk', async () => {
    // In a mount namespace that ends with its process.
    const script = 'mount -t tmpfs -o size=64k none "$0" && echo mounted && exec sleep 1000';
    const child = spawn('unshare', ['-m', 'sh', '-c', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout!, 'data');
    const inside = `/proc/${child.pid}/root${directory}/journal`;
    fillUp(inside, /^ENOSPC: /, () =>
      execFileSync('nsenter', ['-t', `${child.pid}`, '-m', 'mount', '-o', 'remount,size=1m', directory]),
    );
  });
});

/** What the program below does as its operation number `n`, and with `entry`, what its journal has after that. */
const PLAN = `
const entry = (n) => ({ n, pad: 'x'.repeat(n % 10 === 4 ? 400_000 : (n + 2) % 300) });
const rewritten = (n) => [n - 2, n - 1, n].map(entry);
const isRewrite = (n) => n % 7 === 0;`;

const PROGRAM = `
import { writeSync } from 'node:fs';
const { Journal } = await import(process.argv[1]);
${PLAN}
const { journal, entries, damage } = Journal.open(process.argv[2]);
if (damage !== undefined) throw new Error(JSON.stringify(damage));
for (let n = (entries.at(-1)?.n ?? -1) + 1; ; n++) {
  if (isRewrite(n)) journal.rewrite(rewritten(n));
  else journal.append(entry(n));
  writeSync(1, n + '\\n');
}`;

describe('kill -9', () => {
  it('at any instant leaves what was acknowledged, and at most one operation more', async () => {
    const { entry, rewritten, isRewrite } = new Function(
      `${PLAN}; return { entry, rewritten, isRewrite };`,
    )();
    const contentAfter = (n: number): unknown[] => {
      if (n < 0) return [];
      const content = rewritten(n - (n % 7));
      for (let i = n - (n % 7) + 1; i <= n; i++) content.push(entry(i));
      return content;
    };
    expect(isRewrite(0)).toBe(true);
    const { program, remove } = compile(
      fileURLToPath(new URL('../../src/state/journal.ts', import.meta.url)),
    );
    const acknowledgements = join(directory, 'acknowledged');
    try {
      let last = -1;
      for (let round = 0; round < 30; round++) {
        const out = fs.openSync(acknowledgements, 'w+');
        const words = ['--input-type=module', '-e', PROGRAM, pathToFileURL(program).href, path];
        const child = spawn(process.execPath, words, { stdio: ['ignore', out, 'inherit'] });
        children.push(child);
        const exited = once(child, 'exit');
        // Some rounds end before or during the open.
        if (round % 4 === 3) await sleep(20 + Math.random() * 30);
        else {
          while (fs.fstatSync(out).size === 0 && child.exitCode === null) await sleep(1);
          await sleep(Math.random() * 20);
        }
        child.kill('SIGKILL');
        const [, signal] = await exited;
        expect(signal).toBe('SIGKILL');
        const acknowledged = fs.readFileSync(acknowledgements, 'utf8').split('\n').slice(0, -1);
        fs.closeSync(out);
        last = Number(acknowledged.at(-1) ?? last);
        const { entries, damage } = read();
        expect(damage).toBeUndefined();
        const found = (entries.at(-1) as { n: number } | undefined)?.n ?? -1;
        expect([last, last + 1]).toContain(found);
        expect(entries).toEqual(contentAfter(found));
        last = found;
      }
      expect(last).toBeGreaterThan(30);
      expect(fs.readdirSync(directory).filter((name) => name.includes('damaged'))).toEqual([]);
    } finally {
      remove();
    }
  });
});
