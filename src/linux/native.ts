import { createRequire } from 'node:module';
import { NgError } from '../netgraph/errors.js';

/** The addon, which is CommonJS. */
export const native = createRequire(import.meta.url)(
  'netgraph-linux/native-bindings',
) as typeof import('netgraph-linux/native-bindings');

export type { Netns, Peer } from 'netgraph-linux/native-bindings';
export type Poller = InstanceType<typeof native.Poller>;

/** Runs what calls the system; its errors become NgErrors that say what was being done. */
export function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw NgError.fromSystem(error, what);
  }
}

/** The code of an error of the system or of netgraph, if it has one. */
export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;
