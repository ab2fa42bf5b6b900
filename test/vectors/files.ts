import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The recorded vectors lie beside the repository, not in it. Also found from where scripts/vectors compiles to. */
export const vectorsFolder = findUpwards('shared/vectors/');

export const haveVectors = existsSync(vectorsFolder);

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

export const readVectors = <T>(file: string): T => readJson<T>(vectorsFolder + file);

function findUpwards(path: string): string {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL(path, folder)) && folder.pathname !== '/') folder = new URL('../', folder);
  return fileURLToPath(new URL(path, folder));
}
