#!/usr/bin/env node
import { kldunload, UNLOAD_USAGE } from './modules/load.js';
import { runSystemTool } from './system.js';

await runSystemTool('kldunload', UNLOAD_USAGE, kldunload);
