import { describe, expect, it } from 'vitest';
import { GENERIC_COOKIE, genericMessages, hexdump, Message } from '../../src/client/index.js';
import { simulatedWorld } from '../support/world.js';
import { GraphSocket } from './graph-socket.js';

function open(name?: string) {
  const world = simulatedWorld();
  return { world, socket: new GraphSocket(world.graph, world.vnet0, name) };
}

describe('a socket in a graph', () => {
  it('makes, connects, names, lists and takes down nodes', async () => {
    const { socket } = open('me');
    await socket.mkpeer('.', 'tee', 't', 'left');
    await socket.name('t', 'tee1');
    await socket.mkpeer('tee1:', 'hub', 'right', 'a');
    await socket.connectNodes('tee1:', 'tee1:right', 'left2right', 'b');
    const { nodeinfo, linkinfo } = await socket.listHooks('tee1:');
    expect(nodeinfo).toEqual({ name: 'tee1', type: 'tee', id: 2, hooks: 3 });
    expect(linkinfo.map(({ ourhook, peerhook }) => [ourhook, peerhook])).toEqual([
      ['left2right', 'b'],
      ['right', 'a'],
      ['left', 't'],
    ]);
    expect((await socket.listNodes()).map(({ type }) => type)).toEqual(['socket', 'tee', 'hub']);
    expect((await socket.listNodes({ named: true })).map(({ name }) => name)).toEqual(['me', 'tee1']);
    expect(await socket.listTypes()).toContainEqual({ typename: 'hub', numnodes: 1 });
    await socket.rmhook('tee1:', 'left2right');
    await socket.shutdown('tee1:');
    expect((await socket.listNodes()).map(({ type }) => type)).toEqual(['socket', 'hub']);
    await expect(socket.nodeInfo('tee1:')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(socket.name('.', 'n'.repeat(32))).rejects.toMatchObject({ code: 'E2BIG' });
  });

  it('speaks ASCII', async () => {
    const { socket } = open();
    await socket.mkpeer('.', 'eiface', 'e', 'ether');
    expect(await socket.msg('e', 'getifname')).toBe('"ngeth0"');
    expect(await socket.msg('e', 'set', '00:11:22:33:44:55')).toBeUndefined();
    await expect(socket.msg('e', 'nosuch')).rejects.toMatchObject({ code: 'ENOSYS' });
    await socket.sendAscii('e', 'nodeinfo');
    const reply = socket.takeMessage()!;
    const { name, text } = await socket.toAscii(reply);
    expect([name, text]).toEqual(['nodeinfo', '{ name="ngeth0" type="eiface" id=0x2 hooks=1 }']);
  });

  it('answers messages', async () => {
    const { world, socket } = open('a');
    const other = new GraphSocket(world.graph, world.vnet0, 'b');
    const asked = socket.request('b:', new Message(77, 1, Uint8Array.of(1)));
    const question = other.takeMessage()!;
    expect(question.from).toBe('[1]:');
    await other.sendReply(question, Uint8Array.of(2));
    expect((await asked).message.data).toEqual(Uint8Array.of(2));
  });

  it('sends and receives frames', async () => {
    const { socket } = open();
    await expect(socket.sendData(undefined, new Uint8Array(1))).rejects.toMatchObject({
      code: 'EDESTADDRREQ',
    });
    await socket.mkpeer('.', 'echo', 'e', 'x');
    await socket.sendData('e', Uint8Array.of(1, 2));
    await socket.sendData(undefined, Uint8Array.of(3));
    expect([socket.takeFrame(), socket.takeFrame(), socket.takeFrame()]).toEqual([
      { hook: 'e', data: Uint8Array.of(1, 2) },
      { hook: 'e', data: Uint8Array.of(3) },
      undefined,
    ]);
    await expect(socket.sendData('nosuch', new Uint8Array(1))).rejects.toMatchObject({
      code: 'EHOSTUNREACH',
    });
  });

  it('ends with its node', async () => {
    const { socket } = open();
    await socket.shutdown('.');
    expect(socket.isOpen).toBe(false);
    await expect(socket.nodeInfo()).rejects.toMatchObject({ code: 'EPIPE' });
    expect(await socket.messages().next()).toMatchObject({ done: true });
  });

  it('names messages that have no name, for who reads them', async () => {
    const { socket } = open();
    const message = new Message(GENERIC_COOKIE, genericMessages.nodeinfo.cmd);
    await socket.request('.', message);
    expect(message.name).toBe('cmd805306374');
  });
});

it('dumps bytes', () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => i * 15);
  expect([...hexdump(bytes)]).toEqual([
    '0000:  00 0f 1e 2d 3c 4b 5a 69 78 87 96 a5 b4 c3 d2 e1  ...-<KZix.......',
    '0010:  f0 ff                                            ..              ',
  ]);
  expect([...hexdump(new Uint8Array())]).toEqual([]);
});
