import { throughOf } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { approvalsNeeded } from './approvals.ts';
import { budgetRollback } from './budget-guard.ts';
import { capacityHold, OPEN_SLACK, saturatedHold } from './capacity-hold.ts';
import { isBound, refuseClosed } from './closed.ts';
import { done, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation, OperatorRequest } from './observation.ts';
import { decideRollback, oddReading, stepVerdict } from './rollback.ts';
import { outSince } from './serverless-unable.ts';
import { advance, serverlessHold } from './stepping.ts';

/**
 * Answers a person who wants the next step to be entered although its evidence is missing or no pass. What would end the
 * rollout, what the budgets forbid and what the endpoint cannot carry still count: a person cannot overrule them.
 */
export function answerOverEvidence(rollout: Rollout, seen: Observation, request: OperatorRequest): Decision {
  const isStopped = rollout.phase === 'stepping' || rollout.phase === 'holding';
  const next = isStopped ? rollout.step + 1 : null;
  if (!isStopped || next === null) {
    return refuse(
      request,
      'nothing_asked',
      `rollout ${rollout.id} is ${rollout.phase}: it has no step whose evidence could be overruled`,
    );
  }
  if (request.step !== next) {
    return refuse(request, 'stale_request', `the next step is ${next}, not ${request.step ?? 'named'}`);
  }
  if (!seen.policy.overEvidence) {
    return refuse(request, 'not_allowed', 'the policy of this rollout forbids it (overEvidence: false)');
  }
  const needed = approvalsNeeded({ step: next }, seen.policy);
  if (needed > 1) {
    return refuse(
      request,
      'not_allowed',
      `${needed} people must approve this step, and one person cannot overrule that`,
    );
  }
  if (rollout.isPaused) return refuse(request, 'paused', 'the rollout is paused; resume it first');
  const closed = isBound(rollout, {}, seen) ? refuseClosed(seen, request) : null;
  if (closed !== null) return closed;
  const forbidden = hardLimit(rollout, seen);
  if (forbidden !== null) return refuse(request, ...forbidden);
  const isHeldByPrompts = rollout.step === 0 && seen.verdict?.cause === 'promptTokens';
  const verdict = isHeldByPrompts ? seen.verdict : stepVerdict(rollout, seen);
  const evidence = verdict === null ? 'nothing has been judged yet' : verdict.summary;
  const because = request.reason === null ? '' : `: ${request.reason}`;
  const detail = `step ${next} entered over the evidence by ${request.by}${because}; the evidence: ${evidence}`;
  const approved = { type: 'approved' as const, step: next, by: request.by, reason: request.reason };
  const entered = advance(rollout, seen, 'over_evidence', detail, verdict);
  const events = [{ ...approved, overEvidence: true as const }, ...entered.events];
  return { ...entered, events, outcome: done(request, detail) };
}

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/** What holds whatever a person says; null if nothing does. */
function hardLimit(rollout: Stopped, seen: Observation): [Decision['reason'], string] | null {
  const rollback = rollout.toward === 'dedicated' ? decideRollback(rollout, seen) : null;
  const over = rollback ?? budgetRollback(rollout, seen);
  if (over !== null) return [over.reason, over.detail];
  const verdict = stepVerdict(rollout, seen);
  if (verdict?.status === 'fail') return ['verdict_fail', verdict.summary];
  if (outSince(seen) !== null || throughOf(rollout) !== null)
    return ['serverless_out', 'serverless is out: no step is entered meanwhile'];
  const cannot = serverlessHold(rollout, seen);
  if (cannot !== null) return [cannot.reason, cannot.detail];
  if (rollout.toward === 'serverless') return null;
  const full = capacityHold(rollout, seen, OPEN_SLACK);
  if (full !== null) return ['capacity', full];
  const small = saturatedHold(rollout, seen, OPEN_SLACK);
  return small === null ? oddReading(rollout, seen) : ['saturated', small];
}
