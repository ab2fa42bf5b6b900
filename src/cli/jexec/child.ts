/** Run as a process of its own by jail(8): becomes a command in a jail. Its one argument is a plan, in JSON; its environment is that of the command. */

import { native } from '../../linux/native.js';
import { complain } from '../command.js';
import type { ExecPlan } from './enter.js';

const plan: ExecPlan = JSON.parse(process.argv[2] ?? '{}');
try {
  native.execIn({ ...plan, env: Object.entries(process.env).map(([name, value]) => `${name}=${value}`) });
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  complain(`jail: exec ${plan.argv[0]}: ${code === 'ENOENT' ? 'No such file or directory' : message}\n`);
  process.exitCode = 1;
}
