#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { kldstat, USAGE } from './kldstat-main.js';

await runSystemTool('kldstat', USAGE, (argv) => kldstat(argv));
