import type { Clock } from '../core/clock.ts';
import { costOf } from '../core/money/limits.ts';
import type { Rollout } from '../core/rollout.ts';
import type { Spending } from '../core/spending.ts';
import { shrunkMs, timeoutsOf } from './routes.ts';
import type { RouteWatch } from './watch.ts';

/** Where it is known from what endpoints have cost. */
export interface SpendingSource {
  /** Looks again, by `now` in epoch ms; before each observation that is more than a glance. */
  refresh(watch: RouteWatch, now: number): Promise<void>;
  /** What the endpoints of a route's model had cost at the last look; null where that is not known. */
  of(watch: RouteWatch): Spending | null;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** How long calls on an endpoint are thought to take to end, as long as none was seen to take longer. */
const CALLS_END_MS = 300_000;
/** From a look at which nothing was due to the next, and from the word to pause until it is carried out. */
const LOOK_AND_PAUSE_MS = 10_000;
/** How long, in real time, calls on the endpoint may take to end once its weight is 0. */
const DRAIN_MS = 30_000;

/** From a look, over the next, until the endpoint is paused with its calls ended, in clock ms: as long as it may be. */
export function wayBackMs(watch: RouteWatch, clock: Clock): number {
  const longest = Math.max(shrunkMs(CALLS_END_MS, clock), watch.longestOnEndpointMs / clock.scale);
  const calls = Math.min(longest, timeoutsOf(watch.policy, clock).totalMs);
  return Math.ceil((calls + shrunkMs(LOOK_AND_PAUSE_MS, clock)) * clock.scale);
}

/**
 * How long, in real ms, the endpoint is kept for calls that are still on it. An endpoint that is left because of its price
 * alone is a good one: none of its calls is cut off.
 */
export function drainPatienceMs(rollout: Rollout, watch: RouteWatch, clock: Clock): number {
  const isGood = rollout.phase === 'draining' && rollout.reason.startsWith('over_budget');
  return isGood ? timeoutsOf(watch.policy, clock).totalMs : DRAIN_MS;
}

interface Span {
  readonly rolloutId: string;
  readonly from: number;
  to: number;
  readonly rate: number;
}

/**
 * Reckons what endpoints cost from what this process has seen of them: the price of the rollout, for as long as it was not
 * seen paused or absent. Of what a former process saw, as much as it can have been.
 */
export class SpendingEstimate implements SpendingSource {
  readonly #spans = new WeakMap<RouteWatch, Span[]>();
  readonly #last = new WeakMap<RouteWatch, Spending>();

  of(watch: RouteWatch): Spending | null {
    return this.#last.get(watch) ?? null;
  }

  refresh(watch: RouteWatch, now: number): Promise<void> {
    this.#last.set(watch, this.#reckon(watch, now));
    return Promise.resolve();
  }

  #reckon(watch: RouteWatch, now: number): Spending {
    const spans = this.#spans.get(watch) ?? recovered(watch);
    this.#spans.set(watch, spans);
    const { rollout } = watch;
    if (rollout !== null && rollout.phase !== 'proposed') extend(spans, watch, rollout, now);
    const isRecent = (span: Span) => span.to > now - DAY_MS || span.rolloutId === rollout?.id;
    this.#spans.set(watch, spans.filter(isRecent));
    const since = (start: number, isMeant: (span: Span) => boolean = () => true) =>
      spans
        .filter(isMeant)
        .reduce((sum, { from, to, rate }) => sum + costOf(rate, Math.max(0, to - Math.max(from, start))), 0);
    return {
      hourMicros: since(now - HOUR_MS),
      dayMicros: since(Math.floor(now / DAY_MS) * DAY_MS),
      rolloutMicros: since(0, ({ rolloutId }) => rolloutId === rollout?.id),
      ratePerHourMicros: rollout !== null && rollout.phase !== 'proposed' ? rateOf(watch, rollout) : 0,
      at: now,
    };
  }
}

const FREE = new Set(['paused', 'scaledToZero', 'absent', 'failed']);

function rateOf({ endpoint }: RouteWatch, { pricePerHourMicros }: Rollout): number {
  return endpoint !== null && FREE.has(endpoint.state) ? 0 : pricePerHourMicros;
}

function extend(spans: Span[], watch: RouteWatch, rollout: Rollout, now: number): void {
  const rate = rateOf(watch, rollout);
  const last = spans.findLast(({ rolloutId }) => rolloutId === rollout.id);
  if (last === undefined) {
    const from = 'startedAt' in rollout ? rollout.startedAt : rollout.createdAt;
    spans.push({ rolloutId: rollout.id, from, to: now, rate: rollout.pricePerHourMicros });
  } else if (last.rate === rate) last.to = now;
  else {
    // Until this look nothing was known of the change.
    last.to = last.rate > rate ? now : last.to;
    spans.push({ rolloutId: rollout.id, from: last.to, to: now, rate });
  }
}

/** Rollouts that ended as proposals. */
const NEVER_BEGUN = /^(?:proposal_expired|rejected: step 0)\b/;

/** The route's last rollout, if a former process ended it. */
function recovered({ lastRollout: last }: RouteWatch): Span[] {
  if (last === null || (last.phase !== 'draining' && 'reason' in last && NEVER_BEGUN.test(last.reason))) return [];
  return [{ rolloutId: last.id, from: last.createdAt, to: last.since, rate: last.pricePerHourMicros }];
}
