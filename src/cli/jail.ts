#!/usr/bin/env node
import { jail, USAGE } from './jail/main.js';
import { runSystemTool } from './system.js';

await runSystemTool('jail', USAGE, jail);
