import type { Call } from '../../core/call.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { HeededSigns } from '../../core/scaling/capacity.ts';
import type { ConcurrencyCall } from '../../core/scaling/route-concurrency.ts';
import type { LoggedCall } from '../../ledger/calls/history.ts';

/** A call as the concurrency counts it; null if an endpoint could not have served it, or if nothing was sent. */
export function concurrencyCallOf(call: Call, rollout: Rollout | null): ConcurrencyCall | null {
  const [first] = call.attempts;
  if (first === undefined || (call.rolloutId !== null && !call.isEligible)) return null;
  const { startedAfterUs } = first;
  const isOnEndpoint = first.upstream === 'dedicated' && call.rolloutId === rollout?.id;
  return {
    setOutAtUs: call.arrivedAtUs + startedAfterUs,
    durationUs: isOnEndpoint ? first.durationUs : Math.max(0, call.durationUs - startedAfterUs),
    isOnEndpoint,
    outcome: first.outcome,
    firstByteUs: first.firstByteUs,
    firstTokenUs: call.firstTokenUs === null ? null : Math.max(0, call.firstTokenUs - startedAfterUs),
    outputTokens: call.outputTokens,
  };
}

/** The same from a row of the ledger, which has the time on the endpoint only if the endpoint gave the last answer. */
export function loggedConcurrencyCall(call: LoggedCall): ConcurrencyCall | null {
  if (call.role !== null && !call.isEligible) return null;
  return {
    setOutAtUs: call.arrivedAtUs + call.waitedUs,
    durationUs: Math.max(0, call.durationUs - call.waitedUs),
    isOnEndpoint: call.servedBy === 'dedicated',
    outcome: call.outcome,
    firstByteUs: call.firstByteUs === null ? null : Math.max(0, call.firstByteUs - call.waitedUs),
    firstTokenUs: null,
    outputTokens: null,
  };
}

/** The signs of a full replica that the judge of the policy acts on. */
export function heededSigns({ judge: { metrics } }: Pick<RoutePolicy, 'judge'>): HeededSigns {
  const acts = (...names: (keyof typeof metrics)[]) => names.some((name) => metrics[name]?.judge === 'act');
  return { firstToken: acts('firstToken'), other: acts('perToken', 'speed') };
}
