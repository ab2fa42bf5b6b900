#!/usr/bin/env node
import { jexec, USAGE } from './jexec/main.js';
import { runSystemTool } from './system.js';

await runSystemTool('jexec', USAGE, jexec);
