import { dirname } from 'node:path';
import { runErrnos } from './errnos.js';
import { readJson } from './files.js';
import type { ParseCase } from './parse_cases.js';
import { runParseCases } from './parse_run.js';
import type { Result } from './result.js';
import type { Scenario } from './scenario.js';
import { runScenario } from './scenario_run.js';
import { type RecordedSchema, runSchemas, runSyntheticTypes } from './schema_run.js';
import { runSessions, type Session } from './session_run.js';

/** Runs a recorded file; what is in it tells its format, not its name. */
export async function runFile(path: string): Promise<Result[]> {
  const content = readJson<unknown>(path);
  const cases = Array.isArray(content) ? content : Object.values(content as object);
  const first: object = cases.find((one) => one !== null) ?? {};
  if (Array.isArray(first)) return runSchemas(content as Record<string, RecordedSchema[] | null>);
  if ('ops' in first) return (cases as Scenario[]).map(runScenario);
  if ('cmds' in first) return runSessions(cases as Session[]);
  if ('n' in first) return runErrnos(content as Parameters<typeof runErrnos>[0]);
  if ('arg' in first) return runSyntheticTypes(cases as RecordedSchema[]);
  if ('errno' in first) return runParseCases(cases as ParseCase[], `${dirname(path)}/`);
  throw new Error(`${path}: not one of the formats of shared/vectors/README.md`);
}
