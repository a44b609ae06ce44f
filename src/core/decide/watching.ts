import { demandText, judgeCriteria } from '../criteria/criteria.ts';
import { missingText, nearMissText } from '../criteria/words.ts';
import { alternativesText, caveatsText } from '../rollout/instances.ts';
import type { SaidBy } from '../rollout/rollout.ts';
import { momentText } from '../time.ts';
import { priceText, problemText, spanText } from '../text.ts';
import { budgetText, overBudget } from './budget-proposal.ts';
import { refuseClosed, waitClosed } from './closed.ts';
import { beginEffect, decision, done, endpointText, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import { answerRelease, frozenText, heldBack, refuseFrozen } from './holds.ts';
import type { Observation, OperatorRequest, Survey } from './observation.ts';
import { refuseWithdrawn } from './operator.ts';

const SURVEY_VALID_MS = 600_000;

/**
 * Decides about a route without a rollout: proposes one if the criteria have held long enough and an endpoint is
 * available.
 */
export function decideWatching(seen: Observation): Decision {
  if (seen.request !== null) {
    const { request } = seen;
    return refuseWithdrawn(request) ?? answerWatching(seen, request);
  }
  if (seen.frozen !== undefined) return decision('wait', 'frozen', frozenText(seen.frozen));
  const held = heldBack(seen, 'dedicated');
  if (held !== null) return held;
  const { criteria, endpoint } = seen.policy;
  const { demand } = seen;
  const { holds } = judgeCriteria(demand, criteria);
  const figures = demandText(demand, criteria);
  if (seen.outage !== undefined)
    return decision('wait', 'serverless_out', `${outageText(seen, seen.outage)}; ${figures}`);
  if (!holds || demand.holdsSince === null) return decision('wait', 'criteria_not_met', notMetText(seen, figures));
  const heldMs = seen.now - demand.holdsSince;
  if (heldMs < criteria.sustain) {
    return decision('wait', 'sustaining', `${figures}; held for ${spanText(heldMs)} of ${spanText(criteria.sustain)}`);
  }
  if (endpoint === null) {
    return decision(
      'wait',
      'would_propose_add_endpoint',
      `${figures}; upshift would propose a rollout: add an \`endpoint\` block for ${seen.model}`,
    );
  }
  const cooldown = seen.lastToward === 'serverless' ? seen.policy.back.cooldown : criteria.cooldown;
  if (seen.lastEndedAt !== null && seen.now - seen.lastEndedAt < cooldown) {
    const left = cooldown - (seen.now - seen.lastEndedAt);
    return decision('wait', 'cooldown', `${figures}; nothing is proposed for another ${spanText(left)}`);
  }
  return waitClosed(seen, figures) ?? decideProposing(seen, figures);
}

/** Answers a request about a route without a rollout. */
function answerWatching(seen: Observation, request: OperatorRequest): Decision {
  if (request.kind === 'propose') {
    return refuseFrozen(seen, request) ?? refuseClosed(seen, request) ?? answerPropose(seen, request);
  }
  if (request.rolloutId === null) return answerRelease(seen, request);
  return refuse(request, 'stale_request', `rollout ${request.rolloutId} is over`);
}

/** What is missing by how much, and how near the criteria came. */
function notMetText({ demand, policy: { criteria } }: Observation, figures: string): string {
  const near = demand.near === undefined ? '' : nearMissText(demand.near);
  return [figures, missingText(demand, criteria), near].filter((part) => part !== '').join('; ');
}

/**
 * Answers a person who wants by hand what the criteria would begin. The survey, the price limits and the budgets count as
 * always, and the endpoint is asked about. It waits for the survey, and the request waits with it.
 */
function answerPropose(seen: Observation, request: OperatorRequest): Decision {
  if (seen.policy.endpoint === null) {
    return refuse(request, 'would_propose_add_endpoint', `add an \`endpoint\` block for ${seen.model} to the policy`);
  }
  const { by, reason } = request;
  const outage = seen.outage === undefined ? '' : `; ${outageText(seen, seen.outage)}`;
  const why = `proposed by ${by}${reason === null ? '' : `: ${reason}`}`;
  const figures = `${why}; ${demandText(seen.demand, seen.policy.criteria)}${outage}`;
  const decided = decideProposing(seen, figures, { by, reason });
  if (decided.action === 'propose') {
    return { ...decided, outcome: done(request, `rollout ${seen.next.rolloutId} is proposed${outage}`) };
  }
  return decided.reason === 'survey_missing' ? decided : refuse(request, decided.reason, decided.detail);
}

function outageText({ now, policy }: Observation, { since, until }: NonNullable<Observation['outage']>): string {
  if (until === now) return `not counting: serverless is out since ${momentText(since)}`;
  const again = momentText(until + policy.criteria.window);
  return `not counting until ${again}: serverless was out from ${momentText(since)} to ${momentText(until)}`;
}

/** After the criteria have held long enough: proposes an endpoint, if one is available at an allowed price. */
function decideProposing(seen: Observation, figures: string, proposedBy: SaidBy | null = null): Decision {
  const { endpoint } = seen.policy;
  if (seen.account === 'unchecked') {
    return decision('wait', 'account_unchecked', 'the Hub could not be asked yet whether HF_TOKEN is valid');
  }
  if (seen.account === 'refused') return decision('wait', 'account_refused', 'the Hub refuses HF_TOKEN');
  const { survey } = seen;
  // What the last rollout found out of the instances is not in a survey from before its end.
  const validFrom = Math.max(seen.now - SURVEY_VALID_MS, seen.lastEndedAt ?? 0);
  if (survey === null || survey.at < validFrom) {
    const asking = decision('survey', 'survey_missing', 'reads price, quota and the model');
    return beginEffect(
      seen,
      'survey',
      asking,
      decision('wait', 'survey_missing', 'price, quota and the model are being read'),
    );
  }
  if (survey.problem !== null) {
    return decision('wait', 'not_available', problemText({ message: survey.problem, hint: survey.hint }));
  }
  const { pricePerHourMicros: price, instance } = survey;
  if (price === null || endpoint === null) return decision('wait', 'not_available', 'the price is not known');
  if (instance === null) return decision('wait', 'not_available', 'no instance was chosen');
  if (endpoint.maxPricePerHour !== undefined && price > endpoint.maxPricePerHour * 1_000_000) {
    const limit = priceText(endpoint.maxPricePerHour * 1_000_000);
    return decision('wait', 'too_expensive', `${priceText(price)} exceeds maxPricePerHour ${limit}`);
  }
  const over = overBudget(seen, price);
  if (over !== null) return decision('wait', 'over_budget', over);
  const rollout = {
    id: seen.next.rolloutId,
    model: seen.model,
    policyHash: seen.policyHash,
    toward: 'dedicated' as const,
    createdAt: seen.now,
    endpointName: seen.next.endpointName,
    namespace: endpoint.namespace,
    pricePerHourMicros: price,
    instance,
    ...affordable(survey, seen),
    criteriaSince: seen.demand.holdsSince ?? seen.now,
    ...(proposedBy !== null && { proposedBy }),
  };
  const events = [{ type: 'proposed' as const, rollout }];
  const what = `${endpointText(seen, rollout)} at ${priceText(price)}${alternativesText(rollout)}${budgetText(seen, price)}${caveatsText(rollout)}`;
  const reason = proposedBy === null ? 'criteria_sustained' : 'operator';
  return decision('propose', reason, `${figures}; ${what}`, { events });
}

/** The instances to try next, as far as the policy's price and the budgets allow them. */
function affordable({ alternatives = [] }: Survey, seen: Observation): Pick<Survey, 'alternatives'> {
  const most = (seen.policy.endpoint?.maxPricePerHour ?? Number.POSITIVE_INFINITY) * 1_000_000;
  const allowed = alternatives.filter(
    ({ pricePerHourMicros: price }) => price <= most && overBudget(seen, price) === null,
  );
  return allowed.length === 0 ? {} : { alternatives: allowed };
}
