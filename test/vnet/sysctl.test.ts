import { describe, expect, it } from 'vitest';
import { SysctlError, type SysctlValue, VnetSystem, vnetDefine } from '../../src/vnet/index.js';

function twoVnets() {
  const system = new VnetSystem();
  return { system, sysctls: system.sysctls, vnet0: system.vnet0, jail: system.alloc() };
}

const refusal = (run: () => void): string => {
  try {
    run();
    return 'none';
  } catch (error) {
    if (error instanceof SysctlError) return error.code;
    throw error;
  }
};

describe('sysctls of a vnet', () => {
  it('act on the copy of the vnet they are asked in', () => {
    const { sysctls, vnet0, jail } = twoVnets();
    const forwarding = vnetDefine('forwarding', () => 0);
    sysctls.int('net.forwarding', forwarding, 'Forward packets');
    sysctls.write(jail, 'net.forwarding', 1);
    expect(sysctls.read(jail, 'net.forwarding')).toBe(1);
    expect(sysctls.read(vnet0, 'net.forwarding')).toBe(0);
    expect(forwarding.get(jail)).toBe(1);
  });

  it('SYSCTL_VNET_INT takes whole numbers of 32 bits, as numbers or text', () => {
    const { sysctls, vnet0 } = twoVnets();
    sysctls.int(
      'net.int',
      vnetDefine('int', () => 7),
      'A number',
    );
    const write = (value: SysctlValue) => refusal(() => sysctls.write(vnet0, 'net.int', value));
    expect([write(-0x80000000), write('0x7fffffff'), write(' 12 ')]).toEqual(['none', 'none', 'none']);
    expect(sysctls.read(vnet0, 'net.int')).toBe(12);
    const wrong = [0x80000000, -0x80000001, 1.5, '', ' ', 'seven', Number.NaN, new Uint8Array([5])];
    expect(wrong.map(write)).toEqual(wrong.map(() => 'EINVAL'));
    expect(sysctls.read(vnet0, 'net.int')).toBe(12);
  });

  it('SYSCTL_VNET_UINT takes no negative ones, and either may have bounds of its own', () => {
    const { sysctls, vnet0 } = twoVnets();
    const variable = vnetDefine('uint', () => 1);
    sysctls.uint('net.uint', variable, 'A number');
    sysctls.int('net.bounded', variable, 'The same with bounds', { min: 1, max: 10 });
    expect(refusal(() => sysctls.write(vnet0, 'net.uint', 0xffffffff))).toBe('none');
    expect(refusal(() => sysctls.write(vnet0, 'net.uint', -1))).toBe('EINVAL');
    expect(refusal(() => sysctls.write(vnet0, 'net.bounded', 11))).toBe('EINVAL');
    expect(refusal(() => sysctls.write(vnet0, 'net.bounded', 10))).toBe('none');
    expect(sysctls.read(vnet0, 'net.uint')).toBe(10);
  });

  it('SYSCTL_VNET_STRING takes text that fits with its NUL', () => {
    const { sysctls, vnet0 } = twoVnets();
    sysctls.string(
      'net.name',
      vnetDefine('name', () => 'none'),
      5,
      'A name',
    );
    expect(sysctls.read(vnet0, 'net.name')).toBe('none');
    expect(refusal(() => sysctls.write(vnet0, 'net.name', 'abcd'))).toBe('none');
    expect(refusal(() => sysctls.write(vnet0, 'net.name', 'abcde'))).toBe('EINVAL');
    expect(refusal(() => sysctls.write(vnet0, 'net.name', 'äöü'))).toBe('EINVAL');
    expect(refusal(() => sysctls.write(vnet0, 'net.name', 3))).toBe('EINVAL');
    expect(sysctls.read(vnet0, 'net.name')).toBe('abcd');
  });

  it('SYSCTL_VNET_STRUCT shows a structure as bytes', () => {
    const { sysctls, vnet0 } = twoVnets();
    const codec = {
      encode: ({ a, b }: { a: number; b: number }) => Uint8Array.of(a, b),
      decode: ([a, b]: Uint8Array) => ({ a, b }),
    };
    const variable = vnetDefine('struct', () => ({ a: 1, b: 2 }));
    sysctls.struct('net.struct', variable, codec, 'Two bytes');
    expect(sysctls.read(vnet0, 'net.struct')).toEqual(Uint8Array.of(1, 2));
    sysctls.write(vnet0, 'net.struct', Uint8Array.of(3, 4));
    expect(variable.get(vnet0)).toEqual({ a: 3, b: 4 });
    expect(refusal(() => sysctls.write(vnet0, 'net.struct', 'text'))).toBe('EINVAL');
  });

  it('SYSCTL_VNET_PROC is told the vnet of the caller (VNET_SYSCTL_ARG)', () => {
    const { sysctls, vnet0, jail } = twoVnets();
    const variable = vnetDefine('proc', () => 1);
    const double = (vnet: typeof jail) => variable.get(vnet) * 2;
    sysctls.proc('net.double', 'int', 'Twice as much', double, (vnet, value) =>
      variable.set(vnet, Number(value) / 2),
    );
    sysctls.write(jail, 'net.double', 10);
    expect(variable.get(jail)).toBe(5);
    expect([sysctls.read(jail, 'net.double'), sysctls.read(vnet0, 'net.double')]).toEqual([10, 2]);
  });

  it('of every kind may be read-only (CTLFLAG_RD): EPERM', () => {
    const { sysctls, vnet0 } = twoVnets();
    const readOnly = { readOnly: true };
    const number = vnetDefine('number', () => 1);
    const codec = { encode: (value: number) => Uint8Array.of(value), decode: ([value]: Uint8Array) => value };
    sysctls.int('a.int', number, '', readOnly);
    sysctls.uint('a.uint', number, '', readOnly);
    sysctls.string(
      'a.string',
      vnetDefine('string', () => ''),
      9,
      '',
      readOnly,
    );
    sysctls.struct('a.struct', number, codec, '', readOnly);
    sysctls.proc('a.proc', 'int', '', () => 1);
    const refusals = sysctls.list().map(({ name }) => refusal(() => sysctls.write(vnet0, name, 1)));
    expect(refusals).toEqual(['EPERM', 'EPERM', 'EPERM', 'EPERM', 'EPERM']);
  });

  it('are listed by name, and an unknown one is ENOENT', () => {
    const { sysctls, vnet0 } = twoVnets();
    const variable = vnetDefine('variable', () => 0);
    for (const name of ['net.b', 'net.a', 'net.c']) sysctls.int(name, variable, name);
    expect(sysctls.list().map(({ name }) => name)).toEqual(['net.a', 'net.b', 'net.c']);
    sysctls.remove('net.b');
    expect(refusal(() => sysctls.read(vnet0, 'net.b'))).toBe('ENOENT');
    expect(() => sysctls.int('net.a', variable, 'again')).toThrow('sysctl net.a is there already');
  });
});
