import type { Clock } from '../../core/clock.ts';
import { RETURNED } from '../../core/decide/stepping.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import { shrunkMs, timeoutsOf } from '../route/routes.ts';
import type { RouteWatch } from '../route/watch.ts';

/** Knows what endpoints have cost. */
export interface SpendingSource {
  /** Reads what was spent up to `now`, epoch ms. Called before each tick of a route. */
  refresh(watch: RouteWatch, now: number): Promise<void>;
  /** What the endpoints of a route's model had cost when that was last read; null if it is unknown. */
  of(watch: RouteWatch): Spending | null;
}

/** How long calls on an endpoint are assumed to take at most, until one takes longer. */
const CALLS_END_MS = 300_000;
/** The time from one observation to the next, and from the decision to pause until the endpoint is paused. */
const LOOK_AND_PAUSE_MS = 10_000;
/** How long, in real time, calls on the endpoint may take to end once its weight is 0. */
const DRAIN_MS = 30_000;

/**
 * The longest time from one observation, over the next one, until the endpoint is paused and its calls have ended,
 * clock ms.
 */
export function rollbackMs(
  {
    policy,
    measures: { longestOnEndpointMs },
  }: Pick<RouteWatch, 'policy'> & { readonly measures: Pick<RouteWatch['measures'], 'longestOnEndpointMs'> },
  clock: Pick<Clock, 'scale'>,
): number {
  const longest = Math.max(shrunkMs(CALLS_END_MS, clock), longestOnEndpointMs / clock.scale);
  const calls = Math.min(longest, timeoutsOf(policy, clock).totalMs);
  return Math.ceil((calls + shrunkMs(LOOK_AND_PAUSE_MS, clock)) * clock.scale);
}

/**
 * How long, in real ms, the endpoint is kept for calls that are still on it. If the endpoint works and is left because
 * of its price, because serverless is enough, or only for a while, none of its calls is cut off.
 */
export function drainPatienceMs(
  rollout: Rollout,
  { policy }: Pick<RouteWatch, 'policy'>,
  clock: Pick<Clock, 'scale'>,
): number {
  const isGood =
    rollout.phase !== 'draining' || rollout.reason === RETURNED || rollout.reason.startsWith('over_budget');
  return isGood ? timeoutsOf(policy, clock).totalMs : DRAIN_MS;
}

const FREE: ReadonlySet<string> = new Set(['absent', 'pending', 'paused', 'scaledToZero', 'failed']);
/** Cost records change every minute. Between two readings the budget guard adds what may have been spent. */
const READ_EVERY_MS = 5_000;

/** What was spent by the cost records. If they cannot be read the last figures stay, with the time they were read. */
export class BookedSpending implements SpendingSource {
  readonly #journal: Pick<Journal, 'spending'>;
  readonly #last = new WeakMap<RouteWatch, { readonly rolloutId: string | null; readonly spending: Spending }>();

  constructor(journal: Pick<Journal, 'spending'>) {
    this.#journal = journal;
  }

  of(watch: RouteWatch): Spending | null {
    const last = this.#last.get(watch);
    if (last === undefined || last.rolloutId !== bookedUnder(watch)) return null;
    // An endpoint that may be billed and is not recorded yet has cost something, so the spending is unknown.
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

/** The rollout that the costs of the route's endpoint are recorded for: on a way back the promoted one. */
function bookedUnder({ rollout }: RouteWatch): string | null {
  return rollout?.wayBack?.replaces ?? rollout?.id ?? null;
}
