import { judgeCriteria } from './criteria.ts';
import type { Decision } from './decision.ts';
import { beginEffect, decision, endpointText, leave, priceText, problemText, refuse, spanText } from './decision.ts';
import type { Observation } from './observation.ts';
import { answerRequest } from './operator.ts';
import type { Rollout } from './rollout.ts';
import { isLive } from './rollout.ts';
import { decidePromoted, decideRetreat, decideShadowing, decideStopped } from './stepping.ts';

const SURVEY_VALID_MS = 600_000;
/**
 * A creation whose answer was lost may still be carried out: absence is believed only so long after the last attempt,
 * and after so many looks of this process.
 */
const SURE_ABSENT_MS = 120_000;
const SURE_ABSENT_LOOKS = 24;

/**
 * What to do about one route, and why. Pure: the same rollout and observation give the same decision, whenever and
 * wherever it is run again. At most one step is taken; doing nothing is a decision with a reason.
 */
export function decide(rollout: Rollout | null, seen: Observation): Decision {
  if (rollout === null) return decideWatching(seen);
  const urgent = decideUrgent(rollout, seen);
  if (urgent !== null) return urgent;
  const answer = seen.request === null ? null : answerRequest(rollout, seen, seen.request);
  if (answer !== null) return answer;
  switch (rollout.phase) {
    case 'proposed':
      return decideProposed(rollout, seen);
    case 'provisioning':
      return decideProvisioning(rollout, seen);
    case 'warming':
      return decideWarming(rollout, seen);
    case 'shadowing':
      return decideShadowing(rollout, seen);
    case 'stepping':
    case 'holding':
      return decideStopped(rollout, seen);
    case 'promoted':
      return decidePromoted(rollout, seen);
    case 'draining':
      return decideDraining(rollout, seen);
    case 'aborted':
    case 'failed':
      return decision('wait', 'drained', `rollout ${rollout.id} is over: ${rollout.reason}`);
  }
}

/** Going back waits for no person's question: that one is answered afterwards. An abort goes back by itself. */
function decideUrgent(rollout: Rollout, seen: Observation): Decision | null {
  const { request } = seen;
  if (request === null || (request.kind === 'abort' && request.rolloutId === rollout.id)) return null;
  if (!isLive(rollout)) return null;
  const retreat = decideRetreat(rollout, seen);
  return retreat?.action === 'abort' ? retreat : null;
}

type In<P extends Rollout['phase']> = Extract<Rollout, { phase: P }>;

function decideWatching(seen: Observation): Decision {
  if (seen.request !== null) {
    return refuse(seen.request, 'stale_request', `rollout ${seen.request.rolloutId} is over`);
  }
  const { criteria, endpoint } = seen.policy;
  const { demand } = seen;
  const { holds } = judgeCriteria(demand, criteria);
  const told = `${demand.calls} calls, ${demand.agents} agents, ${(demand.refusedShare * 100).toFixed(1)} % refused in ${spanText(criteria.window)}`;
  if (!holds || demand.holdsSince === null) return decision('wait', 'criteria_not_met', told);
  const held = seen.now - demand.holdsSince;
  if (held < criteria.sustain) {
    return decision('wait', 'sustaining', `${told}; held for ${spanText(held)} of ${spanText(criteria.sustain)}`);
  }
  if (endpoint === null) {
    return decision(
      'wait',
      'would_propose_add_endpoint',
      `${told}; would propose: add an \`endpoint\` block for ${seen.model}`,
    );
  }
  if (seen.lastEndedAt !== null && seen.now - seen.lastEndedAt < criteria.cooldown) {
    const left = criteria.cooldown - (seen.now - seen.lastEndedAt);
    return decision('wait', 'cooldown', `${told}; cooling down for another ${spanText(left)}`);
  }
  return decideProposing(seen, told);
}

