'use strict';

const file = './build/Release/netgraph.node';
try {
  module.exports = require(file);
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND') throw error;
  throw new Error(
    `the native part of netgraph is not built (${__dirname}/${file} is missing): run \`npm run build\``,
  );
}
