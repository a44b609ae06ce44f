import { demandOf, inWindow, windowsOf } from '../advice/demand.ts';
import type { DemandCall } from '../advice/demand.ts';
import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { BusiestDemand } from './busiest-demand.ts';
import type { Candidate, InstancesTried, InstanceWish } from './candidate.ts';
import type { LoadCurve } from '../usage/load-curve.ts';
import type { ServingAdvice } from '../serving/serving-args.ts';
import { caveatsOf, servingAdvice } from './caveats.ts';
import { alternativesTo, chooseOffer, pin } from './choice.ts';
import type { Choice } from './choice.ts';
import { engineSettings } from './engine-args.ts';
import type { ModelFacts } from './facts.ts';
import { memoryNeed } from './memory.ts';
import type { MemoryNeed } from './memory.ts';
import type { Offer } from './offer.ts';
import type { PinnedInstance } from './pinned.ts';
import { swarmSize } from './swarm-size.ts';
import type { SwarmSize } from './swarm-size.ts';

/** Instances, and how far to trust what is said of them. */
export interface OfferList {
  readonly offers: readonly Offer[];
  /** `account`: live, with quota; `public`: live, without; `list`: the price list of a day, stale. */
  readonly source: 'account' | 'public' | 'list';
  /** The account, or the day of the list. */
  readonly of: string | null;
  /** Why it is not the account's. */
  readonly problem: string | null;
}

/** What is known of a model, or why it is not. */
export interface FactsFound {
  readonly facts: ModelFacts | null;
  readonly problem: string | null;
}

/** The sizing of one route. */
export interface SizingPlan {
  readonly facts: ModelFacts | null;
  readonly problem: string | null;
  readonly demand: BusiestDemand;
  readonly need: MemoryNeed | null;
  /** What must be known of the model before money is spent, in words. */
  readonly caveats: readonly string[];
  /** What the engine should be told. Null if the model is not known or writes nothing. */
  readonly serving: ServingAdvice | null;
  readonly list: Omit<OfferList, 'offers'>;
  readonly candidates: Choice['candidates'];
  readonly chosen: Choice['chosen'];
  readonly instance: PinnedInstance | null;
  /** What would be tried next, in this order, if the chosen one cannot be had. */
  readonly alternatives: readonly Candidate[];
  readonly minReplica: number;
  readonly hasEndpoint: boolean;
  readonly swarm: (SwarmSeen & { readonly size: SwarmSize }) | null;
}

/** The busiest five minutes of a model. */
export interface SwarmSeen {
  readonly calls: number;
  readonly agents: number;
}

const ANY_INSTANCE: InstanceWish = { regions: [], deny: [], minReplica: 1, maxReplica: 1, args: [] };

/** Holds all offers against a model and its demand, as the daemon would when it proposes. Pure. */
export function planSizing(
  found: FactsFound,
  { offers, ...list }: OfferList,
  seen: {
    readonly demand: BusiestDemand;
    readonly tried: InstancesTried;
    readonly swarm: SwarmSeen | null;
    readonly endpoint: EndpointPolicy | null;
    /** The load that may overflow; absent if calls may not. */
    readonly load?: LoadCurve;
    /** Whether the route's calls offer tools. Null, or absent: no call is known. */
    readonly offersTools?: boolean | null;
  },
): SizingPlan {
  const { demand, tried, endpoint, swarm, load, offersTools = null } = seen;
  const policy = endpoint ?? ANY_INSTANCE;
  const { facts, problem } = found;
  const wanted =
    facts === null ? null : { facts, demand, policy, offersTools, ...tried, ...(load !== undefined && { load }) };
  const choice = wanted === null ? { candidates: [], chosen: null } : chooseOffer(offers, wanted);
  const { candidates, chosen } = choice;
  return {
    facts,
    problem,
    demand,
    caveats: facts === null ? [] : caveatsOf(facts, policy, offersTools),
    serving: facts === null ? null : servingAdvice(facts, policy, offersTools),
    need: facts === null ? null : memoryNeed(facts, demand, engineSettings(policy.args)),
    list,
    candidates,
    chosen,
    instance: wanted === null || chosen === null ? null : pin(chosen, choice, wanted),
    alternatives: wanted === null || chosen === null ? [] : alternativesTo(chosen, choice, wanted),
    minReplica: policy.minReplica,
    hasEndpoint: endpoint !== null,
    swarm: swarm === null ? null : { ...swarm, size: swarmSize(swarm.calls) },
  };
}

/** The calls and agents of the busiest five minutes of a span, epoch ms; null if there were no calls. */
export function busiestSwarm(calls: readonly DemandCall[], fromMs: number, untilMs: number): SwarmSeen | null {
  const demand = demandOf(calls, { fromMs, untilMs });
  if (demand.atMs.length === 0) return null;
  const { peak, peakAt } = windowsOf(demand.atMs, 0);
  const agents = new Set([...inWindow(demand.atMs, peakAt)].map((place) => demand.agentOf[place]));
  return { calls: peak, agents: agents.size };
}
