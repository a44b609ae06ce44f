/**
 * A bounded queue in which agents take turns: each turn takes an agent's oldest item, so that who asks for much waits by
 * himself. Where it is full, the newest item of the agent that has the most gives way to an agent that has less.
 */
export class FairQueue<T> {
  readonly #most: number;
  /** In the order of their turns. */
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

  /** How many come before the next item of an agent. */
  ahead(agent: string): number {
    const own = this.#agents.get(agent)?.length ?? 0;
    let ahead = own;
    for (const [other, items] of this.#agents) if (other !== agent) ahead += Math.min(items.length, own + 1);
    return ahead;
  }

  /**
   * Puts an item at the end of its agent's line, or, with `isFirst`, at its head. Returns what gave way: nothing (null),
   * another item, or the item itself.
   */
  add(agent: string, item: T, isFirst = false): T | null {
    const gaveWay = this.#size < this.#most ? null : this.#makeRoom(agent);
    if (this.#size >= this.#most) return item;
    let items = this.#agents.get(agent);
    if (items === undefined) this.#agents.set(agent, (items = []));
    if (isFirst) items.unshift(item);
    else items.push(item);
    this.#size++;
    return gaveWay;
  }

  /** Takes out the item whose turn it is. */
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

  /** Takes out an item; false where it is not in. */
  remove(agent: string, item: T): boolean {
    const items = this.#agents.get(agent);
    const at = items?.indexOf(item) ?? -1;
    if (items === undefined || at < 0) return false;
    items.splice(at, 1);
    this.#size--;
    if (items.length === 0) this.#agents.delete(agent);
    return true;
  }

  /** All items that are in now: the oldest of each agent in the order of their turns, then the next of each. */
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
