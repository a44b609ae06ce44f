import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { NO_BUDGET } from '../core/money/policy.ts';
import type { Observation, OperatorRequest, ShadowFigures } from '../core/observation.ts';
import { isLive, weights } from '../core/rollout.ts';
import type { Role } from '../core/route.ts';
import type { Gateway } from '../gateway/server.ts';
import { endpointName } from '../huggingface/endpoints.ts';
import { timeoutsOf } from './routes.ts';
import type { SpendingSource } from './spending.ts';
import { drainPatienceMs, wayBackMs } from './spending.ts';
import type { RouteWatch } from './watch.ts';

/** A process that did not look for so long, in real time, was stopped or asleep: its own data has a hole there. */
const GAP_MS = 10_000;

export interface ObserveContext {
  readonly clock: Clock;
  readonly gateway: Pick<Gateway, 'inFlight' | 'shadowCounts'>;
  readonly account: Observation['account'];
  /** Hash of the policy that is in force for the route, and of the file. */
  readonly policyHash: (watch: RouteWatch) => string;
  readonly filePolicyHash: string;
  readonly spending: Pick<SpendingSource, 'of'>;
  readonly newRolloutId: () => string;
}

/** Gathers everything that a decision about a route may look at. Changes nothing but the passing of time. */
export function observe(watch: RouteWatch, request: OperatorRequest | null, context: ObserveContext): Observation {
  const now = Math.floor(context.clock.now());
  if ((now - watch.observedAt) / context.clock.scale > GAP_MS && watch.observedAt > 0) watch.window.interrupt(now);
  else watch.window.advance(now);
  watch.observedAt = now;
  const { rollout } = watch;
  const rolloutId = context.newRolloutId();
  const policyHash = context.policyHash(watch);
  const { step } = weights(rollout, watch.policy);
  const flight = lookInFlight(watch, step, context);
  return {
    now,
    model: watch.model,
    policy: watch.policy,
    policyHash,
    newPolicyHash: policyHash === context.filePolicyHash ? null : context.filePolicyHash,
    account: context.account,
    demand: { ...watch.window.figures(), holdsSince: watch.window.holdsSince },
    lastEndedAt: watch.lastRollout?.since ?? null,
    survey: watch.survey,
    spending: context.spending.of(watch),
    budget: { file: watch.filePolicy.budget ?? NO_BUDGET, wayBackMs: wayBackMs(watch, context.clock) },
    next: { rolloutId, endpointName: endpointName(watch.model, rolloutId) },
    endpoint: watch.endpoint,
    effects: [...watch.effects],
    results: { ...watch.results },
    figures: rollout !== null && isLive(rollout) ? watch.figures(step, flight.overdue) : null,
    verdict: watch.verdict(step, now),
    shadow: shadowFigures(watch, context.gateway),
    canaryFaultsInRow: watch.faultsInRow,
    stableRecent: watch.recent.figures(now),
    isDrained: isDrained(watch, flight.canary, context.clock),
    request,
    openAskId: watch.openAskId,
    shapes: [...watch.shapes].sort(),
  };
}

/** What became of the copies so far; null outside of the shadow stage. */
export function shadowFigures(
  { rollout, shadow }: RouteWatch,
  gateway: Pick<Gateway, 'shadowCounts'>,
): ShadowFigures | null {
  if (rollout?.phase !== 'shadowing') return null;
  const { sent, busy, usedUp } = gateway.shadowCounts(rollout.id);
  return { sent, dropped: busy + usedUp, ...shadow };
}

interface InFlight {
  /** Calls assigned to the canary that have not ended. */
  readonly canary: number;
  /** Calls of the current step that have waited for a first byte longer than the policy allows. */
  readonly overdue: Record<Role, number>;
}

function lookInFlight(watch: RouteWatch, step: number, { clock, gateway }: ObserveContext): InFlight {
  const overdue: Record<Role, number> = { stable: 0, canary: 0 };
  let canary = 0;
  const { rollout } = watch;
  if (rollout === null) return { canary, overdue };
  const oldestUs = (clock.now() - timeoutsOf(watch.policy, clock).firstByteMs * clock.scale) * 1_000;
  for (const { arrival, hasFirstByte, isDecided } of gateway.inFlight()) {
    const { role } = arrival;
    if (arrival.rolloutId !== rollout.id || role === null || !arrival.isEligible) continue;
    if (role === 'canary') canary++;
    if (arrival.step === step && !hasFirstByte && !isDecided && arrival.arrivedAtUs < oldestUs) overdue[role]++;
  }
  return { canary, overdue };
}

function isDrained(watch: RouteWatch, inFlight: number, clock: Clock): boolean {
  if (watch.rollout?.phase !== 'draining') return false;
  if (inFlight === 0) return true;
  return (clock.now() - watch.rollout.since) / clock.scale > drainPatienceMs(watch.rollout, watch, clock);
}

/** Eight lower-case letters and digits without look-alikes. */
export function newRolloutId(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  return Array.from(randomBytes(8), (byte) => letters[byte % letters.length]).join('');
}
