import { describe, expect, it } from 'vitest';
import { moduleName, modules, plain } from '../../src/cli/modules/load.js';
import { formatModules } from '../../src/cli/modules/stat.js';
import { formatSysctl } from '../../src/cli/sysctl/main.js';
import { NgError } from '../../src/netgraph/errors.js';

const types = [
  { name: 'eiface', nodes: 2 },
  { name: 'wormhole', nodes: 0 },
];

describe('modules', () => {
  it('are named as files of FreeBSD', () => {
    expect(['ng_eiface', 'ng_eiface.ko', '/boot/kernel/ng_eiface.ko'].map(moduleName)).toEqual(
      Array(3).fill('ng_eiface'),
    );
  });

  it('are listed by kldstat(8)', () => {
    expect(formatModules(modules(types), false)).toBe(
      `Id Refs Address                Size Name
 1    4                0x0        0 kernel
 2    3                0x0        0 netgraph.ko
 3    3                0x0        0 ng_eiface.ko
 4    1                0x0        0 ng_wormhole.ko
`,
    );
    expect(formatModules(modules(types).slice(2, 3), true).split('\n').slice(1)).toEqual([
      ' 3    3                0x0        0 ng_eiface.ko (netgraph/ng_eiface.ko)',
      '\tContains modules:',
      '\t\t Id Name',
      '\t\t  3 ng_eiface',
      '',
    ]);
  });

  it('are refused in the words of strerror(3)', () => {
    expect(plain(new NgError('EPERM'))).toBe('Operation not permitted');
    expect(plain(new NgError('EBUSY', 'it has 2 nodes'))).toBe('Device busy (it has 2 nodes)');
  });
});

describe('sysctl(8)', () => {
  const one = { name: 'net.graph.maxdata', value: 4096, description: 'Frames in queues', writable: true };
  const format = { valuesOnly: false, namesOnly: false, describe: false, between: ': ' };

  it('shows values, names and descriptions', () => {
    expect(formatSysctl(one, format)).toBe('net.graph.maxdata: 4096\n');
    expect(formatSysctl(one, { ...format, between: '=' })).toBe('net.graph.maxdata=4096\n');
    expect(formatSysctl(one, { ...format, valuesOnly: true })).toBe('4096\n');
    expect(formatSysctl(one, { ...format, namesOnly: true })).toBe('net.graph.maxdata\n');
    expect(formatSysctl(one, { ...format, describe: true })).toBe('net.graph.maxdata: Frames in queues\n');
  });
});
