/** The places in which calls are worked on, and the queue before them: first come, first served. */
export class Places {
  readonly #slots: () => number;
  readonly #waiting: Array<() => void> = [];
  #taken = 0;

  /** `slots`: how many places there are now. */
  constructor(slots: () => number) {
    this.#slots = slots;
  }

  get taken(): number {
    return this.#taken;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** Waits for a place; resolves with false if `onLeave` reports that the client has left. */
  async take(onLeave: (leave: () => void) => void): Promise<boolean> {
    if (this.#taken < this.#slots()) {
      this.#taken += 1;
      return true;
    }
    return new Promise((resolve) => {
      const enter = () => resolve(true);
      this.#waiting.push(enter);
      onLeave(() => {
        const place = this.#waiting.indexOf(enter);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        resolve(false);
      });
    });
  }

  /** Gives free places to the next calls in the queue: more than one if a replica has become ready. */
  release(): void {
    this.#taken -= 1;
    while (this.#waiting.length > 0 && this.#taken < this.#slots()) {
      this.#taken += 1;
      this.#waiting.shift()?.();
    }
  }
}
