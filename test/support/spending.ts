import { costOf } from '../../src/core/money/budget-limits.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import type { Spending } from '../../src/core/money/spending.ts';
import type { SpendingSource } from '../../src/daemon/money/spending.ts';
import type { RouteWatch } from '../../src/daemon/route/watch.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

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
    if (rollout !== null && isMade(rollout)) extend(spans, watch, rollout, now);
    const isRecent = (span: Span) => span.to > now - DAY_MS || span.rolloutId === madeBy(rollout);
    this.#spans.set(watch, spans.filter(isRecent));
    const since = (start: number, isMeant: (span: Span) => boolean = () => true) =>
      spans
        .filter(isMeant)
        .reduce((sum, { from, to, rate }) => sum + costOf(rate, Math.max(0, to - Math.max(from, start))), 0);
    return {
      hourMicros: since(now - HOUR_MS),
      dayMicros: since(Math.floor(now / DAY_MS) * DAY_MS),
      rolloutMicros: since(0, ({ rolloutId }) => rolloutId === madeBy(rollout)),
      ratePerHourMicros: rollout !== null && isMade(rollout) ? rateOf(watch, rollout) : 0,
      at: now,
    };
  }
}

/** The rollout that made the endpoint: of a way back, that which it would end. */
function madeBy(rollout: Rollout | null): string | undefined {
  return rollout?.wayBack?.replaces ?? rollout?.id;
}

function isMade({ phase, wayBack }: Rollout): boolean {
  return phase !== 'proposed' || wayBack !== undefined;
}

const FREE = new Set(['paused', 'scaledToZero', 'absent', 'failed']);

function rateOf({ endpoint }: RouteWatch, { pricePerHourMicros }: Rollout): number {
  return endpoint !== null && FREE.has(endpoint.state) ? 0 : pricePerHourMicros;
}

function extend(spans: Span[], watch: RouteWatch, rollout: Rollout, now: number): void {
  const rate = rateOf(watch, rollout);
  const id = madeBy(rollout) as string;
  const last = spans.findLast(({ rolloutId }) => rolloutId === id);
  if (last === undefined) {
    const from = rollout.wayBack?.runsSince ?? ('startedAt' in rollout ? rollout.startedAt : rollout.createdAt);
    spans.push({ rolloutId: id, from, to: now, rate: rollout.pricePerHourMicros });
  } else if (last.rate === rate) last.to = now;
  else {
    // Until this look nothing was known of the change.
    last.to = last.rate > rate ? now : last.to;
    spans.push({ rolloutId: id, from: last.to, to: now, rate });
  }
}

/** Rollouts that ended as proposals. */
const NEVER_BEGUN = /^(?:proposal_expired|rejected: step 0)\b/;

/** The route's last rollout, if a former process ended it. */
function recovered({ state: { last } }: RouteWatch): Span[] {
  if (last === null || (last.phase !== 'draining' && 'reason' in last && NEVER_BEGUN.test(last.reason))) return [];
  return [{ rolloutId: last.id, from: last.createdAt, to: last.since, rate: last.pricePerHourMicros }];
}
