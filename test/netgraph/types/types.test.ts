import { describe, expect, expectTypeOf, it } from 'vitest';
import { NgError } from '../../../src/netgraph/errors.js';
import {
  decode,
  defaultOf,
  encode,
  type Infer,
  ParseError,
  parse,
  t,
  unparse,
} from '../../../src/netgraph/types/index.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'));

/** The error that `action` throws. */
function failure(action: () => unknown): NgError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(NgError);
    return error as NgError;
  }
  throw new Error('nothing was thrown');
}

const NodeInfo = t.struct({ name: t.nodeName, type: t.typeName, id: t.hint32, hooks: t.uint32 });
const NameList = t.struct({ numnames: t.uint32, nodeinfo: t.array(NodeInfo, 'numnames') });
const HookList = t.struct({
  nodeinfo: NodeInfo,
  linkinfo: t.array(
    t.struct({ ourhook: t.hookName, peerhook: t.hookName, nodeinfo: NodeInfo }),
    'nodeinfo.hooks',
  ),
});

describe('one declaration', () => {
  const Config = t.struct({ loss: t.uint16, seed: t.uint32 });

  it('gives the binary layout, with the padding of C', () => {
    expect(hex(encode(Config, { loss: 5, seed: 1 }))).toBe('0500000001000000');
    expect(Config.size).toBe(8);
    expect(Config.align).toBe(4);
  });

  it('gives the ASCII form, both ways', () => {
    expect(unparse(Config, bytes('0500000001000000'))).toBe('{ loss=5 seed=1 }');
    expect(hex(parse(Config, '{ seed=0x10 loss=010 }').bytes)).toBe('0800000010000000');
  });

  it('gives the TypeScript type', () => {
    expectTypeOf<Infer<typeof Config>>().toEqualTypeOf<{ loss: number; seed: number }>();
    expectTypeOf<Infer<typeof NameList>['nodeinfo'][number]['name']>().toEqualTypeOf<string>();
    expect(decode(Config, bytes('0500000001000000'))).toEqual({ loss: 5, seed: 1 });
  });

  it('gives help', () => {
    expect(Config.describe()).toBe('{ loss=<uint16> seed=<uint32> }');
    expect(HookList.describe()).toContain('linkinfo=[ { ourhook=<string> peerhook=<string> ');
  });

  it('gives the default, which text leaves out and values may', () => {
    expect(Config.zero).toEqual({ loss: 0, seed: 0 });
    expect(unparse(Config, defaultOf(Config))).toBe('{}');
    expect(encode(Config, {})).toEqual(defaultOf(Config));
  });
});

describe('arrays', () => {
  const node = { name: 'lan', type: 'bridge', id: 0x12, hooks: 0 };

  it('take their length from an earlier field, and set it when it is left out', () => {
    const encoded = encode(NameList, { nodeinfo: [node, node] });
    expect(encoded.length).toBe(4 + 2 * 72);
    expect(decode(NameList, encoded)).toEqual({ numnames: 2, nodeinfo: [node, node] });
    expect(failure(() => encode(NameList, { numnames: 1, nodeinfo: [node, node] })).code).toBe('E2BIG');
  });

  it('find the field inside another structure', () => {
    const link = { ourhook: 'left', peerhook: 'right', nodeinfo: node };
    const encoded = encode(HookList, { nodeinfo: { name: 'lan', type: 'bridge' }, linkinfo: [link] });
    expect(decode(HookList, encoded).nodeinfo.hooks).toBe(1);
    expect(decode(HookList, encoded).linkinfo).toEqual([link]);
  });

  it('can be the rest of the message', () => {
    const option = t.struct({
      level: t.int32,
      name: t.int32,
      value: t.bytes(({ arglen }) => arglen && arglen - 8),
    });
    expect(hex(encode(option, { level: 1, name: 2, value: [3, 4] }))).toBe('01000000020000000304' + '0000');
    expect(decode(option, bytes('01000000020000000304')).value).toEqual(bytes('0304'));
    expect(unparse(option, bytes('01000000020000000304'))).toBe('{ level=1 name=2 value=[ 0x3 0x4 ] }');
  });

  it('print an index after a gap, and take one', () => {
    const counters = t.fixedArray(t.uint8, 4);
    expect(unparse(counters, bytes('01000005'))).toBe('[ 1 3=5 ]');
    expect(hex(parse(counters, '[ 2=7 8 ]').bytes)).toBe('00000708');
  });

  it('may have defaults of their own', () => {
    const steps = t.fixedArray(t.uint8, 3, { default: (index) => index * 10 });
    expect(hex(defaultOf(steps))).toBe('000a14');
    expect(unparse(steps, bytes('000a15'))).toBe('[ 2=21 ]');
  });

  it('refuse a length field that is not there', () => {
    expect(() => t.struct({ items: t.array(t.uint8, 'count') })).toThrow('no integer field "count"');
  });
});

