import type { Clock } from '../../core/clock.ts';
import type { Survey } from '../../core/decide/observation.ts';
import { AppError } from '../../core/errors.ts';
import type { BudgetPolicy } from '../../core/policy/budget.ts';
import type { EndpointPolicy } from '../../core/policy/endpoint.ts';
import type { BusiestDemand } from '../../core/sizing/busiest-demand.ts';
import { hasTools } from '../../core/route.ts';
import { isNamed } from '../../core/sizing/candidate.ts';
import type { Candidate, InstancesTried, Wanted } from '../../core/sizing/candidate.ts';
import { alternativesTo, chooseOffer, pin } from '../../core/sizing/choice.ts';
import type { Choice } from '../../core/sizing/choice.ts';
import { offerText } from '../../core/sizing/offer.ts';
import type { Offer } from '../../core/sizing/offer.ts';
import type { LoadCurve } from '../../core/usage/load-curve.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import type { HubClient } from '../../huggingface/hub/hub.ts';
import { whyNotListed } from '../../huggingface/management/quote.ts';
import type { RouteWatch } from '../route/watch.ts';

/** What the ledger knows of a model: its recent demand, and what became of instances. */
export interface Experience extends InstancesTried {
  readonly demand: BusiestDemand;
  /** The load that may overflow to serverless. Absent: none may. */
  readonly load?: LoadCurve;
}

export interface SurveyContext {
  readonly clock: Pick<Clock, 'now'>;
  readonly endpoints: Pick<EndpointsClient, 'offers'>;
  readonly hub: Pick<HubClient, 'inspectModel' | 'describeModel'>;
  readonly experience: (model: string, namespace: string) => Promise<Experience>;
}

/**
 * Reads prices, quota and the model, and chooses the instance that a rollout proposed now would get. Prices are always
 * read anew: if the list cannot be read it throws, and nothing is proposed.
 */
export async function takeSurvey(
  { model, filePolicy, shapes }: Pick<RouteWatch, 'model' | 'filePolicy' | 'shapes'>,
  { clock, endpoints, hub, experience }: SurveyContext,
  signal: AbortSignal,
): Promise<Survey> {
  const policy = filePolicy.endpoint;
  if (policy === null) throw new AppError('internal', `no endpoint block for ${model}`);
  const [offers, seen] = await Promise.all([
    endpoints.offers(policy.namespace, signal),
    hub.inspectModel(model, signal),
  ]);
  const refused = (problem: string, hint: string, more: Partial<Survey> = {}): Survey => ({
    at: clock.now(),
    pricePerHourMicros: null,
    expectedPerHourMicros: null,
    problem,
    hint,
    instance: null,
    ...more,
  });
  if (!seen.exists) return refused(`the Hub knows no model ${model}`, 'check the name in the policy');
  if (seen.isGatedForUs) {
    return refused(`${model} is gated for us`, `ask for access at its page on the Hub with the account of HF_TOKEN`);
  }
  const [facts, { load, ...known }] = await Promise.all([
    hub.describeModel(model, signal),
    experience(model, policy.namespace),
  ]);
  const [shut] = facts.access?.shut ?? [];
  if (shut !== undefined) {
    return refused(
      `${shut} is gated for us, and it is the base of ${model}`,
      'ask for access at its page on the Hub with the account of HF_TOKEN',
    );
  }
  const wanted = {
    facts,
    ...known,
    policy: withinBudget(policy, filePolicy.budget),
    offersTools: shapes.size === 0 ? null : [...shapes].some(hasTools),
    ...(filePolicy.overflow.enabled && load !== undefined && { load }),
  };
  const choice = chooseOffer(offers, wanted);
  const { chosen } = choice;
  if (chosen === null) {
    const [problem, hint] = whyNone(choice, wanted, offers);
    const price = isNamed(policy) ? priceOf(choice.candidates.find(isMeant)) : null;
    return refused(problem, hint, { pricePerHourMicros: price });
  }
  const price = priceOf(chosen);
  return {
    at: clock.now(),
    pricePerHourMicros: price,
    expectedPerHourMicros: expectedOf(chosen, policy),
    problem: null,
    hint: null,
    instance: pin(chosen, choice, wanted),
    ...alternatives(chosen, choice, wanted),
  };
}

