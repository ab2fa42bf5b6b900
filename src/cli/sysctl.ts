#!/usr/bin/env node
import { sysctl, USAGE } from './sysctl/main.js';
import { runSystemTool } from './system.js';

await runSystemTool('sysctl', USAGE, (argv) => sysctl(argv));
