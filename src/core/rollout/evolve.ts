import { marked } from '../money/budget-marks.ts';
import { offerText } from '../sizing/offer.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import { isAbout } from './ask.ts';
import { isWindowEvent, withClosings } from './closings.ts';
import type { WindowEvent } from './closings.ts';
import { isDetourEvent, onDetour, onScalingAsk } from './detour.ts';
import type { RolloutEvent } from './event.ts';
import { isStillEvent, stilled } from './pauses.ts';
import { isOver, throughOf } from './rollout.ts';
import type { Judged, Rollout, RolloutBase, Through } from './rollout.ts';

/**
 * Applies one event to a rollout. The first event must be `proposed`. `at`: when it happened, epoch ms of clock time.
 * Throws if the event cannot happen in the rollout's phase.
 */
export function evolve(rollout: Rollout | null, event: RolloutEvent, at: number): Rollout {
  if (event.type === 'proposed') return { ...event.rollout, phase: 'proposed', isPaused: false, ask: null, since: at };
  if (rollout === null) throw new Error(`the first event of a rollout must be "proposed", not "${event.type}"`);
  const next = isWindowEvent(event) ? rollout : evolved(rollout, event, at);
  return withClosings(rollout, next, event, at);
}

type Later = Exclude<RolloutEvent, WindowEvent | { readonly type: 'proposed' }>;

function evolved(rollout: Rollout, event: Later, at: number): Rollout {
  const base = baseOf(rollout);
  const startedAt = 'startedAt' in rollout ? rollout.startedAt : at;
  if (isDetourEvent(event)) return onDetour(rollout, event, at);
  if (isOutageEvent(event)) return onOutage(rollout, event);
  if (isStillEvent(event)) return stilled(rollout, event, at);
  if (event.type === 'released') return released(rollout, event);
  switch (event.type) {
    case 'asked':
      return onScalingAsk(asked(rollout, event, at), event, rollout, at);
    case 'ask_withdrawn':
    case 'approved': {
      const ask = isAbout(rollout.ask, event.about ?? 'step') ? null : rollout.ask;
      return onScalingAsk({ ...rollout, ...overruledBy(event), ask }, event, rollout, at);
    }
    case 'approval_added': {
      const { ask } = rollout;
      const { uid, by, about = 'step' } = event;
      if (!isAbout(ask, about)) throw unexpected(rollout, event);
      return { ...rollout, ask: { ...ask, approvals: [...(ask.approvals ?? []), { uid, by }] } };
    }
    case 'budget_warned':
    case 'budget_asked':
    case 'budget_extended':
      return { ...rollout, budget: marked(rollout.budget ?? [], event) };
    case 'provisioning_started':
      return { ...base, phase: 'provisioning', startedAt: at, isMade: false, since: at };
    case 'endpoint_made':
    case 'instance_left':
    case 'instance_next':
      return onProvisioning(rollout, event, at);
    case 'endpoint_ready':
      return { ...without(base), phase: 'warming', startedAt, url: event.url, since: at };
    case 'warmed': {
      const judged = { startedAt, endpoint: event.endpoint, profile: event.profile };
      if (event.next === 'shadowing') return { ...base, ...judged, phase: 'shadowing', since: at };
      return { ...base, ...judged, phase: 'stepping', step: 0, since: at };
    }
    case 'shadow_ended':
      if (rollout.phase !== 'shadowing') throw unexpected(rollout, event);
      return { ...base, ...judgedOf(rollout), ...copiesOf(event), phase: 'stepping', step: 0, since: at };
    case 'step_entered': {
      const judged = rollout.phase === 'stepping' ? judgedOf(rollout) : firstJudged(rollout, at);
      if (judged === null) throw unexpected(rollout, event);
      return { ...base, ...judged, ...stillThrough(rollout), phase: event.phase, step: event.step, since: at };
    }
    case 'promoted':
      if (rollout.phase !== 'holding') throw unexpected(rollout, event);
      return { ...base, phase: 'promoted', startedAt, step: rollout.step + 1, endpoint: rollout.endpoint, since: at };
    case 'draining':
      return { ...base, ...closed(event, at), phase: 'draining', outcome: event.outcome, since: at };
    case 'ended':
      return { ...base, ...closed(event, at), phase: event.outcome, since: at };
  }
}

/** A question is open, and what it says of the cost of serverless is remembered. */
function asked(rollout: Rollout, event: Extract<RolloutEvent, { type: 'asked' }>, at: number): Rollout {
  const { type: _, ...ask } = event;
  const micros = event.terms?.serverlessMonthMicros ?? null;
  return { ...rollout, ...(micros !== null && { serverlessMonth: { micros, at } }), ask: { ...ask, at } };
}

/** A step that a person enters over the evidence. */
function overruledBy(event: Extract<RolloutEvent, { type: 'ask_withdrawn' | 'approved' }>): Partial<RolloutBase> {
  if (event.type !== 'approved' || event.overEvidence === undefined) return {};
  return { overruled: { step: event.step, by: event.by, reason: event.reason } };
}