describe('strings', () => {
  it('are UTF-8, and lose no byte that is not', () => {
    expect(hex(encode(t.string, 'é'))).toBe('c3a900');
    expect(decode(t.string, bytes('c3a900'))).toBe('é');
    expect(decode(t.string, bytes('41ff00'))).toBe('A\udcff');
    expect(hex(encode(t.string, 'A\udcff'))).toBe('41ff00');
    expect(unparse(t.string, bytes('41ff00'))).toBe('"A\\xff"');
  });

  it('take escapes inside structures, where FreeBSD fails', () => {
    const name = t.struct({ name: t.nodeName, id: t.uint8 });
    const { bytes: parsed } = parse(name, '{ name="a\\\\b\\x41\\q" id=1 }');
    expect(decode(name, parsed)).toEqual({ name: 'a\\bAq', id: 1 });
  });

  it('take numeric escapes of any length, and can be printed so that these do no harm', () => {
    expect(hex(parse(t.string, '"\\x41B"').bytes)).toBe('1b00');
    expect(unparse(t.string, bytes('014200'))).toBe('"\\x01B"');
    expect(unparse(t.string, bytes('014200'), { exact: true })).toBe('"\\x01\\x42"');
  });

  it('must fit, and cannot contain a NUL', () => {
    expect(failure(() => encode(t.fixedString(4), 'four')).code).toBe('E2BIG');
    expect(failure(() => encode(t.fixedString(4), 'é é')).code).toBe('E2BIG');
    expect(failure(() => encode(t.string, 'a\0b')).code).toBe('EINVAL');
    expect(decode(t.sizedString, encode(t.sizedString, 'a\0b'))).toBe('a\0b');
  });
});

describe('addresses', () => {
  it('of Ethernet have no default', () => {
    const host = t.struct({ addr: t.enaddr, age: t.uint16 });
    expect(failure(() => parse(host, '{ age=1 }')).code).toBe('EOPNOTSUPP');
    expect(unparse(host, parse(host, '{ addr=0:1:2:a:B:c }').bytes)).toBe('{ addr=00:01:02:0a:0b:0c }');
  });

  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['fe80::', 'fe80::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('of IPv6: %s is printed as %s (RFC 5952)', (given, printed) => {
    expect(unparse(t.ip6addr, parse(t.ip6addr, given).bytes)).toBe(printed);
    expect(decode(t.ip6addr, encode(t.ip6addr, given))).toBe(printed);
  });

  it.each([
    '',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7::8',
    '::1.2.3',
  ])('of IPv6: "%s" is refused', (given) => {
    expect(failure(() => encode(t.ip6addr, given)).code).toBe('EINVAL');
  });

  it('are refused with what follows them', () => {
    expect(failure(() => encode(t.ipaddr, '1.2.3.4.5')).message).toBe('"1.2.3.4.5" is not <ipaddr>');
    expect(failure(() => encode(t.enaddr, '00:11:22:33:44')).code).toBe('EINVAL');
  });
});

