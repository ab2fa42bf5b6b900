import type { Namespace } from '../linux/index.js';
import { NgError } from '../netgraph/errors.js';
import type { InVnet, Vnet } from '../vnet/index.js';
import type { JailSettings } from './parameters.js';
import type { JailState } from './state.js';

/** One jail: a network namespace (unless it shares its parent's) and a hostname. */
export class Jail implements InVnet {
  /** Removal has begun: nobody can find it any more. */
  dying = false;

  /** Made by `Jails` only. */
  constructor(
    readonly id: number,
    /** The jail it is in; undefined for one directly on the host. */
    readonly parent: Jail | undefined,
    /** Its own, or that of an ancestor. */
    readonly vnet: Vnet,
    /** Its own namespaces; undefined for a jail without any. */
    readonly namespace: Namespace | undefined,
    public settings: JailSettings,
    /** Whether the namespace was made for it, so that it goes with it. */
    readonly adopted: boolean,
  ) {}

  get ownsVnet(): boolean {
    return this.settings.vnet === 'new';
  }

  /** The full name, with the names of the jails around it: `outer.inner`. */
  get name(): string {
    return nameWithin(this.parent?.name, this.settings.name);
  }

  /** Its hostname, as far as it is for us to say. */
  get hostname(): string {
    return this.settings.hostname || this.name;
  }

  /** @throws NgError EPERM it is that of a namespace which others made */
  setHostname(hostname: string): void {
    if (!this.adopted) this.namespace?.setHostname(hostname);
    else if (hostname !== this.hostname)
      throw new NgError('EPERM', `jail ${this.name}: the hostname belongs to whoever made its namespace`);
  }

  /** Whether this jail is `other` or somewhere inside it. */
  isWithin(other: Jail | undefined): boolean {
    if (other === undefined || other === this) return true;
    return this.parent?.isWithin(other) ?? false;
  }

  /** The jail directly on the host that this one is in, or is. */
  get outermost(): Jail {
    return this.parent?.outermost ?? this;
  }

  state(): JailState {
    const { id, parent, settings, adopted, dying, namespace } = this;
    const stage = dying ? 'removing' : 'made';
    return { id, parent: parent?.id ?? 0, settings, adopted, stage, namespace: namespace?.state() };
  }

  /** The nearest jail, from here outwards, with a namespace of its own. */
  get network(): Jail | undefined {
    return this.ownsVnet ? this : this.parent?.network;
  }
}

/** A name in a jail, as the host sees it. */
export const nameWithin = (around: string | undefined, name: string): string =>
  around === undefined ? name : `${around}.${name}`;