/** The endpoint is there, its instance cannot be had, or the next one is tried. */
function onProvisioning(
  rollout: Rollout,
  event: Extract<RolloutEvent, { type: 'endpoint_made' | 'instance_left' | 'instance_next' }>,
  at: number,
): Rollout {
  if (rollout.phase !== 'provisioning') throw unexpected(rollout, event);
  if (event.type === 'endpoint_made') return { ...rollout, isMade: true };
  if (event.type === 'instance_left') {
    const { type: _, ...said } = event;
    const left = [...(rollout.left ?? []), { ...said, endpointName: rollout.endpointName, at }];
    return { ...rollout, left, isLeaving: true, since: at };
  }
  const { endpointName, instance, pricePerHourMicros } = event;
  const { alternatives = [] } = rollout;
  const rest = alternatives.slice(alternatives.findIndex((one) => isSame(one.instance, instance)) + 1);
  return {
    ...without(baseOf(rollout)),
    ...(rest.length > 0 && { alternatives: rest }),
    endpointName,
    instance,
    pricePerHourMicros,
    phase: 'provisioning',
    startedAt: at,
    isMade: false,
    since: at,
  };
}

/** Nothing is left to try. */
function without(base: RolloutBase): RolloutBase {
  const { alternatives: _, ...rest } = base;
  return rest;
}

function isSame(a: PinnedInstance, b: PinnedInstance): boolean {
  return offerText(a) === offerText(b);
}

type OutageEvent = Extract<RolloutEvent, { type: 'outage_bridged' | 'outage_over' }>;

function stillThrough(rollout: Rollout): { readonly through?: Through } {
  const through = throughOf(rollout);
  return through === null ? {} : { through };
}

function isOutageEvent(event: RolloutEvent): event is OutageEvent {
  return event.type === 'outage_bridged' || event.type === 'outage_over';
}

/** The rollout after the calls of serverless began, or ceased, to go to the endpoint. */
function onOutage(rollout: Rollout, event: OutageEvent): Rollout {
  if (rollout.phase !== 'stepping' && rollout.phase !== 'holding') throw unexpected(rollout, event);
  const { through: _, ...rest } = rollout;
  return event.type === 'outage_over' ? rest : { ...rest, through: { since: event.since, by: event.by } };
}

/** A rollout that ends has no open question. */
function closed({ reason, hint, cause, by }: Extract<RolloutEvent, { type: 'draining' | 'ended' }>, at: number) {
  return {
    ask: null,
    reason,
    hint,
    ...(cause !== undefined && { cause }),
    ...(by !== undefined && { abortedBy: { ...by, at } }),
  };
}

/** A person lifts the hold that an abort has put on the route. */
function released(rollout: Rollout, event: RolloutEvent): Rollout {
  if (!isOver(rollout.phase)) throw unexpected(rollout, event);
  const { abortedBy: _, ...rest } = rollout;
  return rest;
}

/** A way back creates no endpoint, so it goes directly from its proposal to its first step. */
function firstJudged({ phase, wayBack }: Rollout, at: number): Judged | null {
  if (phase !== 'proposed' || wayBack === undefined) return null;
  return { startedAt: at, endpoint: wayBack.endpoint, profile: wayBack.profile };
}

function copiesOf({ shadow }: Extract<RolloutEvent, { type: 'shadow_ended' }>) {
  return shadow === undefined ? {} : { shadow };
}

function judgedOf({ startedAt, endpoint, profile }: Judged): Judged {
  return { startedAt, endpoint, profile };
}

function baseOf(rollout: Rollout): RolloutBase {
  const { id, model, policyHash, toward, createdAt, endpointName, namespace, pricePerHourMicros } = rollout;
  const {
    instance,
    alternatives,
    left,
    criteriaSince,
    wayBack,
    isPaused,
    pausedBy,
    isFrozen,
    pauses,
    proposedBy,
    abortedBy,
    budget,
    serverlessMonth,
    overruled,
    since,
  } = rollout;
  const fixed = {
    id,
    model,
    policyHash,
    toward,
    createdAt,
    endpointName,
    namespace,
    pricePerHourMicros,
    instance,
    criteriaSince,
    ...(alternatives !== undefined && { alternatives }),
    ...(left !== undefined && { left }),
    ...(budget !== undefined && { budget }),
    ...(wayBack !== undefined && { wayBack }),
    ...(proposedBy !== undefined && { proposedBy }),
    ...(abortedBy !== undefined && { abortedBy }),
    ...(serverlessMonth !== undefined && { serverlessMonth }),
    ...(overruled !== undefined && { overruled }),
  };
  // An event that changes the phase or step answers the question about the step. Other questions stay open.
  const paused = {
    isPaused,
    ...(pausedBy !== undefined && { pausedBy }),
    ...(isFrozen === true && { isFrozen }),
    ...(pauses !== undefined && { pauses }),
  };
  return { ...fixed, ...paused, ask: isAbout(rollout.ask, 'step') ? null : rollout.ask, since };
}

function unexpected(rollout: Rollout, event: RolloutEvent): Error {
  return new Error(`event "${event.type}" cannot happen to rollout ${rollout.id} in phase "${rollout.phase}"`);
}
