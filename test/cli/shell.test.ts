import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTools, removeTools } from '../../src/cli/shell/tools.js';

describe("the shell's commands", () => {
  let directory: string;
  const { NETGRAPH_RUN_DIR, NETGRAPH_STATE_DIR } = process.env;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'netgraph-shell-test-'));
    process.env.NETGRAPH_RUN_DIR = join(directory, 'run');
    process.env.NETGRAPH_STATE_DIR = join(directory, 'state');
  });

  afterEach(() => {
    Object.assign(process.env, { NETGRAPH_RUN_DIR, NETGRAPH_STATE_DIR });
    if (NETGRAPH_RUN_DIR === undefined) delete process.env.NETGRAPH_RUN_DIR;
    if (NETGRAPH_STATE_DIR === undefined) delete process.env.NETGRAPH_STATE_DIR;
    rmSync(directory, { recursive: true });
  });

  it('are those that exist, and pass on their words', () => {
    const programs = join(directory, "it's here");
    mkdirSync(programs);
    writeFileSync(join(programs, 'jls.js'), 'console.log(process.argv.slice(2).join("|"))');
    const tools = makeTools(programs);
    expect(readdirSync(tools)).toEqual(['.probe', 'jls']);
    const output = execFileSync(join(tools, 'jls'), ['a b', '', '$x'], { encoding: 'utf8', env: {} });
    expect(output).toBe('a b||$x\n');
    removeTools(tools);
    expect(existsSync(tools)).toBe(false);
  });

  it('of a shell that was killed are cleared away by the next', () => {
    const run = join(directory, 'run');
    mkdirSync(join(run, 'netgraph-shell.2147483646.abcdef'), { recursive: true });
    mkdirSync(join(run, `netgraph-shell.${process.pid}.abcdef`));
    const tools = makeTools(directory);
    expect(readdirSync(run).sort()).toEqual(
      [`netgraph-shell.${process.pid}.abcdef`, tools.slice(run.length + 1)].sort(),
    );
  });
});
