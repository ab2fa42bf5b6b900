import { help, quit, read, setDebug } from './control.js';
import { write } from './data.js';
import { dot } from './dot.js';
import { connect, mkpeer, name, rmhook, shutdown } from './graph.js';
import { list, show, types } from './list.js';
import { msg } from './msg.js';
import type { Command } from './shell.js';
import { config, status } from './text.js';

/** All commands of ngctl(8), in the order in which help shows them. */
export const commands: readonly Command[] = [
  config,
  connect,
  setDebug,
  dot,
  help,
  list,
  mkpeer,
  msg,
  name,
  read,
  rmhook,
  show,
  shutdown,
  status,
  types,
  write,
  quit,
];
