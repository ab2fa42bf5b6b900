import {
  decode,
  GENERIC_COOKIE,
  genericMessages,
  type Message,
  type NetgraphClient,
  NgError,
  type Trace,
} from '../../client/index.js';

/** Watches over the messages of a client, and knows which nodes they made. */
export class Recorder implements Trace {
  /** IDs of nodes in order, by the jid of the jail that they are in. */
  readonly made = new Map<number, number[]>();
  /** Where nodes were made of which the IDs are not known yet: the node at the path, and its hook. */
  private asked: { path: string; hook: string }[] = [];

  constructor(private readonly client: NetgraphClient) {}

  sending(path: string, { cookie, cmd, data }: Message): void {
    if (cookie !== GENERIC_COOKIE || cmd !== genericMessages.mkpeer.cmd) return;
    this.asked.push({ path, hook: decode(genericMessages.mkpeer.args, data).ourhook });
  }

  /** What was refused made nothing. */
  refused(path: string): void {
    if (this.asked.at(-1)?.path === path) this.asked.pop();
  }

  received(): void {}
  write(): void {}
  read(): void {}

  /** Notes the IDs of the nodes that were made since. */
  async look(): Promise<void> {
    for (const { path, hook } of this.asked.splice(0)) {
      try {
        const { id } = await this.client.nodeInfo(follow(path, hook));
        const jid = await this.jailOf(path);
        const ids = this.made.get(jid);
        if (ids === undefined) this.made.set(jid, [id]);
        else ids.push(id);
      } catch (error) {
        if (!(error instanceof NgError)) throw error; // else it is gone already
      }
    }
  }

  /** A path leads into another jail by way of wormholes only: their hook `jid=N` names it. */
  private async jailOf(path: string): Promise<number> {
    const [, start, hooks] = /^([^:]*:)?(.*)$/s.exec(path)!;
    let { jid } = this.client;
    let here = start ?? '.:';
    for (const hook of hooks.split('.').filter((name) => name !== '')) {
      const match = /^jid=(\d+)$/.exec(hook);
      if (match !== null && (await this.client.nodeInfo(here)).type === 'wormhole') jid = Number(match[1]);
      here = follow(here, hook);
    }
    return jid;
  }
}

function follow(path: string, hook: string): string {
  if (path === '.' || path === '') return `.:${hook}`;
  return path.endsWith(':') ? `${path}${hook}` : `${path}.${hook}`;
}
