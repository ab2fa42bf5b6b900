/** Preloaded into the daemon: on SIGUSR2 it collects its garbage and writes down what memory is left then, in bytes. */
const { renameSync, writeFileSync } = require('node:fs');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

const isDaemon = process.argv[1]?.endsWith('cli/netgraph.js') && process.argv[2] === 'daemon';
if (isDaemon) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  process.on('SIGUSR2', () => {
    // What one frees, the finalizers of the next do.
    for (let i = 0; i < 3; i++) collect();
    const path = `/run/rest.${process.pid}`;
    writeFileSync(`${path}.new`, JSON.stringify(process.memoryUsage()));
    renameSync(`${path}.new`, path);
  });
}
