/** What happens at which time of a simulated clock, the earliest first. */
export class Events {
  #now = 0;
  readonly #heap: { readonly atMs: number; readonly happen: () => void }[] = [];

  get now(): number {
    return this.#now;
  }

  at(atMs: number, happen: () => void): void {
    const heap = this.#heap;
    let at = heap.length;
    const event = { atMs: Math.max(atMs, this.#now), happen };
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as typeof event;
      if (above.atMs <= event.atMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  in(ms: number, happen: () => void): void {
    this.at(this.#now + ms, happen);
  }

  /** Lets everything happen, until nothing is left. */
  run(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.#now = event.atMs;
      event.happen();
    }
  }

  #take(): { readonly atMs: number; readonly happen: () => void } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const [left, right] = [heap[child], heap[child + 1]];
      if (right !== undefined && left !== undefined && right.atMs < left.atMs) child++;
      const below = heap[child] as typeof last;
      if (below.atMs >= last.atMs) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
