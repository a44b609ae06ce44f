import type { LaneKey, LaneStatus } from '../care/lane-status.ts';
import { sumProviders } from '../care/providers.ts';
import type { ProviderCounts } from '../care/providers.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import type { Advice, OtherProvider, ServingProvider, Yardstick } from './advice.ts';
import { fewerAgents } from './agents.ts';
import { peaksOf, takenUnderPressure, WINDOW_MS, windowsOf } from './demand.ts';
import type { Demand } from './demand.ts';
import { queueUp } from './queue.ts';
import { rampOf } from './ramp.ts';
import { adviceVerdict } from './verdict.ts';

/** What the daemon knows of a model's lanes, and the router of its providers. */
export interface WaysSeen {
  readonly lanes: readonly Pick<LaneKey & LaneStatus, 'limit' | 'providers'>[];
  /** Null if the router was not asked. */
  readonly serving: readonly ServingProvider[] | null;
}

const MOST_PEAKS = 10;

/** Computes what would be enough instead of a GPU, with the figures. */
export function advise(policy: RoutePolicy, demand: Demand, { lanes, serving }: WaysSeen): Advice {
  const { model, care, criteria } = policy;
  const { atMs } = demand;
  const refusedShare = atMs.length === 0 ? 0 : demand.refused / atMs.length;
  const limit = heldThen(yardstickOf(lanes, criteria), demand, { refusedShare, refused: criteria.refused });
  const windows = windowsOf(atMs, limit.calls);
  const ends = peaksOf(atMs, limit.calls, MOST_PEAKS);
  const [peakEnd] = ends;
  const providers = sumProviders(lanes).map((one) => ({ ...one, isLimited: isLimited(one.provider, lanes) }));
  const perSecond = (Math.max(1, limit.calls) * 1_000) / WINDOW_MS;
  const seen = {
    model,
    calls: atMs.length,
    agents: demand.agents.length,
    derivedAgents: demand.derivedAgents,
    firstAt: atMs[0] ?? null,
    spanMs: (atMs.at(-1) ?? 0) - (atMs[0] ?? 0),
    refusedShare,
    limit,
    windows,
    queue: { ...queueUp(atMs, { perSecond, maxWaitMs: care.maxWait, most: care.queue }), maxWaitMs: care.maxWait },
    fewer: peakEnd === undefined ? null : fewerAgents(demand, ends, limit.calls),
    ramp: peakEnd === undefined ? null : rampOf(demand, peakEnd, { limit: limit.calls, refused: criteria.refused }),
    providers,
    others: serving === null ? null : othersOf(model, serving, providers),
  };
  return { ...seen, verdict: adviceVerdict(seen, { refused: criteria.refused, listed: care.providers }) };
}

/** The learned limits of all the model's lanes together; if there is none, the policy's criterion `calls`. */
export function yardstickOf(lanes: WaysSeen['lanes'], criteria: RoutePolicy['criteria']): Yardstick {
  const limits = lanes.flatMap(({ limit }) => limit ?? []);
  if (limits.length > 0) return { calls: limits.reduce((sum, limit) => sum + limit, 0), source: 'learned' };
  return { calls: Math.round((criteria.calls * WINDOW_MS) / criteria.window), source: 'policy' };
}

/**
 * The limit that held in the span. A learned limit is the newest one, and may have changed since. If calls were refused
 * although every window was within it, what serverless took then is used instead.
 */
function heldThen(
  limit: Yardstick,
  demand: Demand,
  { refusedShare, refused }: { readonly refusedShare: number; readonly refused: number },
): Yardstick {
  if (limit.source !== 'learned' || refusedShare <= refused) return limit;
  if (windowsOf(demand.atMs, limit.calls).peak > limit.calls) return limit;
  const taken = takenUnderPressure(demand, refused);
  return taken === null || taken >= limit.calls ? limit : { calls: taken, source: 'taken' };
}

/**
 * Whether a provider probably caused the limit of a lane: it refuses at least half as large a share of its attempts as
 * the whole lane does.
 */
function isLimited(provider: string, lanes: WaysSeen['lanes']): boolean {
  return lanes.some(({ limit, providers }) => {
    const own = providers.find((one) => one.provider === provider);
    if (limit === null || own === undefined) return false;
    const tried = providers.reduce((sum, one) => sum + one.tried, 0);
    const refused = providers.reduce((sum, one) => sum + one.refused, 0);
    return own.refused > 0 && own.refused * tried >= (refused * own.tried) / 2;
  });
}

function othersOf(
  model: string,
  serving: readonly ServingProvider[],
  tried: readonly ProviderCounts[],
): readonly OtherProvider[] {
  const isTried = (name: string) => tried.some(({ provider }) => provider === name);
  return serving
    .filter(({ provider }) => !isTried(provider))
    .map((one) => ({ ...one, model: `${model}:${one.provider}` }));
}
