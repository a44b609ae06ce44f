import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { Adapter } from './adapter.ts';
import { acceleratorOf } from './accelerators.ts';
import type { BusiestDemand } from './busiest-demand.ts';
import { whyNotComputed } from './dtype.ts';
import { engineSettings } from './engine-args.ts';
import { engineFor, imageFor } from './engine.ts';
import { kindOf, parameterCount } from './facts.ts';
import type { ModelFacts } from './facts.ts';
import { holdOn, holdOnCpu, parallelOf } from './hold.ts';
import type { Hold } from './hold.ts';
import { whyNotToBeHad } from './offer.ts';
import type { Offer } from './offer.ts';
import { needOf, NO_NEED } from './replicas.ts';
import type { ReplicaNeed } from './replicas.ts';
import type { MeasuredSpeed } from './speed.ts';
import type { LoadCurve } from '../usage/load-curve.ts';

/** Why an offer is not chosen: the first of these that applies, in this order. */
type Obstacle =
  | 'not named'
  | 'denied'
  | 'elsewhere'
  | 'adapter'
  | 'accelerator'
  | 'engine'
  | 'dtype'
  | 'parallel'
  | 'size unknown'
  | 'memory'
  | 'not to be had'
  | 'price unknown'
  | 'demand'
  | 'price';

/** An offer, checked for a model, a demand and a policy. */
export interface Candidate extends ReplicaNeed {
  readonly offer: Offer;
  /** Null if the offer may be chosen. */
  readonly obstacle: { readonly kind: Obstacle; readonly text: string } | null;
  /** How the model fits in its memory. Null if this was not checked or is not known. */
  readonly hold: Hold | null;
  /** The most replicas that the policy allows and its price ceiling pays for. */
  readonly within: number;
  /** Share of the calls that would find so many replicas full, 0..1. Null if calls may not overflow or it is not known. */
  readonly overflowShare: number | null;
}

/** What became of the instances that were tried. */
export interface InstancesTried {
  /** Measured speeds by instance type and size, such as `nvidia-l4 x1`. */
  readonly measured: ReadonlyMap<string, MeasuredSpeed>;
  /** The instances that could not be had lately, as `offerText` writes them. They are tried last. */
  readonly leftLately: ReadonlySet<string>;
}

/** Without a ledger nothing is known of them. */
export const NOTHING_TRIED: InstancesTried = { measured: new Map(), leftLately: new Set() };

/** What the offers are checked for. */
export interface Wanted extends InstancesTried {
  readonly facts: ModelFacts;
  readonly demand: BusiestDemand;
  readonly policy: InstanceWish;
  /** The load that may overflow to serverless. Absent: the replicas must carry all of it. */
  readonly load?: LoadCurve;
  /** Whether the route's calls offer tools. Null, or absent: no call is known. */
  readonly offersTools?: boolean | null;
}

/** The settings of a policy that concern the instance. */
export type InstanceWish = Pick<
  EndpointPolicy,
  | 'vendor'
  | 'region'
  | 'accelerator'
  | 'instanceType'
  | 'instanceSize'
  | 'instances'
  | 'regions'
  | 'deny'
  | 'minReplica'
  | 'maxReplica'
  | 'engine'
  | 'image'
  | 'args'
  | 'maxPricePerHour'
>;

/** The largest model that TEI runs on a CPU in acceptable time, in parameters. */
const CPU_PARAMETERS = 500e6;

/** Whether a policy names one instance or several in full, so that there is no choice. */
export function isNamed({ vendor, region, instanceType, instanceSize, instances }: InstanceWish): boolean {
  if (instances !== undefined) return instances.every((name) => name.split('/').length === 4);
  return [vendor, region, instanceType, instanceSize].every((given) => given !== undefined);
}

/** The place of an offer in the policy's list of instances. Infinite if it is not in it, 0 if there is no list. */
export function listPlace(offer: Offer, { instances }: Pick<InstanceWish, 'instances'>): number {
  if (instances === undefined) return 0;
  const short = `${offer.instanceType}/${offer.instanceSize}`;
  const place = instances.findIndex((name) => name === short || name === `${offer.vendor}/${offer.region}/${short}`);
  return place === -1 ? Number.POSITIVE_INFINITY : place;
}

/** Checks one offer for the model, the demand and the policy. */
export function candidateOf(offer: Offer, wanted: Wanted): Candidate {
  const { facts, demand, policy } = wanted;
  const within = replicasWithin(offer, policy);
  const none = { offer, hold: null, within, overflowShare: null, ...NO_NEED };
  const placed = whyNotHere(offer, policy) ?? whyNotServed(offer, wanted);
  if (placed !== null) return { ...none, obstacle: placed };
  const settings = engineSettings(policy.args);
  const card = acceleratorOf(offer.instanceType);
  const parallel = parallelOf(offer, facts, policy.args);
  if (typeof parallel === 'string') return { ...none, obstacle: { kind: 'parallel', text: parallel } };
  const hold =
    offer.accelerator === 'cpu' ? holdOnCpu(offer, facts) : holdOn(offer, facts, { demand, settings, parallel });
  if (hold === null) {
    const text =
      facts.parameters === null && facts.fileBytes === null
        ? 'the size of the model is not known'
        : 'its memory size is not known';
    return { ...none, obstacle: isNamed(policy) ? whyNotHad(offer, policy) : { kind: 'size unknown', text } };
  }
  if (hold.why !== null) return { ...none, hold, obstacle: { kind: 'memory', text: hold.why } };
  const key = `${offer.instanceType} ${offer.instanceSize}`;
  const use = { card, hold, settings, measured: wanted.measured.get(key) ?? null };
  const need = needOf(facts, demand, use);
  const carried = { offer, hold, ...need, within, overflowShare: overflowShareOf(need, within, wanted) };
  return { ...carried, obstacle: whyNotHad(offer, policy) ?? whyNotCarried(carried, policy) };
}

