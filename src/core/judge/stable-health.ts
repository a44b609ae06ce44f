import type { Profile } from './profile.ts';

/**
 * How far stable's minute may be above its usual level, in logarithms: 0.4 (49 % slower), or four standard deviations.
 */
const FAR = 0.4;
const DEVIATIONS = 4;
/** How far its share of faults may be above the usual share: 3 points plus five standard deviations. */
const FAR_SHARE = 0.03;
const SHARE_DEVIATIONS = 5;
/**
 * The usual level follows the minutes in about this time, so that a slow drift becomes usual and an incident does not.
 */
const MEMORY_MINUTES = 40;

/**
 * Tells whether the stable role is as usual. While it is much slower or fails much more often than usual, a good
 * comparison with it is no evidence for the canary.
 */
export class StableHealth {
  readonly #profile: Profile;
  #level = 0;
  #minute = { calls: 0, faults: 0, timed: 0, sum: 0 };

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /**
   * How much slower than in the profile stable usually is by now, in logarithms; computed from minutes that have ended.
   */
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

  /** Ends a minute. Returns whether stable was as usual in it. */
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
