import { GENERIC_COOKIE, genericMessages } from '../../src/netgraph/index.js';
import { nodeTypes } from '../../src/nodes/index.js';
import type { Operation, Scenario } from './scenario.js';
import { unhex } from './scenario_socket.js';

/** The node types that a scenario needs and that are not there. */
export function needs({ kldload = [], ops }: Scenario): string[] {
  const types = [...kldload.map((module) => module.replace(/^ng_/, '')), ...ops.flatMap(typesOf)];
  return [...new Set(types)].filter((type) => !nodeTypes.has(type));
}

function typesOf(operation: Operation): string[] {
  const { op, cookie, cmd, errno, sent } = operation;
  if (op === 'ifnew' || op === 'ifrx') return ['ether'];
  // A type that FreeBSD did not know either is no need of ours.
  if (errno === 'ENOENT') return [];
  const mkpeer = genericMessages.mkpeer.cmd;
  if (op === 'binmsg' && cookie === GENERIC_COOKIE && cmd === mkpeer) return [typeName(operation.hex!)];
  if (op === 'msg' && sent?.cookie === GENERIC_COOKIE && sent.cmd === mkpeer) return [typeName(sent.hex)];
  return [];
}

function typeName(mkpeer: string): string {
  const bytes = unhex(mkpeer).subarray(0, 32);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString('latin1') || 'socket';
}