describe('errors', () => {
  const Config = t.struct({ loss: t.uint16, seed: t.uint32 });

  it.each([
    ['{ foo=1 }', 'ENOENT', 2, 'at offset 2: no field "foo" (there is loss, seed)'],
    ['{ loss=1 loss=2 }', 'EALREADY', 14, 'at offset 14: field "loss" is given twice'],
    ['{ loss=x }', 'EINVAL', 7, 'at offset 7: expected an integer, found "x }"'],
    ['{ loss=65536 }', 'EINVAL', 7, 'at offset 7: "65536 }" is out of range for uint16 (-32768 to 65535)'],
    ['{ loss=1', 'EINVAL', 8, 'at offset 8: expected a field name, found the end'],
  ])('of parsing %s say where', (text, code, offset, message) => {
    const error = failure(() => parse(Config, text));
    expect(error).toBeInstanceOf(ParseError);
    expect(error).toMatchObject({ code, offset, message });
  });

  it('of encoding name the field', () => {
    expect(failure(() => encode(Config, { loss: 70000 })).message).toBe(
      'field "loss": 70000 is out of range for uint16 (-32768 to 65535)',
    );
  });

  it('of decoding say what is missing', () => {
    expect(failure(() => decode(Config, bytes('05000000'))).message).toBe(
      'arguments too short: 4 bytes, need 4 at offset 4 for "seed"',
    );
    expect(failure(() => unparse(Config, bytes('05000000'))).code).toBe('EINVAL');
    expect(failure(() => decode(NameList, bytes('ffffff7f'))).code).toBe('EINVAL');
    expect(failure(() => decode(NameList, bytes('ffffffff'))).code).toBe('EINVAL');
  });

  it('tell when the result is too large', () => {
    expect(failure(() => parse(Config, '{}', { size: 7 })).code).toBe('ERANGE');
    expect(failure(() => parse(NameList, '{ numnames=1000000000 }')).code).toBe('ERANGE');
    expect(failure(() => parse(NameList, '{ numnames=-1 }')).code).toBe('ENOMEM');
    expect(failure(() => unparse(Config, bytes('0500000001000000'), { size: 17 })).code).toBe('ERANGE');
    expect(unparse(Config, bytes('0500000001000000'), { size: 18 })).toBe('{ loss=5 seed=1 }');
  });
});

describe("fields and types of one's own", () => {
  it('override alignment and default', () => {
    const type = t.struct({ a: t.uint8, b: t.field(t.uint8, { align: 4, default: 7 }), c: t.uint8 });
    expect(hex(defaultOf(type))).toBe('000000000700');
    expect(unparse(type, bytes('000000000800'))).toBe('{ b=8 }');
    expect(type.zero).toEqual({ a: 0, b: 7, c: 0 });
  });

  it('are written with cursors over text, output and data', () => {
    const port = t.custom<number>({
      kind: 'port',
      align: 2,
      size: 2,
      parse: (text, out) => {
        const number = text.integer() ?? text.refuse('expected a port');
        text.at = number.end;
        port.write(Number(number.value), out);
      },
      unparse: (data, printer) => printer.put(String(port.read(data))),
      default: (out) => port.write(80, out),
      encode: (value, out) => out.append([value >> 8, value & 0xff]),
      decode: (data) => {
        const at = data.take(2);
        return (data.bytes[at] << 8) | data.bytes[at + 1];
      },
    });
    const service = t.struct({ proto: t.uint8, port });
    expect(hex(parse(service, '{ port=8080 }').bytes)).toBe('00001f90');
    expect(unparse(service, bytes('00000050'))).toBe('{}');
    expect(decode(service, bytes('00000051'))).toEqual({ proto: 0, port: 81 });
    expect(service.describe()).toBe('{ proto=<uint8> port=<port> }');
  });
});
