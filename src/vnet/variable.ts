import type { Vnet } from './vnet.js';

let count = 0;

/** A variable of which every vnet has its own copy. Declare one with `vnetDefine`. */
export class VnetVariable<T> {
  private readonly index = count++;

  constructor(
    readonly name: string,
    private readonly initial: () => T,
  ) {}

  /** VNET(name) in the given vnet. */
  get(vnet: Vnet): T {
    const value = vnet.slots[this.index] as T | undefined;
    if (value !== undefined) return value;
    if (this.index in vnet.slots) return value as T;
    if (vnet.state === 'gone') throw new Error(`${this.name} read in ${vnet}, which is gone`);
    const first = this.initial();
    vnet.slots[this.index] = first;
    return first;
  }

  set(vnet: Vnet, value: T): void {
    if (vnet.state === 'gone') throw new Error(`${this.name} set in ${vnet}, which is gone`);
    vnet.slots[this.index] = value;
  }
}

/**
 * VNET_DEFINE: declares a per-vnet variable. `initial` gives the value that each vnet starts with; it is a
 * function so that no two vnets share an object, and must not depend on the vnet (use a SYSINIT for that).
 */
export function vnetDefine<T>(name: string, initial: () => T): VnetVariable<T> {
  return new VnetVariable(name, initial);
}
