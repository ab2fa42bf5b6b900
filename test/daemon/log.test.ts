import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LIMITS, Logger } from '../../src/daemon/log.js';

/** Writes so many lines of 4 KiB to standard error. */
const WRITER = `
import { Logger, standardError } from '${new URL('../../dist/daemon/log.js', import.meta.url)}';
const [, file, lines] = process.argv;
const logger = new Logger(standardError(file));
for (let i = 0; i < Number(lines); i++) {
  logger.log('line ' + i + ' ' + 'x'.repeat(3900));
  if (i % 100 === 0) logger.flush();
}`;

const TIME = '2026-11-21T00:00:00.000Z';

describe('the log', () => {
  let written: string[];
  let logger: Logger;
  const make = (journal = false) => new Logger({ journal, write: (text) => void written.push(text) });
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date(TIME) });
    written = [];
    logger = make();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has lines of time, level, message and what belongs to it', () => {
    logger.log('serving', 'info', { socket: '/run/netgraph/control.sock', pid: 12 });
    logger.log('lost', 'error', { name: 'a "b" c', empty: '', why: 'x=1' });
    logger.log('plain');
    expect(written).toEqual([
      `${TIME} info serving socket=/run/netgraph/control.sock pid=12\n`,
      `${TIME} error lost name="a \\"b\\" c" empty="" why="x=1"\n`,
      `${TIME} notice plain\n`,
    ]);
  });

  it('gives the journal priorities instead', () => {
    const { log } = make(true);
    for (const level of ['error', 'warning', 'notice', 'info', 'debug'] as const) log('x', level, { a: 1 });
    expect(written).toEqual(['<3>x a=1\n', '<4>x a=1\n', '<5>x a=1\n', '<6>x a=1\n', '<7>x a=1\n']);
  });

  it('writes one line whatever a message has in it', () => {
    logger.log(`a\n${TIME} error forged\r\x1b[2J\u2028\u202e\x85`, 'info', { b: 'c\n<3>d' });
    make(true).log('a\n<3>forged');
    expect(written).toEqual([
      `${TIME} info a\\n${TIME} error forged\\u{d}\\u{1b}[2J\\u{2028}\\u{202e}\\u{85} b="c\\n<3>d"\n`,
      '<5>a\\n<3>forged\n',
    ]);
    logger.log('x'.repeat(1 << 20));
    expect(written[2].length).toBeLessThan(LIMITS.length + 50);
  });

  it('counts lines that come again and again', () => {
    for (let i = 0; i < 1000; i++) logger.log('node failed: why', 'error', { node: 'a' });
    logger.log('node failed: why', 'error', { node: 'b' });
    expect(written.length).toBe(LIMITS.same + 1);
    vi.advanceTimersByTime(LIMITS.period);
    const times = 1000 - LIMITS.same;
    const end = new Date(Date.parse(TIME) + LIMITS.period).toISOString();
    expect(written.slice(LIMITS.same + 1)).toEqual([
      `${end} error repeated ${times} times: node failed: why node=a\n`,
    ]);
    logger.log('node failed: why', 'error', { node: 'a' });
    expect(written.length).toBe(LIMITS.same + 3);
    vi.advanceTimersByTime(10 * LIMITS.period);
    expect([written.length, vi.getTimerCount()]).toEqual([LIMITS.same + 3, 0]);
  });

  it('leaves out lines that are too many, and forgets them', () => {
    for (let i = 0; i < 100_000; i++) logger.log(`failed for the ${i}th time`);
    expect(written.length).toBe(LIMITS.all);
    logger.log('important', 'error');
    logger.flush();
    expect(written.slice(LIMITS.all)).toEqual([
      `${TIME} error important\n`,
      `${TIME} warning left out ${100_000 - LIMITS.all} lines: there were too many\n`,
    ]);
    logger.log('again');
    expect(written.at(-1)).toBe(`${TIME} notice again\n`);
  });
});

describe('standard error', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'netgraph-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What a process wrote that had `name` as its standard error, and whose log file is `daemon.log`. */
  function write(name: string, lines: number, journal = false): string {
    const file = join(folder, name);
    const fd = openSync(file, 'a');
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const env = { ...process.env, JOURNAL_STREAM: journal ? `${dev}:${ino}` : `${dev}:1` };
    const args = ['--input-type=module', '-e', WRITER, join(folder, 'daemon.log'), String(lines)];
    const { status, error } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', fd], env });
    closeSync(fd);
    expect([status, error]).toEqual([0, undefined]);
    return readFileSync(file, 'utf8');
  }

  it('is the journal when systemd says so, and it is true', () => {
    expect(write('x', 1, true)).toMatch(/^<5>line 0 x+\n$/);
    expect(write('y', 1, false)).toMatch(/^2\S+Z notice line 0 x+\n$/);
  });

  it('does not grow for ever when it is the log file of the daemon, and only then', () => {
    const lines = 3000; // of 4 KiB
    expect(write('daemon.log', lines)).toMatch(/line 2999 x+\n$/);
    expect(statSync(join(folder, 'daemon.log')).size).toBeLessThan(5 << 20);
    expect(readFileSync(join(folder, 'daemon.log.old'), 'utf8')).toMatch(/x\n$/);
    write('elsewhere', lines);
    expect(statSync(join(folder, 'elsewhere')).size).toBeGreaterThan(10 << 20);
  });
});
