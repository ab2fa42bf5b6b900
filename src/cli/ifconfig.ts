#!/usr/bin/env node
import { ifconfig, USAGE } from './ifconfig/main.js';
import { runSystemTool } from './system.js';

await runSystemTool('ifconfig', USAGE, (argv) => ifconfig(argv));
