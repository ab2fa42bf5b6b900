import { failed, passed, type Result, skipped } from './result.js';
import type { Scenario } from './scenario.js';
import { differing, outcomeOf, sameOutcome, tokensUsed } from './scenario_compare.js';
import { type ScenarioDifference, scenarioDifferences } from './scenario_differences.js';
import { needs } from './scenario_needs.js';
import { Missing, ScenarioWorld } from './scenario_world.js';

/** Runs a scenario. It fails with the first operation that leads to something else than the record says. */
export function runScenario(scenario: Scenario): Result {
  const missing = needs(scenario);
  if (missing.length > 0) return skipped(scenario.name, `needs ${missing.join(', ')}`);
  try {
    return perform(scenario);
  } catch (error) {
    if (error instanceof Missing) return skipped(scenario.name, error.message);
    throw error;
  }
}

function perform(scenario: Scenario): Result {
  const world = new ScenarioWorld(scenario);
  const explained = new Set<ScenarioDifference>();
  let token = 1;
  for (const [i, operation] of scenario.ops.entries()) {
    world.token = token;
    token += tokensUsed(operation);
    const about = scenarioDifferences.filter((difference) => difference.about({ operation, world }));
    const recorded = outcomeOf(operation);
    const ours = attempt(world, operation);
    if (sameOutcome(recorded, ours)) continue;
    const context = { operation, world, recorded, ours };
    const reason = about.find((difference) => difference.explains(context));
    if (reason === undefined) {
      const { op, sock = '', path = '', cmd = '', arg = operation.hex ?? '' } = operation;
      const where = `operation ${i}: ${[op, sock, path, cmd, arg.slice(0, 200)].filter(Boolean).join(' ')}\n`;
      return failed(scenario.name, ...differing(recorded, ours), where);
    }
    explained.add(reason);
  }
  return passed(scenario.name, [...explained].map(({ reason }) => reason).join('; '));
}

function attempt(world: ScenarioWorld, operation: Scenario['ops'][number]) {
  try {
    return outcomeOf(world.run(operation));
  } catch (error) {
    if (error instanceof Missing) throw error;
    return { op: operation.op, log: [`our world failed: ${(error as Error).stack}`] };
  }
}
