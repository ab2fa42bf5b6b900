import { openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { native } from '../../src/linux/native.js';
import { Removals } from '../../src/linux/removal.js';
import { describeReal } from '../support/sandbox.js';
import { ipJson, openDescriptors, sandbox } from './root.js';

describeReal('interfaces that are to go', () => {
  const t = sandbox();

  it('go although one beside them cannot be found, and although somebody objects', async () => {
    const { name, path } = t.box.netns();
    const before = openDescriptors();
    const reported: string[] = [];
    const removals = new Removals(
      (error) => reported.push((error as Error).message),
      () => {
        throw new Error('not now');
      },
    );
    for (const round of [1, 2]) {
      removals.add(openSync('/dev/null', 'r')); // no TAP: the kernel does not say where it is
      removals.add(native.tapOpen(path, `e${round}`, true).fd);
      await removals.settled();
      expect(ipJson('-n', name, 'link').map(({ ifname }) => ifname)).toEqual(['lo']);
    }
    expect(reported).toEqual(
      Array(2)
        .fill(['not now', expect.stringContaining('TUNGETDEVNETNS')])
        .flat(),
    );
    expect(openDescriptors()).toBe(before);
  });
});
