import type { Cause } from '../cause.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { RolloutEvent } from '../rollout/event.ts';
import type { Decision, Reason } from './decision.ts';

/** The cause of each reason; null if nothing is in the way. Of `verdict_fail`, the metric that failed says more. */
const CAUSE_OF: Readonly<Record<Reason, Cause | null>> = {
  criteria_not_met: 'demand',
  sustaining: 'demand',
  cooldown: 'cooldown',
  would_propose_add_endpoint: 'policy',
  account_unchecked: 'account',
  account_refused: 'account',
  survey_missing: 'in_progress',
  not_available: 'not_available',
  too_expensive: 'price',
  over_budget: 'budget',
  serverless_out: 'serverless_out',
  serverless_back: null,
  criteria_sustained: null,
  needs_approval: 'approval',
  awaiting_approval: 'approval',
  approved: null,
  approved_by_policy: null,
  already_approved: 'request',
  rejected: 'operator',
  proposal_expired: 'expired',
  verdict_changed: 'evidence',
  terms_changed: 'evidence',
  operator: 'operator',
  paused: 'operator',
  frozen: 'frozen',
  closed_window: 'closed_window',
  open_window: null,
  held: 'operator',
  over_evidence: null,
  not_allowed: 'policy',
  endpoint_missing: 'in_progress',
  endpoint_starting: 'in_progress',
  endpoint_ready: null,
  warming_up: 'in_progress',
  warmed: null,
  effect_failed: 'effect_failed',
  provision_timeout: 'overdue',
  provision_refused: 'refused',
  capacity_exhausted: 'capacity_exhausted',
  quota: 'quota',
  endpoint_not_ours: 'not_ours',
  endpoint_failed: 'endpoint_lost',
  endpoint_paused: 'endpoint_lost',
  endpoint_absent: 'endpoint_lost',
  endpoint_scaled_to_zero: 'endpoint_lost',
  endpoint_unhealthy: 'endpoint_unreachable',
  endpoint_forbidden: 'token_scope',
  endpoint_url_refused: 'address',
  endpoint_moved: 'address',
  endpoint_in_use: null,
  endpoint_idle: 'idle',
  endpoint_orphaned: 'unused',
  endpoint_unknown: 'unused',
  baking: 'in_progress',
  gathering: 'no_data',
  shadowing: 'in_progress',
  verdict_fail: 'quality',
  unhealthy: 'measurement',
  prompts_differ: 'answers_differ',
  consecutive_faults: 'faults',
  both_unhealthy: 'both_sides',
  stable_unable: 'serverless_unable',
  capacity: 'saturated',
  saturated: 'saturated',
  step_overdue: 'overdue',
  rollout_overdue: 'overdue',
  budget_low: 'budget',
  budget_nearly_used: 'budget',
  budget_renewed: null,
  traffic_low: 'unneeded',
  slo_missed: 'slo',
  serverless_cannot: 'serverless_unable',
  learning: 'in_progress',
  promoted: null,
  concurrency_changed: null,
  serverless_full: 'serverless_unable',
  leaving: 'in_progress',
  rescaling: 'in_progress',
  rescaled: null,
  change_refused: 'refused',
  idle: 'idle',
  asleep: 'idle',
  demand_returned: null,
  waking: 'in_progress',
  awake: null,
  detour_overdue: 'overdue',
  draining: 'in_progress',
  traffic_first: 'in_progress',
  drained: null,
  stale_request: 'request',
  withdrawn: 'request',
  nothing_asked: 'request',
};

const OF_METRIC: Readonly<Record<NonNullable<Verdict['cause']>, Cause>> = {
  faults: 'faults',
  speed: 'speed',
  firstToken: 'speed',
  perToken: 'speed',
  tail: 'speed',
  length: 'quality',
  empty: 'quality',
  tools: 'answers_differ',
  format: 'answers_differ',
  finish: 'answers_differ',
  leak: 'answers_differ',
  reasoning: 'answers_differ',
  promptTokens: 'answers_differ',
  agreement: 'answers_differ',
  split: 'measurement',
  rejections: 'measurement',
};

/** The cause of a reason, by the verdict where that decided; null if nothing is in the way. */
export function causeOf(reason: Reason, verdict: Verdict | null): Cause | null {
  const isJudged = reason === 'verdict_fail' && verdict?.cause != null;
  return isJudged ? OF_METRIC[verdict.cause] : CAUSE_OF[reason];
}

/** A decision with its cause, which is also that of a rollout that ends by it. */
export function withCause(decided: Decision): Decision {
  const cause = causeOf(decided.reason, decided.verdict);
  if (cause === null) return decided;
  return { ...decided, cause, events: decided.events.map((event) => endedBy(event, cause)) };
}

function endedBy(event: RolloutEvent, cause: Cause): RolloutEvent {
  const isEnd = event.type === 'draining' || event.type === 'ended';
  return isEnd && event.cause === undefined ? { ...event, cause } : event;
}
