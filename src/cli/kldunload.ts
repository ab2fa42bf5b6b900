#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { kldunload, UNLOAD_USAGE } from './kldload-main.js';

await runSystemTool('kldunload', UNLOAD_USAGE, kldunload);
