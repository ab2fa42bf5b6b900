import { GENERIC_COOKIE, genericMessages } from '../../src/netgraph/index.js';
import type { Operation, RecordedNode } from './scenario.js';
import { sameOutcome } from './scenario_compare.js';
import { unhex } from './scenario_socket.js';
import type { ScenarioWorld } from './scenario_world.js';

interface Before {
  readonly operation: Operation;
  /** As it is before the operation. */
  readonly world: ScenarioWorld;
}

interface Outcome extends Before {
  readonly recorded: Operation;
  readonly ours: Operation;
}

/** A recorded answer of FreeBSD 10.4 that ours differs from, on purpose. */
export interface ScenarioDifference {
  readonly reason: string;
  /** Whether it concerns this operation. Asked before the operation runs. */
  about(before: Before): boolean;
  /** Whether ours answers what it should. */
  explains(outcome: Outcome): boolean;
}

const always = () => true;

const { listhooks, listnames, listnodes, listtypes } = genericMessages;
const lists: readonly number[] = [listhooks, listnames, listnodes, listtypes].map(({ cmd }) => cmd);

/** Room in FreeBSD's sockets: net.graph.maxdgram and recvspace, less some. */
const SOCKET_ROOM = 20_000;
/** What fits a sockaddr_ng, whose length is a byte. */
const LONGEST_PATH = 252;
const OUR_ROOM = 128 * 1024;

export const scenarioDifferences: readonly ScenarioDifference[] = [
  {
    reason: 'main: giving a node the name that it has is fine',
    about({ operation: { op, cmd, sock, path, sent }, world }) {
      if (op !== 'msg' || cmd !== 'name' || sent === undefined) return false;
      return (
        world.nameOf(sock!, path!) === Buffer.from(sent.hex, 'hex').toString('latin1').replace(/\0.*$/s, '')
      );
    },
    explains: ({ recorded, ours }) => recorded.errno === 'EADDRINUSE' && ours.errno === 0,
  },
  {
    reason: 'main: getsockname tells the ID of a node without a name',
    about: ({ operation: { op, name } }) => op === 'sockname' && name === '',
    explains: ({ ours }) => /^\[[0-9a-f]+\]$/.test(ours.name ?? ''),
  },
  {
    reason: 'main: no length byte cuts a path off (there longer paths are refused)',
    about: ({ operation: { path = '', errno } }) => path.length > LONGEST_PATH && errno !== 0,
    explains: ({ ours }) => ours.errno === 0,
  },
  {
    reason: '[fix] a path out of a jail, through a wormhole, is refused with EPERM',
    about: ({ operation: { sock, path }, world }) =>
      sock !== undefined && path !== undefined && world.leavesJail(sock, path),
    explains: ({ ours }) => ours.errno === 'EPERM',
  },
  {
    reason: '[fix] after a collapse warp hooks are named after the jail on the other side',
    about: ({ operation: { op, cmd } }) => op === 'state' || cmd === 'listhooks',
    explains({ operation, world, recorded, ours }) {
      const own = `jid=${world.jidOf(operation.sock!)}`;
      return sameOutcome(swapped(recorded, own), ours);
    },
  },
  {
    reason: '[fix] sockets have more room than 20 KiB',
    about: ({ operation: { op, hex = '', errno } }) =>
      (op === 'binmsg' || op === 'data') &&
      (errno === 'ENOBUFS' || errno === 'EMSGSIZE') &&
      unhex(hex).length > SOCKET_ROOM,
    explains: ({ operation, ours }) =>
      ours.errno === (unhex(operation.hex!).length > OUR_ROOM ? 'EMSGSIZE' : 0),
  },
  {
    reason: '[fix] sockets have more room than 20 KiB',
    about: ({ operation: { op, cmd, sent, cookie, errno } }) =>
      errno === 'ENOBUFS' &&
      (op === 'msg' || op === 'binmsg') &&
      (sent?.cookie ?? cookie) === GENERIC_COOKIE &&
      lists.includes(sent?.cmd ?? Number(cmd)),
    explains: ({ ours }) => ours.errno === 0,
  },
  {
    reason: '[fix] sockets have more room than 20 KiB',
    about: ({ operation: { op } }) => op === 'probe',
    explains: always,
  },
  {
    reason: '[fix] strings with any escape are fine inside a structure',
    about: ({ operation: { op, arg = '', errno } }) =>
      op === 'msg' && errno === 'EINVAL' && /\\[^tnrvf"0-7]/.test(arg),
    explains: ({ ours }) => ours.failed_in !== 'ascii2binary',
  },
];

/** A record in which the hooks that carry their own jail's number carry that of their peer's. */
function swapped(outcome: Operation, own: string): Operation {
  const swapInText = (text: string) =>
    text.replaceAll(
      new RegExp(`ourhook="${own}" peerhook="(jid=\\d+)"`, 'g'),
      `ourhook="$1" peerhook="${own}"`,
    );
  const swapInHex = (bytes: string) => {
    const ours = hookName(own);
    return bytes.replaceAll(new RegExp(`${ours}(${hookName('jid=')}.{56})`, 'g'), `$1${ours}`);
  };
  return {
    ...outcome,
    ...(outcome.nodes && { nodes: outcome.nodes.map((node) => swapInNode(node, own)) }),
    ...(outcome.replies && {
      replies: outcome.replies.map((reply) =>
        'eof' in reply
          ? reply
          : { ...reply, hex: swapInHex(reply.hex), ...(reply.ascii && { ascii: swapInText(reply.ascii) }) },
      ),
    }),
  };
}

function swapInNode(node: RecordedNode, own: string): RecordedNode {
  const hooklist = node.hooklist.map((link) =>
    link.ourhook === own && link.peerhook.startsWith('jid=')
      ? { ...link, ourhook: link.peerhook, peerhook: own }
      : link,
  );
  return { ...node, hooklist };
}

const HOOK_NAME = 32;

/** A hook's name as it stands in a message; a prefix is not filled up. */
function hookName(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('hex');
  return name.endsWith('=') ? text : text.padEnd(2 * HOOK_NAME, '0');
}
