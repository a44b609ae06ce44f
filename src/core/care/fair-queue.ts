/**
 * A bounded queue in which agents take turns. Each turn takes an agent's oldest item, so an agent with many items
 * delays only itself. If the queue is full and an agent with fewer items adds one, the newest item of the agent with
 * the most items is dropped.
 */
export class FairQueue<T> {
  readonly #most: number;
  /** Each agent's items, oldest first. The agents are in the order of their turns. */
  readonly #agents = new Map<string, T[]>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  get agents(): number {
    return this.#agents.size;
  }

  /**
   * How many items at most are taken before an item that the agent would add now. `counts`: whether an item may be taken
   * before; without it, all may.
   */
  ahead(agent: string, counts?: (item: T) => boolean): number {
    const lengthOf = (items: readonly T[]) => (counts === undefined ? items.length : items.filter(counts).length);
    const own = lengthOf(this.#agents.get(agent) ?? []);
    let ahead = own;
    for (const [other, items] of this.#agents) if (other !== agent) ahead += Math.min(lengthOf(items), own + 1);
    return ahead;
  }

  /** The item whose turn it is; undefined if the queue is empty. */
  get first(): T | undefined {
    for (const [, items] of this.#agents) return items[0];
    return undefined;
  }

  /**
   * Puts an item at the end of its agent's items, or at their head with `isFirst`. Returns the item that is dropped for
   * it: null, another item, or the item itself.
   */
  add(agent: string, item: T, isFirst = false): T | null {
    const dropped = this.#size < this.#most ? null : this.#makeRoom(agent);
    if (this.#size >= this.#most) return item;
    let items = this.#agents.get(agent);
    if (items === undefined) this.#agents.set(agent, (items = []));
    if (isFirst) items.unshift(item);
    else items.push(item);
    this.#size++;
    return dropped;
  }

  /**
   * Removes and returns the item whose turn it is; undefined if there is none. `may`: whether an item may be taken; an
   * agent whose items may not be taken keeps its turn.
   */
  take(may?: (item: T) => boolean): T | undefined {
    for (const [agent, items] of this.#agents) {
      const at = may === undefined ? 0 : items.findIndex(may);
      if (at < 0) continue;
      const [item] = items.splice(at, 1);
      this.#size--;
      this.#agents.delete(agent);
      if (items.length > 0) this.#agents.set(agent, items);
      return item;
    }
    return undefined;
  }

  /** Removes an item; false if it is not in the queue. */
  remove(agent: string, item: T): boolean {
    const items = this.#agents.get(agent);
    const at = items?.indexOf(item) ?? -1;
    if (items === undefined || at < 0) return false;
    items.splice(at, 1);
    this.#size--;
    if (items.length === 0) this.#agents.delete(agent);
    return true;
  }

  /** All items in the queue: the oldest of each agent in the order of their turns, then the next of each. */
  items(): T[] {
    const all: T[] = [];
    let lines = [...this.#agents.values()];
    for (let n = 0; lines.length > 0; n++) {
      lines = lines.filter((line) => n < line.length);
      for (const line of lines) all.push(line[n] as T);
    }
    return all;
  }

  #makeRoom(agent: string): T | null {
    let longest: { agent: string; items: T[] } | null = null;
    for (const [other, items] of this.#agents) {
      if (longest === null || items.length > longest.items.length) longest = { agent: other, items };
    }
    const own = this.#agents.get(agent)?.length ?? 0;
    if (longest === null || longest.agent === agent || longest.items.length <= own + 1) return null;
    const item = longest.items.pop() as T;
    this.#size--;
    return item;
  }
}
