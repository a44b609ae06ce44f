import type { Verdict } from '../judge/verdict.ts';
import { askText, isAbout } from '../rollout/ask.ts';
import type { Ask } from '../rollout/ask.ts';
import type { RolloutEvent } from '../rollout/event.ts';
import { alternativesText } from '../rollout/instances.ts';
import { isOver } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { priceText } from '../text.ts';
import { countApproval } from './approvals.ts';
import { askedTermsChanged, openTooLong } from './asking.ts';
import { budgetRollback, extendBudget } from './budget-guard.ts';
import { overBudget } from './budget-proposal.ts';
import { capacityHold, OPEN_SLACK, saturatedHold } from './capacity-hold.ts';
import { isBound, refuseClosed } from './closed.ts';
import { decision, done, leave, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import { changedText, evidenceOf } from './evidence.ts';
import { answerRelease, refuseFrozen } from './holds.ts';
import { leaveEndpoint } from './lost-endpoint.ts';
import type { Observation, OperatorRequest } from './observation.ts';
import { answerThrough } from './outage.ts';
import { answerOverEvidence } from './over-evidence.ts';
import { decideRollback, oddReading, stepVerdict } from './rollback.ts';
import { advance, serverlessHold } from './stepping.ts';

/** Answers an operator's request: it is carried out or refused. */
export function answerRequest(rollout: Rollout, seen: Observation, request: OperatorRequest): Decision {
  const withdrawn = refuseWithdrawn(request);
  if (withdrawn !== null) return withdrawn;
  if (request.rolloutId === null && request.kind === 'resume') return answerRelease(seen, request);
  if (request.rolloutId !== null && request.rolloutId !== rollout.id) {
    const isReplaced = request.rolloutId === rollout.wayBack?.replaces;
    const why = isReplaced ? 'is being replaced by a way back' : 'is over';
    return refuse(request, 'stale_request', `rollout ${request.rolloutId} ${why}; ${rollout.id} is the active one`);
  }
  switch (request.kind) {
    case 'abort':
      return answerAbort(rollout, seen, request);
    case 'pause':
    case 'resume':
      return answerPause(rollout, request);
    case 'through_outage':
      return refuseFrozen(seen, request) ?? answerThrough(rollout, seen, request);
    case 'over_evidence':
      return refuseFrozen(seen, request) ?? answerOverEvidence(rollout, seen, request);
    case 'propose':
      return refuse(request, 'stale_request', `rollout ${rollout.id} is active: nothing can be proposed beside it`);
    case 'approve':
    case 'reject':
      return answerAsk(rollout, seen, request);
  }
}

/** Refuses a request that a later one takes back; null if none does. */
export function refuseWithdrawn(request: OperatorRequest): Decision | null {
  const { withdrawnBy } = request;
  if (withdrawnBy === undefined) return null;
  return refuse(request, 'withdrawn', `withdrawn by a later word: ${withdrawnBy.kind} by ${withdrawnBy.by}`);
}

function answerAbort(rollout: Rollout, seen: Observation, request: OperatorRequest): Decision {
  if (rollout.phase === 'draining' || isOver(rollout.phase)) {
    return refuse(request, 'stale_request', `rollout ${rollout.id} is already ${rollout.phase}`);
  }
  const lost = endpointLost(rollout, seen);
  if (lost !== null) return refuse(request, lost.reason, lost.detail);
  const detail = `aborted by ${request.by}${request.reason === null ? '' : `: ${request.reason}`}`;
  const left = leave(rollout, 'aborted', 'operator', detail);
  const { by, reason } = request;
  const events = left.events.map((event) =>
    event.type === 'draining' || event.type === 'ended' ? { ...event, by: { by, reason } } : event,
  );
  const where = rollout.toward === 'serverless' ? 'the endpoint' : 'serverless';
  const again = `nothing is proposed again before: npx upshift resume --model ${rollout.model}`;
  return { ...left, events, outcome: done(request, `all traffic is back on ${where}; ${again}`) };
}

/** Why no traffic can return to the endpoint of a way back; null if it can, or if the rollout is not a way back. */
function endpointLost(rollout: Rollout, seen: Observation): Decision | null {
  return rollout.toward === 'serverless' ? leaveEndpoint(rollout, seen) : null;
}

function answerPause(rollout: Rollout, request: OperatorRequest): Decision {
  const wantsPause = request.kind === 'pause';
  if (rollout.phase === 'draining' || isOver(rollout.phase)) {
    return refuse(request, 'stale_request', `rollout ${rollout.id} is already ${rollout.phase}`);
  }
  if (rollout.isPaused === wantsPause) {
    return refuse(request, 'stale_request', `rollout ${rollout.id} is ${wantsPause ? 'already' : 'not'} paused`);
  }
  const type = wantsPause ? 'paused' : 'resumed';
  return decision(request.kind as 'pause' | 'resume', 'operator', `${type} by ${request.by}`, {
    events: [{ type, by: request.by, reason: request.reason }],
    outcome: done(request, wantsPause ? 'paused: weights stay as they are' : 'resumed'),
  });
}

function answerAsk(rollout: Rollout, seen: Observation, request: OperatorRequest): Decision {
  const { ask } = rollout;
  if (ask === null) {
    const why =
      seen.policy.approval === 'automatic' ? 'the policy approves automatically' : 'nothing is waiting for approval';
    return refuse(request, 'nothing_asked', why);
  }
  if (request.askId !== seen.openAskId || (request.step !== null && !isAboutStep(ask, request.step))) {
    return refuse(request, 'stale_request', `it answers an older question; the open one is about ${askText(ask)}`);
  }
  const answer = answerOpen(rollout, seen, ask, request);
  if (request.kind === 'reject') return answer;
  const changed = answer.outcome?.result === 'done' ? askedTermsChanged(rollout, seen) : null;
  if (isAbout(ask, 'step') && changed !== null) return refuse(request, 'terms_changed', changed);
  const closed = isBound(rollout, ask, seen) ? refuseClosed(seen, request) : null;
  return refuseFrozen(seen, request) ?? closed ?? countApproval(ask, seen, request, answer);
}

/** Answers the open question, as one person may. */
function answerOpen(rollout: Rollout, seen: Observation, ask: Ask, request: OperatorRequest): Decision {
  if (!isAbout(ask, 'step')) return answerAside(rollout, seen, ask, request);
  const lost = endpointLost(rollout, seen);
  if (lost !== null) return refuse(request, lost.reason, lost.detail);
  const because = request.reason === null ? '' : `: ${request.reason}`;
  if (request.kind === 'reject') {
    const left = leave(rollout, 'aborted', 'rejected', `step ${ask.step} rejected by ${request.by}${because}`);
    const result = rollout.toward === 'serverless' ? 'the endpoint keeps its calls' : 'the rollout ends';
    return { ...left, outcome: done(request, `rejected: ${result}`) };
  }
  const open = openTooLong(rollout, seen);
  if (open !== null) {
    const over = `the proposal was open for ${open}, and its figures are old; while the criteria hold there is a new one`;
    return refuse(request, 'proposal_expired', over);
  }
  if (rollout.isPaused) return refuse(request, 'paused', 'the rollout is paused; resume it first');
  const approved = { type: 'approved' as const, step: ask.step, by: request.by, reason: request.reason };
  const detail = `step ${ask.step} approved by ${request.by}${because}`;
  if (rollout.toward === 'serverless') return approveBack(rollout, seen, { ask, request, approved, detail });
  if (rollout.phase === 'proposed') {
    const over = overBudget(seen, rollout.pricePerHourMicros);
    if (over !== null) return refuse(request, 'over_budget', over);
    return decision(
      'provision',
      'approved',
      `${detail}, at ${priceText(rollout.pricePerHourMicros)}${alternativesText(rollout)}`,
      {
        events: [approved, { type: 'provisioning_started' }],
        outcome: done(request, `the endpoint ${rollout.endpointName} is being created`),
      },
    );
  }
  if (rollout.phase !== 'stepping' && rollout.phase !== 'holding') {
    return refuse(request, 'nothing_asked', 'nothing is waiting for approval');
  }
  const rollback = decideRollback(rollout, seen) ?? budgetRollback(rollout, seen);
  if (rollback !== null) return refuse(request, rollback.reason, rollback.detail);
  const evidence = evidenceOf(rollout, seen);
  const { verdict } = evidence;
  if (rollout.step > 0 && verdict?.status !== 'pass') {
    return refuse(request, 'verdict_changed', notPassed(verdict));
  }
  const changed = changedText(ask, evidence);
  if (changed !== null) return refuse(request, 'verdict_changed', changed);
  const odd = oddReading(rollout, seen);
  if (odd !== null) return refuse(request, ...odd);
  const full = capacityHold(rollout, seen, OPEN_SLACK);
  if (full !== null) return refuse(request, 'capacity', full);
  const small = saturatedHold(rollout, seen, OPEN_SLACK);
  if (small !== null) return refuse(request, 'saturated', small);
  const next = advance(rollout, seen, 'approved', detail, verdict);
  return { ...next, events: [approved, ...next.events], outcome: done(request, next.detail) };
}

function isAboutStep(ask: Ask, step: number): boolean {
  return isAbout(ask, 'step') && ask.step === step;
}

/** Answers a question about the budget or the scaling. An approval grants it; a rejection changes nothing. */
function answerAside(rollout: Rollout, seen: Observation, ask: Ask, request: OperatorRequest): Decision {
  const because = request.reason === null ? '' : `: ${request.reason}`;
  const { about = 'step', step } = ask;
  if (request.kind === 'reject') {
    const detail = `${askText(ask)}: rejected by ${request.by}${because}`;
    const events = [{ type: 'ask_withdrawn' as const, about, step, reason: detail }];
    return decision('withdraw_ask', 'rejected', detail, {
      events,
      outcome: done(request, 'rejected: nothing changes'),
    });
  }
  const approved = { type: 'approved' as const, about, step, by: request.by, reason: request.reason };
  const detail = `${askText(ask)}: approved by ${request.by}${because}`;
  if (about === 'budget') {
    const more = extendBudget(rollout, seen);
    if (more === null) return refuse(request, 'stale_request', 'the day of this budget is over');
    const events = [approved, more.event];
    return decision('grant', 'approved', `${detail}; ${more.text}`, { events, outcome: done(request, more.text) });
  }
  return decision('grant', 'approved', detail, {
    events: [approved],
    outcome: done(request, `approved for ${rollout.id}`),
  });
}

/**
 * Answers an approval of a way back's step. Serverless must be able to take the calls; the first step needs no verdict.
 */
function approveBack(
  rollout: Rollout,
  seen: Observation,
  given: {
    readonly ask: Ask;
    readonly request: OperatorRequest;
    readonly approved: RolloutEvent;
    readonly detail: string;
  },
): Decision {
  const { ask, request, approved, detail } = given;
  if (rollout.phase !== 'proposed' && rollout.phase !== 'stepping' && rollout.phase !== 'holding') {
    return refuse(request, 'nothing_asked', 'nothing is waiting for approval');
  }
  const hold = serverlessHold(rollout, seen);
  if (hold !== null) return refuse(request, hold.reason, hold.detail);
  const verdict = rollout.phase === 'proposed' ? null : stepVerdict(rollout, seen);
  if (rollout.phase !== 'proposed' && verdict?.status !== 'pass')
    return refuse(request, 'verdict_changed', notPassed(verdict));
  const changed = rollout.phase === 'proposed' ? null : changedText(ask, { verdict, shadow: null });
  if (changed !== null) return refuse(request, 'verdict_changed', changed);
  const next = advance(rollout, seen, 'approved', detail, verdict);
  return { ...next, events: [approved, ...next.events], outcome: done(request, next.detail) };
}

function notPassed(verdict: Verdict | null): string {
  return `the verdict is not a pass: ${verdict === null ? 'nothing has been judged yet' : verdict.summary}`;
}
