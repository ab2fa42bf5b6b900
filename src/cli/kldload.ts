#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { kldload, LOAD_USAGE } from './kldload-main.js';

await runSystemTool('kldload', LOAD_USAGE, kldload);
