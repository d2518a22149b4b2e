import { loadAddon } from "./addon.js";

/** A named network namespace; removed by {@link NetworkNamespace.release} when this object made it. */
export class NetworkNamespace {
  readonly name: string;
  #made: boolean;

  /** Makes the namespace when missing. Throws (`code` EPERM, EINVAL, …) with one clear message. */
  constructor(name: string) {
    this.name = name;
    this.#made = loadAddon().ensureNetns(name);
  }

  /** Whether it was made here. */
  get made(): boolean {
    return this.#made;
  }

  /** Removes the namespace's name when it was made here. It ends with its last socket, device or process. */
  release(): void {
    if (!this.#made) return;
    this.#made = false;
    loadAddon().deleteNetns(this.name);
  }
}
