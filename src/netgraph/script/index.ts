import type { Vnet } from '../../vnet/index.js';
import type { Netgraph } from '../graph.js';
import { Builder } from './build.js';
import { survey } from './survey.js';

/** More often than that no order of hooks needs. */
const ROUNDS = 5;

/**
 * The lines of ngctl(8) that make the graph of a vnet, and those of the vnets below it, in a world where nothing of it
 * is there but the jails. What cannot be written down is a comment. What such a script made gives the same script.
 *
 * @param viewer the vnet where it is going to run
 * @param vnets those to write down; the ones that are not below that are left out. Default: all
 */
export function graphScript(graph: Netgraph, viewer: Vnet, vnets: Iterable<Vnet> = graph.vnets): string[] {
  const steps = scriptSteps(graph, viewer, vnets);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** As `graphScript`, in small steps. The graph is looked at in the first of them only. */
export function* scriptSteps(
  graph: Netgraph,
  viewer: Vnet,
  vnets: Iterable<Vnet>,
): Generator<void, string[]> {
  const { jails } = graph.env;
  const found = survey(graph, viewer, vnets);
  yield;
  let built = yield* new Builder(found, jails).run();
  // New nodes have IDs in the order of the script; and hooks that were moved may have been in an order that none gives.
  for (let round = 1; round < ROUNDS; round++) {
    const before = built.lines;
    built = yield* new Builder(built.survey, jails).run();
    if (built.lines.length === before.length && built.lines.every((line, at) => line === before[at])) break;
  }
  const remarks = found.remarks.map((remark) => `# ${remark}`);
  const gap = built.lines.length > 0 && remarks.length > 0 ? [''] : [];
  return [...built.lines, ...gap, ...remarks];
}
