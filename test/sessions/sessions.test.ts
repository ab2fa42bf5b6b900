import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { describeReal, SandboxShell } from '../support/sandbox.js';
import { matches, parseTranscript, substitute } from './transcript.js';

const directory = import.meta.dirname;
let shell: SandboxShell | undefined;

afterEach(() => shell?.close());

describeReal('what people type, word for word', () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.session'))) {
    it(file, async () => {
      shell = new SandboxShell('exec netgraph shell');
      const values = new Map<string, string>();
      for (const step of parseTranscript(readFileSync(join(directory, file), 'utf8'))) {
        const actual = await shell.run(substitute(step.command, values), step.interrupt);
        if (!matches(step.expected, actual, values))
          expect(actual, `${file}:${step.line}: ${step.command}`).toBe(step.expected);
      }
    });
  }
});
