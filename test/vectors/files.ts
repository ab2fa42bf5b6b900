import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The recorded vectors lie beside the repository, not in it. Also found from where scripts/vectors compiles to. */
export const vectorsFolder = findUpwards('shared/vectors/');

export const haveVectors = existsSync(vectorsFolder);

export const readVectors = <T>(file: string): T =>
  JSON.parse(readFileSync(vectorsFolder + file, 'utf8')) as T;

function findUpwards(path: string): string {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL(path, folder)) && folder.pathname !== '/') folder = new URL('../', folder);
  return fileURLToPath(new URL(path, folder));
}
