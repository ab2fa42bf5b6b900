import { expect, it, vi } from 'vitest';
import { complain, print, printable } from '../../src/cli/command.js';
import { formatJails } from '../../src/cli/jls/format.js';
import { parseJls } from '../../src/cli/jls/main.js';
import type { ListedJail } from '../../src/cli/jls/parameters.js';

const NASTY = '\x1b]0;title\x07\x1b[2J\u009b31m\r\x7f';
const SHOWN = '\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\x0d\\x7f';

it('nothing that tools print commands the terminal, and all else is as it was', () => {
  for (const [stream, write] of [
    [process.stdout, print],
    [process.stderr, complain],
  ] as const) {
    const written = vi.spyOn(stream, 'write').mockImplementation(() => true);
    write(`a\tb ü\u{1f600}\n${NASTY}\n`);
    expect(written.mock.calls).toEqual([[`a\tb ü\u{1f600}\n${SHOWN}\n`]]);
    written.mockRestore();
  }
});

it('a name makes no lines or columns of its own', () => {
  expect(printable('plain name')).toBe('plain name');
  expect(printable(`two\nlines\t${NASTY}`)).toBe(`two\\x0alines\\x09${SHOWN}`);
  const hostname = 'x\n9 root\x1b[2J';
  const jail = { jid: 1, name: 'a', hostname, path: '/' } as ListedJail;
  expect(formatJails([jail], parseJls(['jid', 'host.hostname', 'name']).form)).toBe(
    '1 x\\x0a9 root\\x1b[2J a\n',
  );
});
