import { afterEach, beforeEach, expect, it } from 'vitest';
import { World } from '../../src/world/index.js';
import { describeReal } from '../support/sandbox.js';

describeReal('a world of a program', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.close());

  it('has sockets in the jail that is said, by whatever it is called, and in no other place', async () => {
    const name = `ngt-world-${process.pid}`;
    const jail = await world.jails.create({ name, vnet: 'new', persist: 'true' });
    for (const given of [jail, name, jail.id, String(jail.id)]) {
      const socket = world.socket({ jail: given });
      expect(world.graph.nodes(jail.vnet).map(({ type }) => type.type)).toEqual(['socket']);
      await socket.close();
    }
    expect(world.graph.nodes(world.vnet0)).toEqual([]);
    expect(() => world.socket({ jail: 'nonesuch' })).toThrow('there is no jail nonesuch');
  });
});
