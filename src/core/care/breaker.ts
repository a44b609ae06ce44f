import { meaningOf } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { BreakerPolicy } from '../policy/care.ts';

/** The state of one upstream's breaker. Times in clock ms. */
export type Breaker =
  | { readonly state: 'closed'; readonly faultsInRow: number }
  | { readonly state: 'open'; readonly since: number; readonly until: number; readonly cause: Outcome }
  /** `since`: when the latest probe was sent. */
  | { readonly state: 'half-open'; readonly since: number; readonly probing: number; readonly cause: Outcome };

export const CLOSED: Breaker = { state: 'closed', faultsInRow: 0 };

/** Whether a call may go to the upstream; if not, `askAt` is when to ask again (clock ms). */
export function admits(breaker: Breaker, policy: BreakerPolicy, nowMs: number): { ok: boolean; askAt: number } {
  switch (breaker.state) {
    case 'closed':
      return { ok: true, askAt: nowMs };
    case 'open':
      return { ok: nowMs >= breaker.until, askAt: breaker.until };
    case 'half-open':
      // After a cool-down another probe may go out, because a probe that never ends must not keep the breaker open.
      return {
        ok: breaker.probing < policy.probes || nowMs >= breaker.since + policy.cooldown,
        askAt: breaker.since + policy.cooldown,
      };
  }
}

/** A call is sent. If the breaker is not closed, the call is a probe. */
export function sent(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.state === 'open') return { state: 'half-open', since: nowMs, probing: 1, cause: breaker.cause };
  if (breaker.state === 'half-open') return { ...breaker, since: nowMs, probing: breaker.probing + 1 };
  return breaker;
}

/**
 * An attempt ended. `wasProbe`: it was sent while the breaker was not closed. Attempts that were under way when the
 * breaker opened are ignored.
 */
export function ended(
  breaker: Breaker,
  policy: BreakerPolicy,
  { outcome, wasProbe, nowMs }: { readonly outcome: Outcome; readonly wasProbe: boolean; readonly nowMs: number },
): Breaker {
  const { health } = meaningOf(outcome);
  switch (breaker.state) {
    case 'closed': {
      if (health === 'well') return breaker.faultsInRow === 0 ? breaker : CLOSED;
      if (health === null) return breaker;
      const faultsInRow = breaker.faultsInRow + 1;
      if (faultsInRow < policy.faults) return { state: 'closed', faultsInRow };
      return { state: 'open', since: nowMs, until: nowMs + policy.cooldown, cause: outcome };
    }
    case 'open':
      return breaker;
    case 'half-open':
      if (!wasProbe) return breaker;
      if (health === 'well') return CLOSED;
      if (health === 'fault') return { state: 'open', since: nowMs, until: nowMs + policy.cooldown, cause: outcome };
      return { ...breaker, probing: Math.max(0, breaker.probing - 1) };
  }
}
