import type { Verdict } from '../judge/verdict.ts';
import type { RolloutEvent } from '../rollout/event.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { problemText } from '../text.ts';
import type { EffectName, Observation, OperatorRequest } from './observation.ts';

/**
 * Version of the deciding and judging code, stored with every decision. It is raised whenever this code would decide or judge
 * differently on what was stored.
 */
export const CORE_VERSION = 1;

/** What a decision does. `wait` is a decision too, and has a reason. */
export const ACTIONS = [
  'wait',
  'survey',
  'learn',
  'propose',
  'ask',
  'withdraw_ask',
  'grant',
  'warn',
  'provision',
  'ensure_endpoint',
  'note_endpoint',
  'start_warming',
  'warm',
  'finish_warming',
  'finish_shadow',
  'enter_step',
  'promote',
  'return',
  'leave_endpoint',
  'roll_back',
  'fail',
  'pause_endpoint',
  'report_endpoint',
  'delete_endpoint',
  'begin_detour',
  'rescale',
  'sleep',
  'wake',
  'end_detour',
  'end',
  'pause',
  'resume',
  'refuse',
] as const;
export type Action = (typeof ACTIONS)[number];

/** Why. One spelling in code, SQL, CLI and tests. */
export const REASONS = [
  // watching
  'criteria_not_met',
  'sustaining',
  'cooldown',
  'would_propose_add_endpoint',
  'account_unchecked',
  'account_refused',
  'survey_missing',
  'not_available',
  'too_expensive',
  'over_budget',
  'criteria_sustained',
  // a person's word
  'needs_approval',
  'awaiting_approval',
  'approved',
  'approved_by_policy',
  'rejected',
  'proposal_expired',
  'verdict_changed',
  'operator',
  'paused',
  // the endpoint
  'endpoint_missing',
  'endpoint_starting',
  'endpoint_ready',
  'warming_up',
  'warmed',
  'effect_failed',
  'provision_timeout',
  'provision_refused',
  'endpoint_not_ours',
  'endpoint_failed',
  'endpoint_paused',
  'endpoint_absent',
  'endpoint_scaled_to_zero',
  'endpoint_unhealthy',
  // endpoints that no rollout uses
  'endpoint_in_use',
  'endpoint_idle',
  'endpoint_orphaned',
  'endpoint_unknown',
  // stepping
  'baking',
  'gathering',
  'shadowing',
  'verdict_fail',
  'unhealthy',
  'consecutive_faults',
  'both_unhealthy',
  'stable_unable',
  'capacity',
  'step_overdue',
  'rollout_overdue',
  // money
  'budget_low',
  'budget_nearly_used',
  'budget_renewed',
  // the way back
  'traffic_low',
  'slo_missed',
  'serverless_cannot',
  'learning',
  // after
  'promoted',
  'concurrency_changed',
  'serverless_full',
  'leaving',
  'rescaling',
  'rescaled',
  'change_refused',
  'idle',
  'asleep',
  'demand_returned',
  'waking',
  'awake',
  'detour_overdue',
  'draining',
  'traffic_first',
  'drained',
  'stale_request',
  'nothing_asked',
] as const;
export type Reason = (typeof REASONS)[number];

/** One answer to one observation: what to do, why, and what thereby happens. Carrying it out leaves no choices. */
export interface Decision {
  readonly action: Action;
  readonly reason: Reason;
  /** A sentence for people, figures first. */
  readonly detail: string;
  readonly verdict: Verdict | null;
  /** What happens to the rollout by this decision, in order. */
  readonly events: readonly RolloutEvent[];
  /** Work to begin, beside the ticks. */
  readonly effect: EffectName | null;
  /** What becomes of the operator's request that was looked at. */
  readonly outcome: {
    readonly requestId: number;
    readonly result: 'done' | 'refused';
    readonly message: string;
  } | null;
  /** What thereby happens to the promoted rollout that a way back takes the place of: its end, or a word on its budget. */
  readonly replaced?: { readonly rolloutId: string; readonly event: RolloutEvent };
}

/** Builds a decision; what is not named is nothing. */
export function decision(
  action: Action,
  reason: Reason,
  detail: string,
  rest: Partial<Pick<Decision, 'verdict' | 'events' | 'effect' | 'outcome'>> = {},
): Decision {
  return { action, reason, detail, verdict: null, events: [], effect: null, outcome: null, ...rest };
}

/** A request that is not carried out, and why. */
export function refuse(request: OperatorRequest, reason: Reason, message: string): Decision {
  const outcome = { requestId: request.id, result: 'refused' as const, message };
  return decision('refuse', reason, `${request.kind} by ${request.by} refused: ${message}`, { outcome });
}

/** The outcome of a request that is carried out. */
export function done(request: OperatorRequest, message: string): Decision['outcome'] {
  return { requestId: request.id, result: 'done', message };
}

/**
 * Leaves the way forward. What never asked for an endpoint is over at once, and so is a way back, whose endpoint goes on;
 * everything else first gives its traffic back and then sees to the endpoint (`draining`).
 */
export function leave(
  rollout: Rollout,
  outcome: 'aborted' | 'failed',
  reason: Reason,
  detail: string,
  hint: string | null = null,
): Decision {
  const type = rollout.phase === 'proposed' || rollout.toward === 'serverless' ? 'ended' : 'draining';
  const event: RolloutEvent = { type, outcome, reason: reason === 'operator' ? detail : `${reason}: ${detail}`, hint };
  // Before the first step no traffic has moved, so there is nothing to roll back.
  const ending = rollout.phase === 'proposed' ? 'end' : 'roll_back';
  return decision(outcome === 'aborted' ? ending : 'fail', reason, detail, { events: [event] });
}

const AGAIN_AFTER_MS = 15_000;

/** Begins an effect, unless one of its kind is under way or ended a moment ago: its result may not be seen yet. */
export function beginEffect(seen: Observation, effect: EffectName, doing: Decision, waiting: Decision): Decision {
  if (seen.effects.includes(effect)) return waiting;
  const last = seen.results[effect];
  if (last !== undefined && seen.now - last.at < AGAIN_AFTER_MS) {
    return last.problem === null ? waiting : decision('wait', 'effect_failed', problemText(last.problem));
  }
  return { ...doing, effect };
}

/** What the endpoint of a rollout is made on, and in how many replicas at most. */
export function endpointText(seen: Observation, { instance }: Pick<Rollout, 'instance'>): string {
  const endpoint = seen.policy.endpoint;
  if (endpoint === null) return 'no endpoint';
  const replicas = endpoint.maxReplica > 1 ? `, up to ${endpoint.maxReplica} replicas` : '';
  // Older rollouts are pinned to what their policy names.
  const { vendor, region, instanceType, instanceSize } = instance ?? endpoint;
  return `${vendor} ${region} ${instanceType} ${instanceSize}${replicas}`;
}
