import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asciiToBinary, binaryToAscii } from '../../src/netgraph/ascii.js';
import {
  CONVERT_SIZE,
  FLOW_COOKIE,
  GENERIC_COOKIE,
  genericMessages,
  HEADER_SIZE,
  Message,
  type MessageSpec,
  type NodeType,
} from '../../src/netgraph/index.js';
import { type ArgType, defaultOf, parse, unparse } from '../../src/netgraph/types/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import { busy, byteMutation, fuzz, oddNames, outcome, TIMEOUT, textMutation } from './support.js';

interface Command {
  type: NodeType;
  name: string;
  cookie: number;
  spec: MessageSpec;
}

/** Every message of every type, and the generic ones as one type has them. */
const commands: Command[] = [...nodeTypes.values()].flatMap((type, i) =>
  [type.messages, ...(i === 0 ? [genericMessages] : [])].flatMap((messages, generic) =>
    Object.entries<MessageSpec>(messages).map(([name, spec]) => ({
      type,
      name,
      cookie: generic ? GENERIC_COOKIE : type.cookie,
      spec,
      [fc.toStringMethod]: () => `${generic ? 'any' : type.type} ${name}`,
    })),
  ),
);

const words = [
  ...['{', '}', '[', ']', '=', '"', '\\', ' ', '{ ', ' }', '[ ', ' ]', '""', '"\\x', '"\\0', '\\"', '\0'],
  ...[
    '0',
    '-1',
    '0x',
    '0xffffffffffffffffff',
    '4294967296',
    '4294967295=',
    '2147483647',
    '08',
    '+',
    '-',
    '1e9',
    '0=',
  ],
  ...[
    '1.2.3.4',
    '00:11:22:33:44:55',
    '::1',
    'numnames=',
    'arglen=65535',
    'hooks=99999',
    'nodeinfo=',
    'data=',
    'name=',
  ],
  ...commands.map(({ name }) => name),
  ...oddNames,
];

/** Bytes that the type may have, more or less. */
function someBytes(type: ArgType | undefined): Uint8Array {
  const found = type === undefined ? undefined : outcome(() => defaultOf(type));
  return found !== undefined && 'value' in found ? found.value : new Uint8Array(type?.size ?? 40);
}

/** The ASCII form of such bytes; where there is none, something like one. */
function someText(type: ArgType | undefined, bytes: Uint8Array): string {
  const found = type === undefined ? undefined : outcome(() => unparse(type, bytes, { size: CONVERT_SIZE }));
  return found !== undefined && 'value' in found ? found.value : '{ a=1 b=[ 1 2 ] c="x" }';
}

const input = fc.record({
  command: fc.constantFrom(...commands),
  reply: fc.boolean(),
  bytes: byteMutation,
  text: textMutation(words),
  /** Of another command than the arguments are of. */
  other: fc.option(fc.constantFrom(...commands), { freq: 10 }),
});

function message({ name, cookie, spec }: Command, reply: boolean, data: Uint8Array): Uint8Array {
  const made = new Message(cookie, spec.cmd, data);
  made.name = name;
  made.flags = reply ? 1 : 0;
  return made.encode();
}

/** What a text was accepted as comes out as a text that means the same. */
function checkRound(type: ArgType, text: Uint8Array): void {
  const first = parse(type, text, { size: CONVERT_SIZE }).bytes;
  const printed = unparse(type, first, { exact: true });
  const again = parse(type, printed, { size: CONVERT_SIZE }).bytes;
  expect(unparse(type, again, { exact: true })).toBe(printed);
  // Behind a NUL in a string, nothing is printed.
  if (!text.includes(0x5c)) expect(again).toEqual(first);
}

