import type { Profile } from './profile.ts';

/** How far, in logarithms, stable's minute may be above its usual level: 49 % slower, or four deviations. */
const FAR = 0.4;
const DEVIATIONS = 4;
/** And its share of faults above the usual one: 3 points, or five deviations. */
const FAR_SHARE = 0.03;
const SHARE_DEVIATIONS = 5;
/** Its usual level follows it in about this time: a slow drift is usual, an incident is not. */
const MEMORY_MINUTES = 40;

/**
 * Whether the stable role is itself: while it is much slower or breaks much more often than it usually does, comparing
 * well with it says nothing for the canary.
 */
export class StableHealth {
  readonly #profile: Profile;
  #level = 0;
  #minute = { calls: 0, faults: 0, timed: 0, sum: 0 };

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** How much slower than in the profile it usually is by now, in logarithms; from minutes that are over. */
  get level(): number {
    return this.#level;
  }

  add(fault: number | null, speed: number | null): void {
    const minute = this.#minute;
    if (fault !== null) {
      minute.calls++;
      minute.faults += fault;
    }
    if (speed === null) return;
    minute.timed++;
    minute.sum += Math.max(-2, Math.min(2, speed));
  }

  /** A minute is over: was stable itself? */
  endMinute(): boolean {
    const { calls, faults, timed, sum } = this.#minute;
    this.#minute = { calls: 0, faults: 0, timed: 0, sum: 0 };
    const { shares, spread, drift } = this.#profile;
    const usual = shares.faults;
    const tooMany = FAR_SHARE + SHARE_DEVIATIONS * Math.sqrt((usual * (1 - usual)) / Math.max(1, calls));
    const isFaulty = calls > 0 && faults / calls > usual + tooMany;
    if (timed === 0) return !isFaulty;
    const deviation = Math.sqrt(drift.speed.sigma ** 2 + spread.speed ** 2 / timed);
    const limit = Math.max(FAR, DEVIATIONS * deviation);
    const above = sum / timed - this.#level;
    this.#level += Math.max(-limit, Math.min(limit, above)) / MEMORY_MINUTES;
    return !isFaulty && above <= limit;
  }
}