/** The criteria have held long enough: is there something that can be proposed, at a price that is allowed? */
function decideProposing(seen: Observation, told: string): Decision {
  const { endpoint } = seen.policy;
  if (seen.account === 'unchecked') {
    return decision('wait', 'account_unchecked', 'the Hub could not be asked yet whose token this is');
  }
  if (seen.account === 'refused') return decision('wait', 'account_refused', 'the Hub refuses HF_TOKEN');
  const { survey } = seen;
  if (survey === null || seen.now - survey.at > SURVEY_VALID_MS) {
    const asking = decision('survey', 'survey_missing', 'asks for price, quota and the model');
    return beginEffect(
      seen,
      'survey',
      asking,
      decision('wait', 'survey_missing', 'price, quota and model are being read'),
    );
  }
  if (survey.problem !== null) {
    return decision('wait', 'not_available', problemText({ message: survey.problem, hint: survey.hint }));
  }
  const price = survey.pricePerHourMicros;
  if (price === null || endpoint === null) return decision('wait', 'not_available', 'the price is not known');
  if (endpoint.maxPricePerHour !== undefined && price > endpoint.maxPricePerHour * 1_000_000) {
    const limit = priceText(endpoint.maxPricePerHour * 1_000_000);
    return decision('wait', 'too_expensive', `${priceText(price)} exceeds maxPricePerHour ${limit}`);
  }
  const rollout = {
    id: seen.next.rolloutId,
    model: seen.model,
    policyHash: seen.policyHash,
    toward: 'dedicated' as const,
    createdAt: seen.now,
    endpointName: seen.next.endpointName,
    namespace: endpoint.namespace,
    pricePerHourMicros: price,
    ...(survey.instance == null ? {} : { instance: survey.instance }),
    criteriaSince: seen.demand.holdsSince ?? seen.now,
  };
  const events = [{ type: 'proposed' as const, rollout }];
  return decision('propose', 'criteria_sustained', `${told}; ${endpointText(seen, rollout)} at ${priceText(price)}`, {
    events,
  });
}

function decideProposed(rollout: In<'proposed'>, seen: Observation): Decision {
  if (seen.policy.approval === 'automatic' && !rollout.isPaused) {
    const events = [
      { type: 'approved' as const, step: 0, by: 'policy', reason: null },
      { type: 'provisioning_started' as const },
    ];
    return decision(
      'provision',
      'approved_by_policy',
      `${endpointText(seen, rollout)} at ${priceText(rollout.pricePerHourMicros)}`,
      {
        events,
      },
    );
  }
  if (seen.now - rollout.since > seen.policy.limits.proposalOpen) {
    return leave(
      rollout,
      'aborted',
      'proposal_expired',
      `nobody answered in ${spanText(seen.policy.limits.proposalOpen)}`,
    );
  }
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator');
  const what = `create ${endpointText(seen, rollout)} at ${priceText(rollout.pricePerHourMicros)}`;
  if (rollout.ask === null) {
    return decision('ask', 'needs_approval', what, { events: [{ type: 'asked', step: 0, verdict: null }] });
  }
  return decision('wait', 'awaiting_approval', what);
}

function decideProvisioning(rollout: In<'provisioning'>, seen: Observation): Decision {
  const { endpoint } = seen;
  const bad = badState(rollout, seen);
  if (bad !== null) return bad;
  if (endpoint?.state === 'running' && endpoint.url !== null && endpoint.isHealthy && !rollout.isPaused) {
    const events = [{ type: 'endpoint_ready' as const, url: endpoint.url }];
    return decision('start_warming', 'endpoint_ready', `${rollout.endpointName} is running and healthy`, { events });
  }
  const late = provisionTimeout(rollout, seen);
  if (late !== null) return late;
  const refused = refusalOf(seen);
  if (refused !== null) {
    return leave(rollout, 'failed', 'provision_refused', refused.message, refused.hint);
  }
  const exists = endpoint !== null && endpoint.state !== 'absent';
  if (exists && !rollout.isMade) {
    const events = [{ type: 'endpoint_made' as const, state: endpoint.state }];
    return decision('note_endpoint', 'endpoint_starting', `${rollout.endpointName} is ${endpoint.state}`, { events });
  }
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator');
  if (!exists) {
    const creating = decision('ensure_endpoint', 'endpoint_missing', `creates or adopts ${rollout.endpointName}`);
    const waiting = decision('wait', 'endpoint_missing', `${rollout.endpointName} is being created`);
    return beginEffect(seen, 'ensure', creating, waiting);
  }
  const health = endpoint.state === 'running' ? ', its health route does not answer 200 yet' : '';
  return decision('wait', 'endpoint_starting', `${rollout.endpointName} is ${endpoint.state}${health}`);
}

/** Why Hugging Face would not create the endpoint; null where it was not asked, did, or may have. */
function refusalOf(seen: Observation): { readonly message: string; readonly hint: string | null } | null {
  const problem = seen.results.ensure?.problem ?? null;
  const mayPass = problem?.code === 'unavailable' || problem?.code === 'timeout' || problem?.code === 'internal';
  return mayPass ? null : problem;
}

