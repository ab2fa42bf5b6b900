export { Jail } from './jail.js';
export { type JailJournal, Jails, type JailsOptions } from './jails.js';
export { applyParameters, checkJailName, type JailSettings } from './parameters.js';
export type { Viewer } from './roster.js';
export type { JailState } from './state.js';
