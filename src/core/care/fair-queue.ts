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

  /** How many items at most are taken before an item that the agent would add now. */
  ahead(agent: string): number {
    const own = this.#agents.get(agent)?.length ?? 0;
    let ahead = own;
    for (const [other, items] of this.#agents) if (other !== agent) ahead += Math.min(items.length, own + 1);
    return ahead;
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

  /** Removes and returns the item whose turn it is; undefined if the queue is empty. */
  take(): T | undefined {
    for (const [agent, items] of this.#agents) {
      const item = items.shift();
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
