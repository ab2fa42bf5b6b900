#!/usr/bin/env node
import { jls, USAGE } from './jls/main.js';
import { runSystemTool } from './system.js';

await runSystemTool('jls', USAGE, (argv) => jls(argv));
