import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeReal, finished, inSandbox } from './support/sandbox.js';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

describeReal('the example of the README', () => {
  it('makes two jails and a ping, in a program without the daemon', async () => {
    const example = /```js\n(import { execFile }[\s\S]*?)```/.exec(readme)![1];
    const directory = mkdtempSync(join(tmpdir(), 'netgraph-readme-'));
    try {
      mkdirSync(join(directory, 'node_modules'));
      symlinkSync(root, join(directory, 'node_modules/netgraph-linux'));
      writeFileSync(join(directory, 'example.mjs'), example);
      const script = `cd ${directory} && node example.mjs && ip netns list && ip -o link show type tun`;
      const { command, args } = inSandbox('sh', '-c', script);
      const { stdout, stderr, status } = await finished(spawn(command, args));
      expect(stderr).toBe('');
      expect(stdout).toMatch(/3 packets transmitted, 3 received, 0% packet loss.*\n.*\n\n$/);
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
