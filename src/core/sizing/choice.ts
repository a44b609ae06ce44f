import { loadedRank } from './adapter.ts';
import { acceleratorOf } from './accelerators.ts';
import { caveatsOf } from './caveats.ts';
import { candidateOf, isNamed, listPlace } from './candidate.ts';
import type { Candidate, Wanted } from './candidate.ts';
import { engineSettings } from './engine-args.ts';
import { engineFor, imageFor } from './engine.ts';
import type { ModelFacts } from './facts.ts';
import { contextNeeded, slotsFor } from './memory.ts';
import { offerText } from './offer.ts';
import type { Offer } from './offer.ts';
import type { PinnedInstance } from './pinned.ts';

/** All offers, checked for a model and a demand, and the chosen one. */
export interface Choice {
  /** First the offers that may be chosen, by rank. Then the others, by price. */
  readonly candidates: readonly Candidate[];
  /** Null if none fits. If no offer is without an obstacle, it is one whose only obstacle is its price. */
  readonly chosen: Candidate | null;
}

/** How many more instances are tried, and how many times as much as the chosen one they may cost, without a list. */
const MOST_ALTERNATIVES = 2;
const DEAREST = 2;

/**
 * The cheapest offer that fits: first what could be had lately, then by the policy's list of instances, then by how
 * little overflows, then by its order of regions, then by the price of the replicas that the demand needs, then by speed.
 */
export function chooseOffer(offers: readonly Offer[], wanted: Wanted): Choice {
  const { regions } = wanted.policy;
  const place = ({ offer }: Candidate) => regions.indexOf(`${offer.vendor}/${offer.region}`);
  const listed = ({ offer }: Candidate) => listPlace(offer, wanted.policy);
  const overflow = ({ overflowShare }: Candidate) => overflowShare ?? 0;
  const wasLeft = ({ offer }: Candidate) => Number(wanted.leftLately.has(offerText(offer)));
  const candidates = offers
    .map((offer) => candidateOf(offer, wanted))
    .toSorted(
      (a, b) =>
        Number(a.obstacle !== null) - Number(b.obstacle !== null) ||
        (a.obstacle === null
          ? wasLeft(a) - wasLeft(b) || listed(a) - listed(b) || overflow(a) - overflow(b) || place(a) - place(b)
          : 0) ||
        costOf(a, wanted) - costOf(b, wanted) ||
        (b.perSecond ?? 0) - (a.perSecond ?? 0) ||
        offerText(a.offer).localeCompare(offerText(b.offer), 'en'),
    );
  const dear = candidates.filter(({ obstacle }) => obstacle?.kind === 'price').sort((a, b) => place(a) - place(b));
  const chosen = candidates.find(({ obstacle }) => obstacle === null) ?? dear[0] ?? null;
  return { candidates, chosen };
}

/**
 * The offers to try next if the chosen one cannot be had, in this order. If the policy lists instances, it is the best offer
 * of each. Else it is the next two by rank, as long as they cost at most twice as much as the chosen one. None if the policy
 * names one instance in full.
 */
export function alternativesTo(chosen: Candidate, { candidates }: Choice, wanted: Wanted): readonly Candidate[] {
  const { policy } = wanted;
  if (chosen.obstacle !== null) return [];
  const others = candidates.filter((one) => one.obstacle === null && one !== chosen);
  if (policy.instances === undefined) {
    const most = costOf(chosen, wanted) * DEAREST;
    return isNamed(policy) ? [] : others.filter((one) => costOf(one, wanted) <= most).slice(0, MOST_ALTERNATIVES);
  }
  const places = new Set([listPlace(chosen.offer, policy)]);
  return others.filter(({ offer }) => {
    const place = listPlace(offer, policy);
    return !places.has(place) && places.add(place);
  });
}

/** Micro-dollars per hour for the replicas that the demand needs and the policy pays for. Infinite without a known price. */
export function costOf({ offer, replicas, within }: Candidate, { policy }: Pick<Wanted, 'policy'>): number {
  const price = offer.pricePerHourMicros ?? Number.POSITIVE_INFINITY;
  return price * Math.max(policy.minReplica, Math.min(replicas, within));
}

/** The instance to which a rollout is pinned. */
export function pin(candidate: Candidate, choice: Choice, wanted: Wanted): PinnedInstance {
  const { offer, hold } = candidate;
  const { facts, policy } = wanted;
  const engine = engineFor(policy, facts);
  const caveats = caveatsOf(facts, policy, wanted.offersTools);
  const accelerator = offer.accelerator === 'cpu' || offer.accelerator === 'neuron' ? offer.accelerator : 'gpu';
  const parallel = hold?.parallel ?? offer.numAccelerators;
  const isShared = accelerator === 'gpu' && offer.numAccelerators > 1 && parallel > 1;
  return {
    vendor: offer.vendor,
    region: offer.region,
    accelerator,
    instanceType: offer.instanceType,
    instanceSize: offer.instanceSize,
    numAccelerators: offer.numAccelerators,
    tensorParallelSize: isShared ? parallel : null,
    engine,
    image: policy.image ?? imageFor(engine, accelerator, acceleratorOf(offer.instanceType)) ?? '',
    maxContext: hold?.maxContext ?? null,
    gguf: engine === 'llamacpp' ? ggufOf(candidate, wanted) : null,
    ...adapterOf(facts),
    ...(caveats.length > 0 && { caveats }),
    reason: reasonOf(candidate, choice, wanted),
    ...boundsOf(candidate, policy),
  };
}

function boundsOf({ obstacle, within, overflowShare }: Candidate, { maxReplica }: Wanted['policy']) {
  if (obstacle !== null) return {};
  return {
    ...(within < maxReplica && { maxReplica: within }),
    ...(overflowShare !== null && overflowShare > 0 && { overflowShare }),
  };
}

function adapterOf({ adapter }: ModelFacts): Pick<PinnedInstance, 'adapter'> {
  if (adapter === undefined || adapter.base === null) return {};
  return { adapter: { base: adapter.base, rank: loadedRank(adapter.rank) } };
}

/** llama.cpp divides its context evenly among its calls, and allocates the memory for all of it when it starts. */
function ggufOf({ hold }: Candidate, { facts, demand, policy }: Wanted): PinnedInstance['gguf'] {
  const settings = engineSettings(policy.args);
  const each = contextNeeded(facts, demand, settings) ?? 0;
  const calls = Math.max(1, Math.min(hold?.calls ?? 1, slotsFor(demand)));
  return { path: facts.gguf?.path ?? '', context: each * calls, calls };
}

function reasonOf(candidate: Candidate, { candidates, chosen }: Choice, { policy }: Wanted): string {
  const { offer, hold, replicas, within } = candidate;
  const held = hold === null ? 'its memory could not be checked' : `${gb(hold.fixed)} of ${gb(hold.usable)} usable`;
  const on = offer.numAccelerators > 1 ? ` on each of ${offer.numAccelerators}` : '';
  const needed = replicas > policy.maxReplica ? `; the demand is estimated to need ${replicas} replicas` : '';
  if (isNamed(policy)) return `named by the policy, ${held}${on}${needed}`;
  const fitting = candidates.filter(({ obstacle }) => obstacle === null).length;
  const some = replicas > within ? `${within} of ${replicas}` : String(replicas);
  const carried = replicas > 1 ? `; ${some} replicas for the demand` : '';
  const rank = policy.instances !== undefined ? 'one' : candidate === chosen ? 'the cheapest' : 'the next';
  return `${rank} of ${Math.max(1, fitting)} that fit, ${held}${on}${carried}`;
}

function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
