#!/usr/bin/env node
import { jail, USAGE } from './jail-main.js';
import { runSystemTool } from './jail-tool.js';

await runSystemTool('jail', USAGE, jail);
