import type { Vnet } from './vnet.js';

/** Priorities of event handlers: lower runs first, EVENTHANDLER(9). */
export const Priority = { FIRST: 0, ANY: 10000, LAST: 20000 } as const;

/** What `register` gives, for `deregister`. */
export interface EventTag {
  readonly name: string;
  readonly priority: number;
  readonly run: (...args: never[]) => void;
}

/** EVENTHANDLER(9), with the two ways of vnet(9): one handler per vnet, or one that is called for each. */
export class EventHandlers {
  private readonly lists = new Map<string, EventTag[]>();

  constructor(private readonly vnets: Iterable<Vnet>) {}

  /** Registers a handler. One that belongs to a vnet keeps its tag there and deregisters it on teardown. */
  register(name: string, run: (...args: never[]) => void, priority: number = Priority.ANY): EventTag {
    const tag: EventTag = { name, priority, run };
    const list = this.lists.get(name) ?? [];
    let at = list.length;
    while (at > 0 && list[at - 1].priority > priority) at--;
    this.lists.set(name, list.toSpliced(at, 0, tag));
    return tag;
  }

  /**
   * VNET_GLOBAL_EVENTHANDLER_REGISTER: one handler, called for each vnet in turn. The arguments of the event
   * do not reach it, as in vnet(9).
   */
  registerForEachVnet(name: string, run: (vnet: Vnet) => void, priority: number = Priority.ANY): EventTag {
    return this.register(
      name,
      () => {
        for (const vnet of this.vnets) run(vnet);
      },
      priority,
    );
  }

  deregister(tag: EventTag): void {
    const list = this.lists.get(tag.name);
    if (list !== undefined)
      this.lists.set(
        tag.name,
        list.filter((other) => other !== tag),
      );
  }

  /** EVENTHANDLER_INVOKE: calls the handlers that are registered now, whatever they register meanwhile. */
  invoke(name: string, ...args: unknown[]): void {
    for (const tag of this.lists.get(name) ?? []) (tag.run as (...args: unknown[]) => void)(...args);
  }
}
