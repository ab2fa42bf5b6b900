#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { sysctl, USAGE } from './sysctl-main.js';

await runSystemTool('sysctl', USAGE, (argv) => sysctl(argv));
