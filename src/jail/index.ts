export { Jail } from './jail.js';
export { Jails, type Viewer } from './jails.js';
export { applyParameters, checkJailName, type JailSettings } from './parameters.js';
