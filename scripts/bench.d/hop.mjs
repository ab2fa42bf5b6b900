/**
 * What a hop costs: nanoseconds per node that a frame passes, in chains of 1, 10 and 100 nodes of 12 types, by turns.
 * Usage: node hop.mjs SECONDS     prints { nodes: { best, median } }
 */
import { Frame, makeGraph } from './graph.mjs';
import { MIXED } from './mixed.mjs';

const LENGTHS = [1, 10, 100];
/** Hops per sample, some 2 ms. */
const HOPS = 200_000;

const { graph, control } = makeGraph();
const chains = LENGTHS.map((nodes) => {
  const name = `chain${nodes}`;
  let [node, hook] = [control.node, name];
  for (let i = 0; i < nodes; i++) {
    node = graph.makePeer(node, hook, 'left', `mix${i % MIXED}`);
    hook = 'right';
  }
  graph.makePeer(node, hook, 'end', 'hole');
  return { nodes, first: control.node.findHook(name), samples: [] };
});

const frame = new Frame(new Uint8Array(64));
const end = performance.now() + Number(process.argv[2] ?? 2) * 1000;
for (let warm = false; performance.now() < end; warm = true) {
  for (const { nodes, first, samples } of chains) {
    const hops = nodes + 1; // the hole is one, too
    const rounds = Math.round(HOPS / hops);
    const from = performance.now();
    for (let i = 0; i < rounds; i++) first.send(frame);
    if (warm) samples.push(((performance.now() - from) * 1e6) / (rounds * hops));
  }
}
const results = chains.map(({ nodes, samples }) => {
  samples.sort((a, b) => a - b);
  return [nodes, { best: samples[0], median: samples[samples.length >> 1] }];
});
console.log(JSON.stringify(Object.fromEntries(results)));
