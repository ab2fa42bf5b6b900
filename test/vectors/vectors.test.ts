import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { haveVectors, vectorsFolder } from './files.js';
import { runFile } from './run_file.js';

const files = haveVectors ? readdirSync(vectorsFolder).filter((file) => file.endsWith('.json')) : [];

describe.skipIf(!haveVectors)(`what FreeBSD answered (skipped without ${vectorsFolder})`, () => {
  it.each(files)('%s', async (file) => {
    const results = await runFile(vectorsFolder + file);
    const failures = results.filter(({ status }) => status === 'failed');
    expect(failures.slice(0, 5)).toEqual([]);
    expect(results.length).toBeGreaterThan(0);
  });
});
