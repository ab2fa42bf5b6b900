import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it } from 'vitest';
import { machine } from '../support/machine.js';
import { describeReal, finished } from '../support/sandbox.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Where the sandbox has it: what is built there stays there, as does what goes to /tmp. */
const COPY = '/run/copy';
const ISOLATE = `
mkdir ${COPY} /run/upper /run/work
mount -t overlay -o lowerdir=${ROOT},upperdir=/run/upper,workdir=/run/work overlay ${COPY}
mount -t tmpfs tmpfs /tmp`;

const EVERYTHING = `
findmnt -rno TARGET | grep -vx /run/netns; ip netns list; ls /tmp; ls /run/netgraph
ip -o link | cut -d: -f2; ps axo args | grep -v -e ' ps ' -e 'ps axo' -e '^grep ' -e '^sh -c' -e '^cat'`;

/** Moments at which somebody changes their mind, in milliseconds: some early, where most is begun. */
const MOMENTS = [20, 200, 300, 400, 500, 600, 700, 850, 1000, 1400, 1900, 2600];

describeReal('scripts/demo', () => {
  const t = machine();
  let before = '';

  beforeEach(async () => {
    expect(await t.box.sh(ISOLATE)).toBe('');
    await t.box.sh(`${COPY}/scripts/setup`);
    before = await t.box.sh(EVERYTHING);
  });

  it('finds that scripts/setup has nothing to do when it was done before', async () => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      expect(await t.box.sh(`${COPY}/scripts/setup`)).toBe('');
      times.push(performance.now() - start);
    }
    expect(Math.min(...times)).toBeLessThan(2000);
  });

  it('runs to its end and leaves nothing, twice at the same time, too', async () => {
    const runs = await Promise.all([1, 2].map(() => t.box.run(`${COPY}/scripts/demo`)));
    for (const { stdout, stderr, status } of runs) {
      expect(stderr).toBe('');
      expect(stdout.match(/3 packets transmitted, 3 received, 0% packet loss/g)).toHaveLength(2);
      expect(stdout).toMatch(/ARP .* Request who-has 192\.0\.2\.2/);
      expect(stdout).toMatch(/ICMP echo request, id \d+, seq 1/);
      expect(stdout).toMatch(/There are 1 total nodes:\n.*\n$/);
      expect(status).toBe(0);
    }
    expect(await t.box.sh(EVERYTHING)).toBe(before);
  });

  it('leaves nothing when it is interrupted, at whatever moment', async () => {
    const statuses: (number | null)[] = [];
    const interrupt = async (moment: number | 'when it shows something') => {
      // As from a terminal: the signal goes to all of its process group.
      const demo = t.box.spawn('setsid', 'sh', '-c', `echo $$; exec ${COPY}/scripts/demo`);
      const group = await new Promise((resolve) => demo.stdout.once('data', resolve));
      const ended = finished(demo);
      if (typeof moment === 'number') await sleep(moment);
      else await new Promise((resolve) => demo.stdout.once('data', resolve));
      await t.box.sh(`kill -s INT -- -${group}`);
      statuses.push((await ended).status);
    };
    for (let at = 0; at < MOMENTS.length; at += 4) {
      await Promise.all(MOMENTS.slice(at, at + 4).map(interrupt));
      expect(await t.box.sh(EVERYTHING)).toBe(before);
    }
    // On a busy machine none of them may have come that far.
    await interrupt('when it shows something');
    expect(await t.box.sh(EVERYTHING)).toBe(before);
    // Those that had something to clean up say 130 themselves, the others had no time for anything.
    expect(new Set(statuses)).toEqual(new Set([null, 130]));
  });
});
