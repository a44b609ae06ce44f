import { scalingOf } from '../policy/scaling.ts';
import type { DetourEvent } from '../rollout/event.ts';
import type { Detour, Rollout } from '../rollout/rollout.ts';
import { isInForce, scalingText } from '../scaling/scaling.ts';
import { priceText, problemText, spanText } from '../text.ts';
import { HOUR_MS } from '../time.ts';
import { beginEffect, decision } from './decision.ts';
import type { Decision } from './decision.ts';
import type { EndpointSeen, Observation } from './observation.ts';
import { presentScaling, pricePerReplica } from './present-scaling.ts';
import { canConnect, rollBack } from './rollback.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;
type Rescale = Extract<Detour, { why: 'rescale' }>;
type Sleep = Extract<Detour, { why: 'sleep' }>;

/** A look so soon after a change may still show how it was. */
const SETTLE_MS = 10_000;

/** A detour's next turn; null where the traffic is not away. */
export function decideDetour(rollout: Promoted, seen: Observation): Decision | null {
  const { detour } = rollout;
  if (detour === undefined) return null;
  return detour.why === 'rescale' ? rescaling(rollout, detour, seen) : sleeping(rollout, detour, seen);
}

/** Traffic first, then the change, then a healthy endpoint, then the traffic again. */
function rescaling(rollout: Promoted, detour: Rescale, seen: Observation): Decision {
  const fresh = freshReading(seen, detour.since);
  const result = seen.results.rescale;
  const put = result !== undefined && result.at >= detour.since ? result : null;
  const isSame = fresh?.scaling != null && isInForce(detour.scaling, fresh.scaling);
  const isPut = put?.problem === null || isSame;
  const name = rollout.endpointName;
  const told = scalingText(detour.scaling);
  if (fresh !== null && isReady(fresh)) {
    if (!isPut && put?.problem != null && isFinal(put.problem.code)) {
      return end(rollout, seen, 'given_up', 'change_refused', problemText(put.problem));
    }
    const { within } = scalingOf(seen.policy);
    if (!isPut && seen.now - detour.since > within) {
      const why = put?.problem == null ? '' : `: ${problemText(put.problem)}`;
      return end(rollout, seen, 'given_up', 'detour_overdue', `not changed in ${spanText(within)}${why}`);
    }
    if (!isPut && !canConnect(seen)) {
      return end(rollout, seen, 'given_up', 'stable_unable', `serverless refuses connections: ${name} stays as it is`);
    }
    if (isPut && fresh.at >= (put?.at ?? detour.since) + SETTLE_MS) {
      return end(rollout, seen, 'done', 'rescaled', `${name} has ${told}; ${bridgedText(rollout, seen)}`);
    }
  }
  const late = overdue(rollout, seen, detour.since, isPut ? 'it has not come back' : 'it could not be changed');
  if (late !== null) return late;
  const state = fresh === null ? 'not looked at yet' : fresh.state;
  if (isPut) return decision('wait', 'rescaling', `${name} is ${state}; ${bridgedText(rollout, seen)}`);
  const notYet = notYetReady(seen);
  if (notYet !== null) return notYet;
  const doing = decision('rescale', 'rescaling', `changes ${name} to ${told}: no traffic is left on it`);
  return beginEffect(seen, 'rescale', doing, decision('wait', 'rescaling', `${name} is being changed to ${told}`));
}

function sleeping(rollout: Promoted, detour: Sleep, seen: Observation): Decision {
  return detour.wokenAt === undefined
    ? fallingAsleep(rollout, detour, seen)
    : wakingUp(rollout, detour, detour.wokenAt, seen);
}

function fallingAsleep(rollout: Promoted, detour: Sleep, seen: Observation): Decision {
  const { sleep } = scalingOf(seen.policy);
  const name = rollout.endpointName;
  const fresh = freshReading(seen, detour.since);
  const calls = seen.concurrency?.recentCalls ?? 0;
  const isWanted = sleep === null || calls > sleep.calls || !canConnect(seen);
  if (isWanted && !rollout.isPaused && !seen.effects.includes('sleep')) {
    const why = canConnect(seen) ? `${calls} calls in five minutes` : 'serverless refuses connections';
    const events: DetourEvent[] = [{ type: 'waking' }];
    const saved = `slept for ${spanText(seen.now - detour.since)}, which saved about ${savedText(rollout, detour, seen, seen.now)}`;
    return decision('wake', 'demand_returned', `${why}: wakes ${name}; ${saved}`, { events, effect: 'wake' });
  }
  if (fresh?.state === 'scaledToZero') {
    const since = `${name} has slept for ${spanText(seen.now - detour.since)}`;
    return decision('wait', 'asleep', `${since}; ${bridgedText(rollout, seen)}`);
  }
  const notYet = notYetReady(seen);
  if (notYet !== null) return notYet;
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
    const told = `${name} is awake after ${spanText(wakeMs)}, which cost about ${cost}`;
    const saved = `its sleep saved about ${savedText(rollout, detour, seen, wokenAt)}`;
    return end(rollout, seen, 'done', 'awake', `${told}; ${saved}; ${bridgedText(rollout, seen)}`);
  }
  const late = overdue(rollout, seen, wokenAt, 'it has not woken up');
  if (late !== null) return late;
  const state = fresh === null ? 'not looked at yet' : fresh.state;
  const waiting = decision('wait', 'waking', `${name} is ${state}; ${bridgedText(rollout, seen)}`);
  if (fresh !== null && fresh.state !== 'scaledToZero') return waiting;
  return beginEffect(seen, 'wake', decision('wake', 'waking', `wakes ${name} again`), waiting);
}

/** The endpoint, if it was looked at after a moment and nothing is being done to it. */
function freshReading(seen: Observation, sinceMs: number): EndpointSeen | null {
  return seen.endpoint !== null && seen.endpoint.at >= sinceMs && seen.effects.length === 0 ? seen.endpoint : null;
}

/** Before anything is done to the endpoint: its calls have ended, and a new process has looked what was done already. */
function notYetReady(seen: Observation): Decision | null {
  if (!seen.isDrained) return decision('wait', 'leaving', 'calls on the endpoint are ending');
  return seen.endpoint === null ? decision('wait', 'leaving', 'the endpoint is looked at first') : null;
}

function isReady(endpoint: EndpointSeen | null): boolean {
  return endpoint?.state === 'running' && endpoint.isHealthy;
}

/** Problems that asking again does not cure. */
function isFinal(code: string): boolean {
  return code === 'invalid' || code === 'unauthorized' || code === 'conflict' || code === 'not_found';
}

function overdue(rollout: Promoted, seen: Observation, since: number, why: string): Decision | null {
  const { within } = scalingOf(seen.policy);
  if (seen.now - since <= within) return null;
  return rollBack(rollout, seen, 'detour_overdue', `${rollout.endpointName}: ${why} in ${spanText(within)}`);
}

/** The traffic goes back to the endpoint, unless the rollout is to stay as it is. */
function end(
  rollout: Promoted,
  seen: Observation,
  outcome: 'done' | 'given_up',
  reason: Decision['reason'],
  detail: string,
): Decision {
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator: serverless goes on serving');
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
