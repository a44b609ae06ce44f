import type { DetourEvent } from '../rollout/event.ts';
import { isStill, unpausedMs } from '../rollout/pauses.ts';
import type { Detour, Rollout } from '../rollout/rollout.ts';
import { isInForce, scalingText } from '../scaling/scaling.ts';
import { priceText, problemText, spanText } from '../text.ts';
import { HOUR_MS } from '../time.ts';
import { stayPaused } from './asking.ts';
import { beginEffect, decision } from './decision.ts';
import type { Decision } from './decision.ts';
import type { EndpointSeen, Observation } from './observation.ts';
import { presentScaling, pricePerReplica } from './present-scaling.ts';
import { rollBack } from './rollback.ts';
import { serverlessUnable } from './serverless-unable.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;
type Rescale = Extract<Detour, { why: 'rescale' }>;
type Sleep = Extract<Detour, { why: 'sleep' }>;

/** A reading so soon after a change may still show the state before the change. */
const SETTLE_MS = 10_000;

/** The state of an endpoint that no reading has shown since it was changed, for people. */
const UNKNOWN = 'in an unknown state';

/** What to do next in a detour; null if there is no detour. */
export function decideDetour(rollout: Promoted, seen: Observation): Decision | null {
  const { detour } = rollout;
  if (detour === undefined) return null;
  return detour.why === 'rescale' ? rescaling(rollout, detour, seen) : sleeping(rollout, detour, seen);
}

/**
 * First the traffic leaves the endpoint, then the scaling changes, then the endpoint is healthy, then the traffic
 * returns.
 */
function rescaling(rollout: Promoted, detour: Rescale, seen: Observation): Decision {
  const fresh = freshReading(seen, detour.since);
  const result = seen.results.rescale;
  const put = result !== undefined && result.at >= detour.since ? result : null;
  const isSame = fresh?.scaling != null && isInForce(detour.scaling, fresh.scaling);
  const isPut = put?.problem === null || isSame;
  const name = rollout.endpointName;
  const wanted = scalingText(detour.scaling);
  if (fresh !== null && isReady(fresh)) {
    if (!isPut && put?.problem != null && isFinal(put.problem.code)) {
      return end(rollout, seen, 'given_up', 'change_refused', problemText(put.problem));
    }
    const { within } = seen.policy.scaling;
    if (!isPut && unpausedMs(rollout, detour.since, seen.now) > within) {
      const why = put?.problem == null ? '' : `: ${problemText(put.problem)}`;
      return end(rollout, seen, 'given_up', 'detour_overdue', `not changed in ${spanText(within)}${why}`);
    }
    const unable = serverlessUnable(seen);
    if (!isPut && unable !== null) {
      return end(rollout, seen, 'given_up', 'stable_unable', `${unable}: ${name} is not changed`);
    }
    if (isPut && fresh.at >= (put?.at ?? detour.since) + SETTLE_MS) {
      return end(rollout, seen, 'done', 'rescaled', `${name} has ${wanted}; ${bridgedText(rollout, seen)}`);
    }
  }
  const failure = isPut ? 'has not become healthy again' : 'could not be changed';
  const late = overdue(rollout, seen, detour.since, failure);
  if (late !== null) return late;
  const state = fresh?.state ?? UNKNOWN;
  if (isPut) return decision('wait', 'rescaling', `${name} is ${state}; ${bridgedText(rollout, seen)}`);
  if (isStill(rollout)) return stayPaused(rollout);
  const notYet = notYetReady(seen);
  if (notYet !== null) return notYet;
  const doing = decision('rescale', 'rescaling', `changes ${name} to ${wanted}: no traffic is left on it`);
  return beginEffect(seen, 'rescale', doing, decision('wait', 'rescaling', `${name} is being changed to ${wanted}`));
}

function sleeping(rollout: Promoted, detour: Sleep, seen: Observation): Decision {
  return detour.wokenAt === undefined
    ? fallingAsleep(rollout, detour, seen)
    : wakingUp(rollout, detour, detour.wokenAt, seen);
}

function fallingAsleep(rollout: Promoted, detour: Sleep, seen: Observation): Decision {
  const { sleep } = seen.policy.scaling;
  const name = rollout.endpointName;
  const fresh = freshReading(seen, detour.since);
  const calls = seen.concurrency?.recentCalls ?? 0;
  const unable = serverlessUnable(seen);
  const isWanted = sleep === null || calls > sleep.calls || unable !== null;
  if (isWanted && !isStill(rollout) && !seen.effects.includes('sleep')) {
    const why = unable ?? `${calls} calls in five minutes`;
    const events: DetourEvent[] = [{ type: 'waking' }];
    const saved = `it slept for ${spanText(seen.now - detour.since)}, which saved about ${savedText(rollout, detour, seen, seen.now)}`;
    return decision('wake', 'demand_returned', `${why}: wakes ${name}; ${saved}`, { events, effect: 'wake' });
  }
  if (fresh?.state === 'scaledToZero') {
    const since = `${name} has slept for ${spanText(seen.now - detour.since)}`;
    return decision('wait', 'asleep', `${since}; ${bridgedText(rollout, seen)}`);
  }
  const notYet = notYetReady(seen);
  if (notYet !== null) return notYet;
  if (isStill(rollout)) return stayPaused(rollout);
  const last = seen.results.sleep;
  if (isReady(fresh) && last?.problem != null && last.at >= detour.since && isFinal(last.problem.code)) {
    return end(rollout, seen, 'given_up', 'change_refused', problemText(last.problem));
  }
  const doing = decision('sleep', 'idle', `scales ${name} to zero: no traffic is left on it`);
  return beginEffect(seen, 'sleep', doing, decision('wait', 'idle', `${name} is being scaled to zero`));
}

