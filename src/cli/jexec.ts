#!/usr/bin/env node
import { runSystemTool } from './jail-tool.js';
import { jexec, USAGE } from './jexec-main.js';

await runSystemTool('jexec', USAGE, jexec);
