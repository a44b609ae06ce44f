import type { Question } from '../policy/approvals.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import { askText } from '../rollout/ask.ts';
import type { Ask } from '../rollout/ask.ts';
import { decision, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation, OperatorRequest } from './observation.ts';

type Approvals = Pick<RoutePolicy, 'approvals' | 'steps'>;

/** How many people must approve what is asked. */
export function approvalsNeeded({ about = 'step', step }: Pick<Ask, 'about' | 'step'>, policy: Approvals): number {
  const last: Question = step > policy.steps.length ? 'promote' : 'step';
  return policy.approvals[about !== 'step' ? about : step === 0 ? 'provision' : last];
}

/** Who has approved what is asked, for people: `1 of 2 approvals: ann@desk`. Null if one approval is enough. */
export function approvalsText(ask: Ask, policy: Approvals): string | null {
  const needed = approvalsNeeded(ask, policy);
  return needed === 1 ? null : countText(ask, needed);
}

/**
 * What an approval does if several people must approve: the last one is carried out (`full`), one before it is counted, and
 * nobody is counted twice. One that could not be carried out now is refused as it would be if it were the last.
 */
export function countApproval(ask: Ask, seen: Observation, request: OperatorRequest, full: Decision): Decision {
  const { approvals = [], about, step } = ask;
  const needed = approvalsNeeded(ask, seen.policy);
  if (approvals.some(({ uid }) => uid === request.uid)) {
    return refuse(request, 'already_approved', `you have already approved it; ${moreText(needed - approvals.length)}`);
  }
  const { uid, by, reason } = request;
  const counted = [...approvals, { uid, by }];
  if (counted.length >= needed || full.outcome?.result !== 'done') return full;
  const message = `${countText({ approvals: counted }, needed)}; ${moreText(needed - counted.length)}`;
  const because = reason === null ? '' : `: ${reason}`;
  return decision('count_approval', 'needs_approval', `${askText(ask)} approved by ${by}${because}; ${message}`, {
    events: [{ type: 'approval_added', ...(about !== undefined && { about }), step, uid, by, reason }],
    outcome: { requestId: request.id, result: 'counted', message },
  });
}

function countText({ approvals = [] }: Pick<Ask, 'approvals'>, needed: number): string {
  const names = approvals.map(({ by }) => by).join(', ');
  return `${approvals.length} of ${needed} approvals${names === '' ? '' : `: ${names}`}`;
}

function moreText(more: number): string {
  return more === 1 ? 'one more person is needed' : `${more} more people are needed`;
}
