export { Jail, type JailState } from './jail.js';
export { type JailJournal, Jails, type Viewer } from './jails.js';
export { applyParameters, checkJailName, type JailSettings } from './parameters.js';
