import { expect, it } from 'vitest';
import { machine, until } from '../support/machine.js';
import { describeReal } from '../support/sandbox.js';

describeReal('the hostname of a jail', () => {
  const t = machine();

  it('can be changed, and outlives the daemon', async () => {
    const { box } = t;
    const look =
      'jls host.hostname; jexec own hostname; jexec plain hostname; netgraph save | grep -c new.example';
    await box.sh('jail -c name=own vnet persist; jail -c name=plain persist host.hostname=plain.example');
    expect(
      await box.sh('jail -m name=own host.hostname=new.example; jail -m name=plain host.hostname=b'),
    ).toBe('');
    const after = 'new.example\nb\nnew.example\nb\n1\n';
    expect(await box.sh(look)).toBe(after);
    const { pid } = await box.status();
    await box.sh(`kill -9 ${pid}`);
    await until(async () => (await box.sh(`kill -0 ${pid} 2>/dev/null || echo gone`)) === 'gone\n');
    expect(await box.sh(look)).toBe(after);
    expect(
      await box.sh('jail -m name=own host.hostname=later; jexec own hostname; jail -r own; jail -r plain'),
    ).toBe('later\n');
  });

  it('stays when the namespace is of others, that of the host too', async () => {
    const { box } = t;
    const before = await box.sh('hostname');
    await box.sh('ip netns add there; jail -c name=there netns=there persist');
    const child = box.spawn('unshare', '--net', 'sh', '-c', 'echo $$; exec cat');
    const pid = String(await new Promise((resolve) => child.stdout.once('data', resolve))).trim();
    await box.sh(`jail -c name=process netns=${pid} persist`);
    for (const name of ['there', 'process'])
      expect(
        await box.sh(`jail -m name=${name} host.hostname=x; jail -m name=${name} host.hostname=${name}`),
      ).toBe(`jail: jail ${name}: the hostname belongs to whoever made its namespace\n`);
    expect(await box.sh('hostname')).toBe(before);
    await box.sh('jail -r there; ip netns del there');
    child.stdin.end();
    await until(async () => (await box.sh('jls name')) === '');
  });
});
