import type { Clock } from '../../core/clock.ts';
import { RETURNED } from '../../core/decide/stepping.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import { shrunkMs, timeoutsOf } from '../route/routes.ts';
import type { RouteWatch } from '../route/watch.ts';

/** Where it is known from what endpoints have cost. */
export interface SpendingSource {
  /** Looks again, by `now` in epoch ms; before each observation that is more than a glance. */
  refresh(watch: RouteWatch, now: number): Promise<void>;
  /** What the endpoints of a route's model had cost at the last look; null where that is not known. */
  of(watch: RouteWatch): Spending | null;
}

/** How long calls on an endpoint are thought to take to end, as long as none was seen to take longer. */
const CALLS_END_MS = 300_000;
/** From a look at which nothing was due to the next, and from the word to pause until it is carried out. */
const LOOK_AND_PAUSE_MS = 10_000;
/** How long, in real time, calls on the endpoint may take to end once its weight is 0. */
const DRAIN_MS = 30_000;

/** From a look, over the next, until the endpoint is paused with its calls ended, in clock ms: as long as it may be. */
export function rollbackMs(watch: RouteWatch, clock: Clock): number {
  const longest = Math.max(shrunkMs(CALLS_END_MS, clock), watch.longestOnEndpointMs / clock.scale);
  const calls = Math.min(longest, timeoutsOf(watch.policy, clock).totalMs);
  return Math.ceil((calls + shrunkMs(LOOK_AND_PAUSE_MS, clock)) * clock.scale);
}

/**
 * How long, in real ms, the endpoint is kept for calls that are still on it. An endpoint that is left because of its price
 * alone, for a serverless that will do, or only for a while, is a good one: none of its calls is cut off.
 */
export function drainPatienceMs(rollout: Rollout, watch: RouteWatch, clock: Clock): number {
  const isGood =
    rollout.phase !== 'draining' || rollout.reason === RETURNED || rollout.reason.startsWith('over_budget');
  return isGood ? timeoutsOf(watch.policy, clock).totalMs : DRAIN_MS;
}

const FREE: ReadonlySet<string> = new Set(['absent', 'pending', 'paused', 'scaledToZero', 'failed']);
/** Books change by the minute; until they are read again what may have been spent meanwhile is reckoned with. */
const READ_EVERY_MS = 5_000;

/** What the books say. Where they cannot be read, what they last said stands, and its age tells. */
export class BookedSpending implements SpendingSource {
  readonly #journal: Pick<Journal, 'spending'>;
  readonly #last = new WeakMap<RouteWatch, { readonly rolloutId: string | null; readonly spending: Spending }>();

  constructor(journal: Pick<Journal, 'spending'>) {
    this.#journal = journal;
  }

  of(watch: RouteWatch): Spending | null {
    const last = this.#last.get(watch);
    if (last === undefined || last.rolloutId !== bookedUnder(watch)) return null;
    // What is not in the books, and may well be billed, has cost something nevertheless.
    const { rollout, endpoint } = watch;
    const mayBeBilled = rollout !== null && 'startedAt' in rollout && !(endpoint !== null && FREE.has(endpoint.state));
    return mayBeBilled && last.spending.rolloutMicros === 0 ? null : last.spending;
  }

  async refresh(watch: RouteWatch, now: number): Promise<void> {
    if (watch.policy.endpoint === null) return;
    const rolloutId = bookedUnder(watch);
    const last = this.#last.get(watch);
    if (last?.rolloutId === rolloutId && now - last.spending.at < READ_EVERY_MS) return;
    const spending = await this.#journal.spending(watch.model, rolloutId, now).catch(() => null);
    if (spending !== null) this.#last.set(watch, { rolloutId, spending });
  }
}

/** The rollout under which the route's endpoint is booked: on a way back that which it would end. */
function bookedUnder({ rollout }: RouteWatch): string | null {
  return rollout?.wayBack?.replaces ?? rollout?.id ?? null;
}
