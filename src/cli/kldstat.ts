#!/usr/bin/env node
import { kldstat, USAGE } from './modules/stat.js';
import { runSystemTool } from './system.js';

await runSystemTool('kldstat', USAGE, (argv) => kldstat(argv));
