/** The ratios that the data path is to reach. */
import { show } from './table.mjs';

/** [what, of which, compared with which, column, how many times as much, or at most when negative]. */
const RATIOS = [
  ['TCP 1 stream, of the veth pair', 'ours', 'veth', 'tcp1 gbps', 0.75],
  ['TCP 1 stream, of C', 'ours', 'c', 'tcp1 gbps', 0.95],
  ['TCP 4 streams, of C', 'ours', 'c', 'tcp4 gbps', 0.9],
  ['UDP 64 B, of C', 'ours', 'c', 'udp kpps', 0.9],
  ['ping average, of C', 'ours', 'c', 'ping average', -1.3],
  ['ping p99, of C', 'ours', 'c', 'ping p99', -2],
  ['TCP 1 stream, of vde_switch', 'ours', 'vde', 'tcp1 gbps', 15],
  ['TCP 1 stream, of Open vSwitch', 'ours', 'ovs', 'tcp1 gbps', 12],
  ['TCP 1 stream, of Open vSwitch with TSO', 'ours', 'ovstso', 'tcp1 gbps', 1],
  ['500 TAPs, 10 busy, of 2', 'scale 500 TAPs', 'scale 2 TAPs', 'Gbit/s', 0.95],
];

/** [what, column, at most]. */
const LIMITS = [
  ['ns a hop, 10 nodes', 'hop 10', 'median', 10],
  ['ns a hop, 100 nodes', 'hop 100', 'median', 10],
  ['ms for a list under load, p99', 'ours', 'list p99', 50],
  ['µs for a ping beside a flood, p99', 'ours', 'fairness p99', 5000],
  ['µs for a ping beside a flooded hub, p99', 'ours', 'fanout p99', 5000],
  ['ms until 500 interfaces are gone', 'scale remove 500', 'ms', 1000],
  ['ms until a jail with 100 is gone', 'scale remove jail', 'ms', 1000],
  ['ms blocked by removing 500', 'scale remove 500', 'longest block ms', 50],
  ['ms blocked by removing a jail', 'scale remove jail', 'longest block ms', 50],
];

/** Rows of text: what, value, goal, verdict; for what was measured. */
export function goals(samples) {
  const ratios = RATIOS.map(([what, a, b, column, goal]) => [
    what,
    samples.median(a, column) / samples.median(b, column),
    goal,
  ]);
  const limits = LIMITS.map(([what, a, column, most]) => [what, samples.median(a, column), -most]);
  return [...ratios, ...limits]
    .filter(([, value]) => value !== undefined && !Number.isNaN(value))
    .map(([what, value, goal]) => {
      const reached = goal < 0 ? value <= -goal : value >= goal;
      return [
        what,
        show(value, 2),
        `${goal < 0 ? 'at most' : 'at least'} ${Math.abs(goal)}`,
        reached ? 'ok' : 'MISSED',
      ];
    });
}