/** A budget for an hour is a price ceiling too. */
function withinBudget(policy: EndpointPolicy, { perHour }: BudgetPolicy): EndpointPolicy {
  const most = Math.min(policy.maxPricePerHour ?? Number.POSITIVE_INFINITY, perHour ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(most) ? { ...policy, maxPricePerHour: most } : policy;
}

/** The instances to try next, with their prices. */
function alternatives(
  chosen: Candidate,
  choice: Choice,
  wanted: Wanted & { readonly policy: EndpointPolicy },
): Pick<Survey, 'alternatives'> {
  const next = alternativesTo(chosen, choice, wanted).flatMap((one) => {
    const price = priceOf(one);
    return price === null ? [] : [{ instance: pin(one, choice, wanted), pricePerHourMicros: price }];
  });
  return next.length === 0 ? {} : { alternatives: next };
}

/** For all replicas that the endpoint may have, micro-dollars per hour. */
function priceOf(candidate: Candidate | undefined): number | null {
  const price = candidate?.offer.pricePerHourMicros ?? null;
  return candidate === undefined || price === null ? null : price * candidate.within;
}

/** Price of as many replicas as the demand needs, but at least `minReplica`. */
function expectedOf({ offer, replicas, within }: Candidate, { minReplica }: EndpointPolicy): number | null {
  const price = offer.pricePerHourMicros;
  return price === null ? null : price * Math.min(within, Math.max(minReplica, replicas));
}

function isMeant({ obstacle }: Candidate): boolean {
  return obstacle?.kind !== 'not named';
}

/** Why nothing can be proposed, and what to do about it. */
function whyNone(
  { candidates }: Choice,
  { policy }: Wanted,
  offers: readonly Offer[],
): [problem: string, hint: string] {
  const meant = candidates.filter(isMeant);
  const [first] = meant;
  if (first === undefined)
    return [
      policy.instances === undefined
        ? `the instance cannot be had: ${whyNotListed(offers, named(policy))}`
        : `none of ${policy.instances.join(', ')} is offered`,
      'correct the endpoint block of the policy',
    ];
  const because = ({ offer, obstacle }: Candidate) => `${offerText(offer)}: ${obstacle?.text ?? ''}`;
  if (isNamed(policy)) {
    const { kind } = first.obstacle ?? { kind: 'memory' };
    if (kind === 'not to be had') {
      return [
        `${offerText(first.offer)} cannot be had: ${first.obstacle?.text}`,
        'choose another instance or ask for quota',
      ];
    }
    return [because(first), 'choose another instance, or leave the instance out: the cheapest that fits is taken'];
  }
  const nearest = nearestOf(meant);
  const hint = HINTS[nearest.obstacle?.kind ?? ''] ?? 'see `upshift plan` for every instance and why it does not fit';
  return [`none of ${meant.length} instances fits; the nearest is ${because(nearest)}`, hint];
}

/** How close to being chosen an instance is. A later obstacle is only found if the instance passed all before it. */
const NEAREST = [
  'demand',
  'price unknown',
  'not to be had',
  'memory',
  'size unknown',
  'parallel',
  'dtype',
  'engine',
  'adapter',
] as const;
const HINTS: Readonly<Record<string, string>> = {
  demand: 'raise endpoint.maxReplica, or see `upshift plan` for what the demand needs',
  'not to be had': 'ask for quota at Hugging Face, or allow more regions; see `upshift plan`',
  'size unknown': 'name the instance in the endpoint block: it is then taken as said',
  engine: 'set endpoint.engine and endpoint.image',
  adapter: 'merge the adapter into its base, and name the merged repository in the policy',
};

function nearestOf(candidates: readonly Candidate[]): Candidate {
  for (const kind of NEAREST) {
    const found = candidates.find(({ obstacle }) => obstacle?.kind === kind);
    // Among instances that are too small the largest is closest.
    if (found !== undefined && kind !== 'memory') return found;
    if (found !== undefined) {
      const usable = ({ hold, offer }: Candidate) => (hold?.usable ?? 0) * offer.numAccelerators;
      return candidates
        .filter(({ obstacle }) => obstacle?.kind === kind)
        .reduce((a, b) => (usable(b) > usable(a) ? b : a));
    }
  }
  return candidates[0] as Candidate;
}

function named({ vendor, region, instanceType, instanceSize }: Wanted['policy']) {
  const all = { vendor, region, instanceType, instanceSize };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
