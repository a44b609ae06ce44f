import type { Cause } from '../cause.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { RolloutEvent } from '../rollout/event.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Happened } from '../rollout/route-state.ts';
import { mostReplicas } from '../sizing/pinned.ts';
import { problemText } from '../text.ts';
import type { EffectName, Observation, OperatorRequest } from './observation.ts';

/**
 * Version of the code that decides and judges, stored with every decision. It must be raised when a change makes this
 * code decide or judge differently on stored observations.
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
  'count_approval',
  'grant',
  'warn',
  'provision',
  'ensure_endpoint',
  'note_endpoint',
  'leave_instance',
  'next_instance',
  'start_warming',
  'warm',
  'finish_warming',
  'finish_shadow',
  'enter_step',
  'promote',
  'bridge_outage',
  'end_outage',
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
  'freeze',
  'thaw',
  'close_window',
  'open_window',
  'refuse',
] as const;
export type Action = (typeof ACTIONS)[number];

/** The reasons of decisions. They are spelled the same in code, SQL, CLI and tests. */
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
  'serverless_out',
  'serverless_back',
  'criteria_sustained',
  // the operator
  'needs_approval',
  'awaiting_approval',
  'approved',
  'approved_by_policy',
  'already_approved',
  'rejected',
  'proposal_expired',
  'verdict_changed',
  'terms_changed',
  'operator',
  'paused',
  'frozen',
  'closed_window',
  'open_window',
  'held',
  'over_evidence',
  'not_allowed',
  // the endpoint
  'endpoint_missing',
  'endpoint_starting',
  'endpoint_ready',
  'warming_up',
  'warmed',
  'effect_failed',
  'provision_timeout',
  'provision_refused',
  'capacity_exhausted',
  'quota',
  'endpoint_not_ours',
  'endpoint_failed',
  'endpoint_paused',
  'endpoint_absent',
  'endpoint_scaled_to_zero',
  'endpoint_unhealthy',
  'endpoint_forbidden',
  'endpoint_url_refused',
  'endpoint_moved',
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
  'prompts_differ',
  'consecutive_faults',
  'both_unhealthy',
  'stable_unable',
  'capacity',
  'saturated',
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
  // after the promotion, and the end
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
  'withdrawn',
  'nothing_asked',
] as const;
export type Reason = (typeof REASONS)[number];

/** What becomes of a request. `counted`: it is one of several approvals that are needed, and not the last. */
export const RESULTS = ['done', 'counted', 'refused'] as const;
export type Result = (typeof RESULTS)[number];

/**
 * The answer to one observation: what to do, why, and which events happen by it. It leaves no choice to who carries it
 * out.
 */
export interface Decision {
  readonly action: Action;
  readonly reason: Reason;
  /** Absent: nothing is in the way. `decide` sets it. */
  readonly cause?: Cause;
  /** A sentence for people, figures first. */
  readonly detail: string;
  readonly verdict: Verdict | null;
  /** The rollout's events that happen by this decision, in order. */
  readonly events: readonly RolloutEvent[];
  /** Work that begins and runs beside the ticks. */
  readonly effect: EffectName | null;
  /** The outcome of the operator's request in the observation. */
  readonly outcome: {
    readonly requestId: number;
    readonly result: Result;
    readonly message: string;
  } | null;
  /**
   * An event of another rollout: of the promoted one that a way back replaces, its end or a warning or extension of its budget;
   * of the last one, that its abort is lifted.
   */
  readonly replaced?: { readonly rolloutId: string; readonly event: RolloutEvent };
}

/** Everything that happens by a decision about a rollout at `at`, in the order in which it is stored. */
export function happenedBy({ events, replaced }: Decision, rollout: Rollout | null, at: number): Happened[] {
  let rolloutId = rollout?.id ?? '';
  const own = events.map((event) => {
    if (event.type === 'proposed') rolloutId = event.rollout.id;
    return { rolloutId, event, at };
  });
  return replaced === undefined ? own : [...own, { ...replaced, at }];
}

/** Builds a decision. What `rest` does not name is null or empty. */
export function decision(
  action: Action,
  reason: Reason,
  detail: string,
  rest: Partial<Pick<Decision, 'verdict' | 'events' | 'effect' | 'outcome'>> = {},
): Decision {
  return { action, reason, detail, verdict: null, events: [], effect: null, outcome: null, ...rest };
}

/** The decision not to carry out a request. `message` says why. */
export function refuse(request: OperatorRequest, reason: Reason, message: string): Decision {
  const outcome = { requestId: request.id, result: 'refused' as const, message };
  return decision('refuse', reason, `${request.kind} by ${request.by} refused: ${message}`, { outcome });
}

/** The outcome of a request that is carried out. */
export function done(request: OperatorRequest, message: string): Decision['outcome'] {
  return { requestId: request.id, result: 'done', message };
}

/**
 * Ends a rollout without success; all traffic returns to the stable upstream. A proposal ends at once, because it has
 * no endpoint yet. A way back ends at once, because its endpoint continues to serve. Every other rollout first drains,
 * so that its endpoint is paused.
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

/**
 * Begins an effect, unless one of its kind is under way or ended in the last 15 s: readings may not show its result
 * yet.
 */
export function beginEffect(seen: Observation, effect: EffectName, doing: Decision, waiting: Decision): Decision {
  if (seen.effects.includes(effect)) return waiting;
  const last = seen.results[effect];
  if (last !== undefined && seen.now - last.at < AGAIN_AFTER_MS) {
    return last.problem === null ? waiting : decision('wait', 'effect_failed', problemText(last.problem));
  }
  return { ...doing, effect };
}

/** The instance that the endpoint of a rollout runs on, and its largest number of replicas, for people. */
export function endpointText(seen: Observation, { instance }: Pick<Rollout, 'instance'>): string {
  const endpoint = seen.policy.endpoint;
  if (endpoint === null) return 'no endpoint';
  const most = mostReplicas(endpoint, instance);
  const replicas = most > 1 ? `, up to ${most} replicas` : '';
  const { vendor, region, instanceType, instanceSize } = instance;
  const { overflowShare = 0 } = instance;
  const rest =
    overflowShare > 0
      ? `, about ${Math.max(1, Math.round(overflowShare * 100))} % of the calls overflow to serverless`
      : '';
  return `${vendor} ${region} ${instanceType} ${instanceSize}${replicas}${rest}`;
}
