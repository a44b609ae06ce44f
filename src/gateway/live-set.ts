/** Something that remembers its place in a `LiveSet`. */
export interface Indexed {
  index: number;
}

/**
 * The calls in flight. Not a Set: each time V8 grows or shrinks a Set's table, the old table points to the new one, and
 * where calls come and go by the thousand, one table that has become old keeps all later ones, and the calls that were in
 * them, until the next full collection. An array with the last element moved into the gap leaves nothing behind.
 */
export class LiveSet<T extends Indexed> implements Iterable<T> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(one: T): void {
    one.index = this.#all.push(one) - 1;
  }

  /** Takes one out; nothing happens where it is not in. */
  delete(one: T): void {
    if (this.#all[one.index] !== one) return;
    const last = this.#all.pop() as T;
    if (last !== one) {
      this.#all[one.index] = last;
      last.index = one.index;
    }
    one.index = -1;
  }

  /** Those that are in now, whatever leaves meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#all.slice().values();
  }
}
