import { NetgraphClient } from '../../client/index.js';
import { EX, getopt, print, UsageError } from '../command.js';

/** `netgraph save`: prints the script that makes the graph. */
export async function save(words: string[]): Promise<number> {
  const { options, operands } = getopt(words, 'j:');
  if (operands.length > 0) throw new UsageError(`too many words: ${operands.join(' ')}`);
  const client = await NetgraphClient.connect({ jail: options.at(-1)?.value });
  try {
    const { script } = await client.call('save', {});
    print(script);
    return EX.OK;
  } finally {
    await client.close();
  }
}