function wakingUp(rollout: Promoted, detour: Sleep, wokenAt: number, seen: Observation): Decision {
  const name = rollout.endpointName;
  const fresh = freshReading(seen, wokenAt);
  if (isReady(fresh)) {
    const wakeMs = seen.now - wokenAt;
    const cost = dollars((pricePerReplica(rollout, seen) * wakeMs) / HOUR_MS);
    const woken = `${name} is awake after ${spanText(wakeMs)}, which cost about ${cost}`;
    const saved = `its sleep saved about ${savedText(rollout, detour, seen, wokenAt)}`;
    return end(rollout, seen, 'done', 'awake', `${woken}; ${saved}; ${bridgedText(rollout, seen)}`);
  }
  const late = overdue(rollout, seen, wokenAt, 'has not woken up');
  if (late !== null) return late;
  const state = fresh?.state ?? UNKNOWN;
  const waiting = decision('wait', 'waking', `${name} is ${state}; ${bridgedText(rollout, seen)}`);
  if (fresh !== null && fresh.state !== 'scaledToZero') return waiting;
  if (isStill(rollout)) return stayPaused(rollout);
  return beginEffect(seen, 'wake', decision('wake', 'waking', `wakes ${name} again`), waiting);
}

/** The reading of the endpoint, if it was taken at or after `sinceMs` and no effect is under way; else null. */
function freshReading(seen: Observation, sinceMs: number): EndpointSeen | null {
  return seen.endpoint !== null && seen.endpoint.at >= sinceMs && seen.effects.length === 0 ? seen.endpoint : null;
}

/**
 * Waits before the endpoint is changed, until its calls have ended and there is a reading, because a process that died
 * may already have changed it. Null if there is no need to wait.
 */
function notYetReady(seen: Observation): Decision | null {
  if (!seen.isDrained) return decision('wait', 'leaving', 'calls on the endpoint are ending');
  return seen.endpoint === null ? decision('wait', 'leaving', 'the state of the endpoint is not known yet') : null;
}

function isReady(endpoint: EndpointSeen | null): boolean {
  return endpoint?.state === 'running' && endpoint.isHealthy;
}

/** Whether the problem stays if the request is repeated. */
function isFinal(code: string): boolean {
  return code === 'invalid' || code === 'unauthorized' || code === 'conflict' || code === 'not_found';
}

/** Rolls back if the detour takes longer than the policy allows; else null. */
function overdue(rollout: Promoted, seen: Observation, since: number, failure: string): Decision | null {
  const { within } = seen.policy.scaling;
  if (unpausedMs(rollout, since, seen.now) <= within) return null;
  return rollBack(rollout, seen, 'detour_overdue', `${rollout.endpointName} ${failure} within ${spanText(within)}`);
}

/** Ends the detour: the traffic returns to the endpoint, unless the rollout is paused. */
function end(
  rollout: Promoted,
  seen: Observation,
  outcome: 'done' | 'given_up',
  reason: Decision['reason'],
  detail: string,
): Decision {
  if (isStill(rollout)) {
    const { reason: why, detail: what } = stayPaused(rollout);
    return decision('wait', why, `${what}: serverless still serves the calls`);
  }
  const scaling = rollout.detour?.why === 'rescale' && outcome === 'done' ? rollout.detour.scaling : null;
  const price = scaling === null ? null : Math.round(pricePerReplica(rollout, seen) * scaling.maxReplica);
  const isDearer = price !== null && price !== rollout.pricePerHourMicros;
  const events: DetourEvent[] = [
    { type: 'detour_ended', outcome, bridged: bridgedBy(rollout, seen), pricePerHourMicros: price },
  ];
  return decision('end_detour', reason, isDearer ? `${detail}; ${priceText(price)} at most` : detail, { events });
}

function bridgedBy({ detour }: Promoted, { figures }: Observation): number {
  return Math.max(0, (figures?.stable.assigned ?? 0) - (detour?.bridgedBefore ?? 0));
}

function bridgedText(rollout: Promoted, seen: Observation): string {
  const bridged = bridgedBy(rollout, seen);
  return `serverless has served ${bridged === 1 ? '1 call' : `${bridged} calls`} meanwhile`;
}

function savedText(rollout: Promoted, detour: Sleep, seen: Observation, until: number): string {
  const replicas = Math.max(1, presentScaling(rollout, seen.policy.endpoint).minReplica);
  return dollars((pricePerReplica(rollout, seen) * replicas * Math.max(0, until - detour.since)) / HOUR_MS);
}

function dollars(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(2)}`;
}
