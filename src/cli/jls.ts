#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { jls, USAGE } from './jls-main.js';

await runSystemTool('jls', USAGE, (argv) => jls(argv));
