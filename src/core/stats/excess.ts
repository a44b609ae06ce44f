/** The chances that are bet on, side by side. */
const CHANCES = [0.05, 0.2, 0.5, 0.9] as const;

/**
 * The odds that events are more frequent than `atMost` (0..1), after so many of them and so many times without: at each
 * time a bet on each of several chances above `atMost`. If the chance of an event is at most `atMost` each time, whatever
 * came before, these odds ever reach 1/alpha with a chance of at most alpha (Ville's inequality).
 */
export function excessOdds(events: number, without: number, atMost: number): number {
  let sum = 0;
  for (const chance of CHANCES) {
    sum +=
      chance > atMost
        ? Math.exp(events * Math.log(chance / atMost) + without * Math.log((1 - chance) / (1 - atMost)))
        : 1;
  }
  return sum / CHANCES.length;
}

/** The same odds, if the bound may change from one time to the next. It must be known before. */
export class ExcessBet {
  readonly #parts = new Float64Array(CHANCES.length).fill(1 / CHANCES.length);
  #peak = 1;

  /** The highest odds so far; 1 at first. */
  get peak(): number {
    return this.#peak;
  }

  take(isEvent: boolean, atMost: number): void {
    let sum = 0;
    for (let i = 0; i < CHANCES.length; i++) {
      const chance = CHANCES[i] as number;
      const factor = chance <= atMost ? 1 : isEvent ? chance / atMost : (1 - chance) / (1 - atMost);
      this.#parts[i] = (this.#parts[i] as number) * factor;
      sum += this.#parts[i] as number;
    }
    this.#peak = Math.max(this.#peak, sum);
  }
}
