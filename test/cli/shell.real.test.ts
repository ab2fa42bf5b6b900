import { expect, it } from 'vitest';
import { describeReal, runInSandbox } from '../support/sandbox.js';

describeReal('netgraph shell, for real', () => {
  const run = async (script: string) => {
    const { stdout } = await runInSandbox(`exec 2>&1\n${script}`);
    return stdout;
  };

  it('runs commands, files and what it reads, with their exit codes', async () => {
    expect(
      await run(`
netgraph shell -c 'echo -e "a\\nb"; echo $NETGRAPH_SHELL; exit 5'; echo $?
echo 'echo $1; jail -c name=x vnet persist; jls name' >/run/file
netgraph shell /run/file one; echo $?
echo 'jexec -l x jls name; exit 3' | netgraph shell; echo $?
netgraph shell -c 'kill -9 $$'; echo $?
netgraph shell /run/none; echo $?
netgraph shell -x 2>&1 | head -1`),
    ).toBe(`a
b
1
5
one
x
0
3
137
netgraph: /run/none: No such file or directory
66
netgraph: illegal option -- x
`);
  });

  it('leaves nothing behind, whatever ends it', async () => {
    expect(
      await run(`
netgraph shell -c 'ls -d /run/netgraph/netgraph-shell.* | wc -l'
netgraph shell -c 'sleep 9' &
while ! ls -d /run/netgraph/netgraph-shell.* >/dev/null 2>&1; do sleep 0.1; done
sleep 0.3; kill $!; wait $!; echo $?
ls -d /run/netgraph/netgraph-shell.* 2>/dev/null`),
    ).toBe('1\n143\n');
  });
});
