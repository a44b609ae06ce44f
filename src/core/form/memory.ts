/** Bytes of all answers together that are kept at once to learn their forms. */
const MOST_IN_ALL = 32 * 1024 * 1024;

/** How much of the answers under way may be kept in memory. Beyond it the form of an answer stays unknown. */
export class FormMemory {
  #left: number;

  constructor(most = MOST_IN_ALL) {
    this.#left = most;
  }

  /** Bytes that may still be kept. */
  get left(): number {
    return this.#left;
  }

  /** Takes so many bytes; false, and takes none, if there are not so many. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** The part of the memory that one answer may use for one purpose. */
export class Room {
  readonly #memory: FormMemory;
  readonly #most: number;
  #taken = 0;

  constructor(memory: FormMemory, most: number) {
    this.#memory = memory;
    this.#most = most;
  }

  /** Takes so many bytes; false, and takes none, if the answer may not have so many. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#most || !this.#memory.take(bytes)) return false;
    this.#taken += bytes;
    return true;
  }

  /** Gives all of it back. */
  release(): void {
    this.#memory.give(this.#taken);
    this.#taken = 0;
  }
}
