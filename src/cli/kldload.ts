#!/usr/bin/env node
import { kldload, LOAD_USAGE } from './modules/load.js';
import { runSystemTool } from './system.js';

await runSystemTool('kldload', LOAD_USAGE, kldload);
