import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const isThere = spawnSync('systemd-analyze', ['--version']).status === 0;

it.skipIf(!isThere)(`the systemd unit is clean${isThere ? '' : ' (skipped: no systemd-analyze)'}`, () => {
  const unit = readFileSync(new URL('../../scripts/netgraph.service', import.meta.url), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'netgraph-unit-'));
  const file = join(folder, 'netgraph.service');
  // What it starts need not be installed here.
  writeFileSync(file, unit.replace(/^(Exec\w+=)\S+/gm, '$1/bin/true'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  // Of other units of this machine it tells, too.
  const complaints = stderr.split('\n').filter((line) => line.includes('netgraph'));
  expect({ status, complaints }).toEqual({ status: 0, complaints: [] });
});
