/** What is kept at most: entries, and characters of the texts that they were made from. */
const MOST_ENTRIES = 256;
const MOST_CHARS = 1024 * 1024;

/** Remembers what was made from a text, because agents send the same tools and schemas with each call. */
export class Remembered<T> {
  readonly #made = new Map<string, T>();
  readonly #make: (text: string) => T;
  #chars = 0;

  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  of(text: string): T {
    const known = this.#made.get(text);
    if (known !== undefined) return known;
    const made = this.#make(text);
    this.#chars += text.length;
    this.#made.set(text, made);
    for (const [oldest] of this.#made) {
      if (this.#made.size <= MOST_ENTRIES && this.#chars <= MOST_CHARS) break;
      this.#made.delete(oldest);
      this.#chars -= oldest.length;
    }
    return made;
  }
}
