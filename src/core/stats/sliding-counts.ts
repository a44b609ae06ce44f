/**
 * Counters over the last `size` slots of time. Slots have equal length and are numbered from the epoch (for slots of
 * one second: `Math.floor(ms / 1_000)`). Each column is a separate counter. Memory is fixed. The cost of counting and
 * of a total does not depend on the size; the cost of `advance` grows with the number of slots that pass.
 */
export class SlidingCounts {
  readonly #size: number;
  /** Column by column, each with one number for every slot. */
  readonly #counts: Int32Array;
  readonly #totals: Float64Array;
  #now = Number.NaN;
  /** Where the newest slot is, within a column. */
  #place = 0;

  /** `columns`: how many counters there are. `size`: over how many slots they count, at least 1. */
  constructor(columns: number, size: number) {
    this.#size = size;
    this.#counts = new Int32Array(columns * size);
    this.#totals = new Float64Array(columns);
  }

  /** The newest slot; NaN before the first `advance`. */
  get now(): number {
    return this.#now;
  }

  /** Moves on to a slot and forgets what leaves the window; an earlier slot changes nothing. */
  advance(slot: number): void {
    // Most calls come in the newest slot.
    if (slot <= this.#now) return;
    if (slot - this.#now < this.#size) {
      while (this.#now < slot) this.#expire(++this.#now);
      return;
    }
    this.#counts.fill(0);
    this.#totals.fill(0);
    this.#now = slot;
    this.#place = slot % this.#size;
  }

  #expire(slot: number): void {
    this.#place = slot % this.#size;
    for (let column = 0, at = this.#place; column < this.#totals.length; column++, at += this.#size) {
      const count = this.#counts[at] as number;
      if (count === 0) continue;
      this.#totals[column] = (this.#totals[column] as number) - count;
      this.#counts[at] = 0;
    }
  }

  /** Adds to a column in the newest slot; call `advance` first. */
  count(column: number): void {
    const at = column * this.#size + this.#place;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#totals[column] = (this.#totals[column] as number) + 1;
  }

  /** Adds to a column in a slot; false, and nothing is added, if the slot is not in the window. */
  add(column: number, slot: number, change = 1): boolean {
    const place = this.#placeOf(slot);
    if (place < 0) return false;
    const at = column * this.#size + place;
    this.#counts[at] = (this.#counts[at] as number) + change;
    this.#totals[column] = (this.#totals[column] as number) + change;
    return true;
  }

  /** Whether a slot is in the window. */
  has(slot: number): boolean {
    return this.#placeOf(slot) >= 0;
  }

  /** A column's count in one slot; 0 outside the window. */
  at(column: number, slot: number): number {
    const place = this.#placeOf(slot);
    return place < 0 ? 0 : (this.#counts[column * this.#size + place] as number);
  }

  /** Where a slot is, within a column; -1 outside the window. Cheaper than the remainder of so large a number. */
  #placeOf(slot: number): number {
    const age = this.#now - slot;
    if (!(age >= 0 && age < this.#size)) return -1;
    return age <= this.#place ? this.#place - age : this.#place - age + this.#size;
  }

  /** A column's count in all slots together. */
  total(column: number): number {
    return this.#totals[column] as number;
  }
}
