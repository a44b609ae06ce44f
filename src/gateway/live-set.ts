/** An element of a `LiveSet`. */
export interface Indexed {
  /** Its index in the set; -1 if it is in none. */
  index: number;
}

/**
 * The calls in flight. It is not a Set because of garbage: each time V8 grows or shrinks the table of a Set, the old
 * table points to the new one. If thousands of calls come and go, one table in the old generation keeps all later
 * tables, and the calls that were in them, until the next full collection. In an array, the last element moves into the
 * gap.
 */
export class LiveSet<T extends Indexed> implements Iterable<T> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(one: T): void {
    one.index = this.#all.push(one) - 1;
  }

  /** Removes an element; does nothing if it is not in the set. */
  delete(one: T): void {
    if (this.#all[one.index] !== one) return;
    const last = this.#all.pop() as T;
    if (last !== one) {
      this.#all[one.index] = last;
      last.index = one.index;
    }
    one.index = -1;
  }

  /** The elements at this moment, even if some are removed during the iteration. */
  [Symbol.iterator](): Iterator<T> {
    return this.#all.slice().values();
  }
}