describe('the ASCII form of messages', { timeout: TIMEOUT }, () => {
  it('of anything that looks like text is refused or understood, and stays what it is', () => {
    let accepted = 0;
    fuzz(input, 6000, ({ command, reply, bytes, text: mutateText, other }) => {
      const args = reply ? command.spec.reply : command.spec.args;
      const text = mutateText(someText(args, bytes(someBytes(args))));
      const data = new TextEncoder().encode(`${text}\0`);
      const converted = outcome(() => asciiToBinary(command.type, message(other ?? command, reply, data)));
      if (!('value' in converted)) {
        expect(converted.refused.message.length).toBeLessThan(4096);
        return;
      }
      expect(converted.value.length).toBeLessThanOrEqual(HEADER_SIZE + CONVERT_SIZE);
      accepted++;
      const back = outcome(() => binaryToAscii(command.type, converted.value));
      if ('refused' in back) expect(back.refused.code).toBe('ERANGE');
      const meant = other === null ? args : undefined;
      if (meant !== undefined) checkRound(meant, data.subarray(0, data.indexOf(0)));
    });
    expect(accepted).toBeGreaterThan(500);
  });

  it('of anything that looks like arguments is refused or given, and not too long', () => {
    let accepted = 0;
    fuzz(input, 6000, ({ command, reply, bytes, other }) => {
      const args = reply ? command.spec.reply : command.spec.args;
      const whole = message(other ?? command, reply, bytes(someBytes(args)));
      const converted = outcome(() => binaryToAscii(command.type, whole));
      if (!('value' in converted)) return;
      accepted++;
      expect(converted.value.length).toBeLessThanOrEqual(HEADER_SIZE + CONVERT_SIZE);
      const ascii = Message.decode(converted.value);
      if (args === undefined || other !== null || ascii.data.length === 1) return;
      // It is the form of something: perhaps too long now, or with a count that nothing has, but not wrong.
      const back = outcome(() => asciiToBinary(command.type, converted.value));
      if ('refused' in back) expect(back.refused.code).toMatch(/^(ERANGE|E2BIG|ENOMEM)$/);
    });
    expect(accepted).toBeGreaterThan(500);
  });

  it('of a message whose header is wrong, too', () => {
    fuzz(fc.tuple(input, byteMutation), 3000, ([{ command, reply, bytes, text }, header]) => {
      const args = reply ? command.spec.reply : command.spec.args;
      const binary = bytes(someBytes(args));
      const ascii = new TextEncoder().encode(text(someText(args, binary)));
      outcome(() => binaryToAscii(command.type, header(message(command, reply, binary))));
      outcome(() => asciiToBinary(command.type, header(message(command, reply, ascii))));
    });
  });

  it('as long as a message can be takes no longer than it must', () => {
    const long = 128 * 1024;
    const texts = [
      ...[
        '{',
        '[',
        '"',
        '=',
        ' ',
        '\\',
        '[ ',
        '{ a=',
        '[ 0=',
        '[ 1 ',
        '"\\x',
        '0',
        '9',
        '-',
        'a ',
        '{ name=',
        '"a" ',
      ].map((part) => part.repeat(long / part.length)),
      `{ numnames=4294967295 nodeinfo=[ ${'{ } '.repeat(long / 4)}`,
      `{ numnames=2147483647 nodeinfo=[ 2147483646={ } ] }`,
      `{ arglen=2147483647 data=[ ${'0 '.repeat(long / 2)}] }`,
      `{ arglen=4294967295 }`,
      `{ nodeinfo={ hooks=2147483647 } }`,
    ];
    const start = busy();
    for (const text of texts)
      for (const command of commands)
        for (const reply of [false, true])
          outcome(() => asciiToBinary(command.type, message(command, reply, Buffer.from(text))));
    for (const fill of [0, 1, 0x20, 0x7f, 0xff])
      for (const command of commands)
        for (const reply of [false, true])
          outcome(() =>
            binaryToAscii(command.type, message(command, reply, new Uint8Array(long).fill(fill))),
          );
    // Some thousand conversions of 128 KiB.
    expect(busy() - start).toBeLessThan(20_000);
  });

  it('of messages along hooks, which no type declares, is refused', () => {
    for (const type of nodeTypes.values())
      expect(outcome(() => binaryToAscii(type, new Message(FLOW_COOKIE, 32).encode()))).toHaveProperty(
        'refused',
      );
  });
});
