/** Run as a process of its own by jail(8): becomes a command in a jail. Its one argument is a plan, in JSON; its environment is that of the command. */

import { native } from '../../linux/native.js';
import { complain, reasonOf } from '../command.js';
import type { ExecPlan } from './enter.js';

const plan: ExecPlan = JSON.parse(process.argv[2] ?? '{}');
try {
  native.execIn({ ...plan, env: Object.entries(process.env).map(([name, value]) => `${name}=${value}`) });
} catch (error) {
  const { syscall } = error as NodeJS.ErrnoException;
  const what = syscall === 'chdir' ? `chdir ${plan.cwd}` : `exec ${plan.argv[0]}`;
  complain(`jail: ${what}: ${reasonOf(error)}\n`);
  process.exitCode = 1;
}
