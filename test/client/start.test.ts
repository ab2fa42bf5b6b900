import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startDaemon } from '../../src/client/start.js';

const isRoot = process.geteuid?.() === 0;

/** A folder, and a daemon in it that runs `code`. */
function instance(code: string) {
  const folder = mkdtempSync(join(tmpdir(), 'netgraph-start-'));
  const script = join(folder, 'daemon.cjs');
  const socketPath = join(folder, 'run', 'control.sock');
  writeFileSync(script, code);
  const logPath = join(folder, 'run', 'daemon.log');
  return { folder, options: { socketPath, logPath, command: [script, socketPath] } };
}

const serve = `
  const server = require('node:net').createServer((socket) => { socket.destroy(); server.close(); });
  setTimeout(() => server.listen(process.argv[2]), 100);
`;

describe.skipIf(!isRoot)('starting the daemon', () => {
  it('waits until it answers', async () => {
    const transport = await startDaemon(instance(`console.log('hello');${serve}`).options);
    expect(transport.writableLength).toBe(0);
    transport.destroy();
  });

  it('tries again when the one before it is on its way out', async () => {
    const { options, folder } = instance(`
      const fs = require('node:fs');
      const marker = __dirname + '/second';
      if (fs.existsSync(marker)) {${serve}} else fs.writeFileSync(marker, '');
    `);
    (await startDaemon(options)).destroy();
    expect(readFileSync(join(folder, 'second'), 'utf8')).toBe('');
  });

  it('says where to look when it does not come up', async () => {
    const { options } = instance(`console.error('no such luck')`);
    const failed = startDaemon(options);
    const message = `the netgraph daemon does not start: see ${options.logPath}`;
    await expect(failed).rejects.toMatchObject({ code: 'ENODAEMON', exitCode: 71, message });
    expect(readFileSync(options.logPath, 'utf8')).toBe('no such luck\n'.repeat(3));
  });

  it('does not wait for ever', async () => {
    const { options } = instance('setTimeout(() => {}, 1000)');
    await expect(startDaemon({ ...options, patience: 100 })).rejects.toMatchObject({ code: 'ENODAEMON' });
  });

  it('says why it cannot start', async () => {
    const { options, folder } = instance('');
    const failed = startDaemon({ ...options, logPath: join(folder, 'daemon.cjs', 'x', 'log') });
    await expect(failed).rejects.toThrow('cannot start the netgraph daemon: ENOTDIR');
  });
});