function decideWarming(rollout: In<'warming'>, seen: Observation): Decision {
  const stop = badState(rollout, seen) ?? provisionTimeout(rollout, seen);
  if (stop !== null) return stop;
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator');
  const result = seen.results.warm;
  if (result?.warmed !== undefined && result.at >= rollout.since) {
    const next = seen.policy.shadow.share > 0 ? ('shadowing' as const) : ('stepping' as const);
    const events = [{ type: 'warmed' as const, ...result.warmed, next }];
    return decision('finish_warming', 'warmed', `answers ${result.warmed.endpoint.shapes.join(', ')}`, { events });
  }
  const warming = decision('warm', 'warming_up', 'warm-up calls through the inference client');
  return beginEffect(seen, 'warm', warming, decision('wait', 'warming_up', 'warm-up calls are under way'));
}

function provisionTimeout(rollout: In<'provisioning' | 'warming'>, seen: Observation): Decision | null {
  const limit = seen.policy.limits.provisionWithin;
  if (seen.now - rollout.startedAt <= limit) return null;
  const last = seen.results.warm?.problem ?? seen.results.ensure?.problem ?? null;
  const message = `not ready within ${spanText(limit)}${last === null ? '' : `; last problem: ${last.message}`}`;
  return leave(
    rollout,
    'failed',
    'provision_timeout',
    message,
    last?.hint ?? 'raise limits.provisionWithin or choose another instance',
  );
}

/** An endpoint that came up and then cannot serve, whoever did it. */
function badState(rollout: In<'provisioning' | 'warming'>, seen: Observation): Decision | null {
  const { endpoint } = seen;
  if (endpoint === null || endpoint.at < rollout.startedAt) return null;
  if (!endpoint.isOurs) {
    const hint = 'it is left alone; rename or delete it, or wait for the next proposal, which has another name';
    return leave(
      rollout,
      'failed',
      'endpoint_not_ours',
      `${rollout.endpointName} exists, but upshift did not make it`,
      hint,
    );
  }
  if (endpoint.state === 'failed' || endpoint.state === 'updateFailed') {
    const hint = 'see its logs at Hugging Face; too little memory or capacity is the usual cause';
    return leave(rollout, 'failed', 'endpoint_failed', endpoint.message ?? 'the endpoint failed', hint);
  }
  if (endpoint.state === 'paused') {
    return leave(rollout, 'failed', 'endpoint_paused', 'the endpoint was paused while it was being prepared');
  }
  if (endpoint.state === 'absent' && (rollout.phase === 'warming' || rollout.isMade)) {
    return leave(rollout, 'failed', 'endpoint_absent', 'the endpoint was deleted while it was being prepared');
  }
  return null;
}

/** Traffic has gone back: let running calls end, then see to it that the endpoint costs nothing, then close the book. */
function decideDraining(rollout: In<'draining'>, seen: Observation): Decision {
  if (!seen.isDrained) return decision('wait', 'draining', 'calls on the endpoint are ending');
  const ended = { type: 'ended' as const, outcome: rollout.outcome, reason: rollout.reason, hint: rollout.hint };
  const end = (detail: string) => decision('end', 'drained', detail, { events: [ended] });
  const { endpoint } = seen;
  const isFresh = endpoint !== null && endpoint.at >= rollout.since && seen.effects.length === 0;
  if (isFresh && endpoint.state === 'paused') return end(`${rollout.endpointName} is paused`);
  if (isFresh && !endpoint.isOurs) return end(`${rollout.endpointName} is not ours and is left alone`);
  if (isFresh && endpoint.state === 'absent' && refusalOf(seen) !== null)
    return end(`${rollout.endpointName} was never created`);
  const tried = Math.max(rollout.since, seen.results.ensure?.at ?? 0);
  if (
    isFresh &&
    endpoint.state === 'absent' &&
    endpoint.badLooks >= SURE_ABSENT_LOOKS &&
    seen.now - tried >= SURE_ABSENT_MS
  ) {
    return end(`${rollout.endpointName} does not exist`);
  }
  const refused = seen.results.pause?.problem;
  if (isFresh && endpoint.state === 'failed' && refused && refused.code === 'invalid') {
    return end(`${rollout.endpointName} has failed and cannot be paused: ${refused.message}`);
  }
  const waiting = decision('wait', 'traffic_first', `${rollout.endpointName} is being paused`);
  if (isFresh && endpoint.state === 'absent') return waiting;
  const pausing = decision(
    'pause_endpoint',
    'traffic_first',
    `pauses ${rollout.endpointName}: no traffic is left on it`,
  );
  return beginEffect(seen, 'pause', pausing, waiting);
}

/** Decides a stored observation again, offline. The text must equal what was stored. */
export function decideAgain(input: string): string {
  const { rollout, observation } = JSON.parse(input) as { rollout: Rollout | null; observation: Observation };
  return JSON.stringify(decide(rollout, observation));
}