function whyNotHere(offer: Offer, policy: InstanceWish): Candidate['obstacle'] {
  for (const key of ['vendor', 'region', 'accelerator', 'instanceType', 'instanceSize'] as const) {
    if (policy[key] !== undefined && policy[key] !== offer[key]) {
      return { kind: 'not named', text: `the policy names ${key} ${policy[key]}` };
    }
  }
  const { vendor, region, instanceType, instanceSize } = offer;
  if (policy.instances !== undefined && listPlace(offer, policy) === Number.POSITIVE_INFINITY) {
    return { kind: 'not named', text: 'not among the instances of the policy' };
  }
  const names = [vendor, region, `${vendor}/${region}`, instanceType, `${instanceType}/${instanceSize}`];
  const denied = policy.deny.find((entry) => names.includes(entry));
  if (denied !== undefined) return { kind: 'denied', text: `the policy denies ${denied}` };
  if (policy.regions.length > 0 && !policy.regions.includes(`${vendor}/${region}`)) {
    return { kind: 'elsewhere', text: 'not among the regions of the policy' };
  }
  return null;
}

/**
 * Whether the accelerator and the engine can serve the model. The kind of accelerator is not checked if the policy
 * names the instance in full.
 */
function whyNotServed(offer: Offer, { facts, policy }: Wanted): Candidate['obstacle'] {
  const engine = engineFor(policy, facts);
  const card = acceleratorOf(offer.instanceType);
  const say = (kind: Obstacle, text: string) => ({ kind, text });
  const unmerged = facts.adapter === undefined ? null : whyNotLoaded(facts.adapter, engine);
  if (unmerged !== null) return say('adapter', unmerged);
  if (offer.accelerator === 'cpu') {
    const isSmall = kindOf(facts) === 'embeds' && (parameterCount(facts) ?? Number.POSITIVE_INFINITY) <= CPU_PARAMETERS;
    if (!isNamed(policy) && !(isSmall && engine === 'tei')) {
      return say('accelerator', 'a CPU serves small embedding models only');
    }
  } else if (card === null && !isNamed(policy)) {
    return say('accelerator', 'upshift does not know this accelerator; name the instance in full to use it');
  }
  if (policy.image === undefined && imageFor(engine, offer.accelerator, card) === null) {
    return say('engine', `${engine} needs endpoint.image here`);
  }
  if (engine === 'tei' && offer.accelerator !== 'cpu' && offer.numAccelerators > 1) {
    return say('engine', 'TEI uses one accelerator');
  }
  const why =
    card === null || (engine !== 'vLLM' && engine !== 'sGLang')
      ? null
      : whyNotComputed(facts, card, engineSettings(policy.args));
  return why === null ? null : say('dtype', why);
}

/** Why an engine cannot serve an adapter. Null if it can. */
function whyNotLoaded({ base, baseProblem, mustMerge }: Adapter, engine: string): string | null {
  if (baseProblem !== null) return baseProblem;
  if (mustMerge !== null) return `${mustMerge}: merge the adapter into ${base}`;
  return engine === 'vLLM' ? null : `${engine} is not told of adapters: merge it into ${base}, or take vLLM`;
}

function whyNotHad(offer: Offer, policy: InstanceWish): Candidate['obstacle'] {
  const why = whyNotToBeHad(offer, policy.minReplica);
  if (why !== null) return { kind: 'not to be had', text: why };
  return offer.pricePerHourMicros === null ? { kind: 'price unknown', text: 'its price is not known' } : null;
}

/** At a ceiling that pays for fewer than the policy always runs, the policy counts: then the price is the obstacle. */
function replicasWithin(
  { pricePerHourMicros }: Offer,
  { minReplica, maxReplica, maxPricePerHour }: InstanceWish,
): number {
  if (maxPricePerHour === undefined || pricePerHourMicros === null || pricePerHourMicros === 0) return maxReplica;
  const paid = Math.floor((maxPricePerHour * 1e6) / pricePerHourMicros + 1e-9);
  return paid < Math.max(1, minReplica) ? maxReplica : Math.min(maxReplica, paid);
}

function overflowShareOf({ replicas, carries }: ReplicaNeed, within: number, { load }: Wanted): number | null {
  if (replicas <= within) return 0;
  if (load === undefined || load.calls === 0 || carries === null || carries < 1) return null;
  return load.overflow(within * carries) / load.calls;
}

/**
 * Whether the offer carries the demand within the replicas and the price, or as much of it as it can and the rest overflows.
 * Not checked if the policy names the instance in full.
 */
function whyNotCarried(
  { offer, replicas, within, overflowShare }: Omit<Candidate, 'obstacle'>,
  policy: InstanceWish,
): Candidate['obstacle'] {
  if (isNamed(policy)) return null;
  const { maxReplica, maxPricePerHour } = policy;
  const dollars = (count: number) => ((offer.pricePerHourMicros ?? 0) * count) / 1e6;
  const tooDear = (count: number) => ({
    kind: 'price' as const,
    text: `$${dollars(count).toFixed(2)}/h exceeds maxPricePerHour`,
  });
  if (maxPricePerHour !== undefined && dollars(within) > maxPricePerHour) return tooDear(within);
  if (overflowShare !== null) return null;
  if (within < Math.min(replicas, maxReplica)) return tooDear(Math.min(replicas, maxReplica));
  return { kind: 'demand', text: `the demand needs ${replicas} replicas, maxReplica is ${maxReplica}` };
}
