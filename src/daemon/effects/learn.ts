import type { Clock } from '../../core/clock.ts';
import { learnProfile } from '../../core/judge/profile.ts';
import type { HistoryCall, Profile } from '../../core/judge/profile.ts';
import type { UpstreamKind } from '../../core/route.ts';
import { busiestDemand } from '../../core/sizing/busiest-demand.ts';
import { LoadCurve } from '../../core/usage/load-curve.ts';
import type { LoadCall } from '../../core/usage/load-curve.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { Experience } from './survey.ts';

/** How far back calls are read to learn about an upstream, clock ms. */
const HISTORY_MS = 86_400_000;

/** Learns from the ledger how one kind of upstream has served a model lately. */
export async function learnFrom(
  journal: Pick<Journal, 'historyCalls'>,
  { model, upstream }: { readonly model: string; readonly upstream: UpstreamKind },
  clock: Pick<Clock, 'now'>,
): Promise<Profile> {
  return learnProfile(await lately(journal, { model, upstream }, clock), upstream);
}

/** Reads from the ledger the recent demand for a model, how fast instances have served it, and which could not be had. */
export async function experienceOf(
  journal: Pick<Journal, 'historyCalls' | 'instancesTried'>,
  { model, namespace }: { readonly model: string; readonly namespace: string },
  clock: Pick<Clock, 'now'>,
): Promise<Experience> {
  const calls = await lately(journal, { model, upstream: 'serverless' }, clock);
  return {
    demand: busiestDemand(calls),
    load: new LoadCurve(calls.map(loadCallOf), HISTORY_MS),
    ...(await journal.instancesTried(model, namespace, clock.now())),
  };
}

function loadCallOf({ arrivedAtUs, durationUs, outcome }: HistoryCall): LoadCall {
  const arrivedAtMs = arrivedAtUs / 1_000;
  const isRefused = outcome === 'rate_limited';
  return { arrivedAtMs, endedAtMs: arrivedAtMs + durationUs / 1_000, isRefused, isRepeat: false };
}

async function lately(
  journal: Pick<Journal, 'historyCalls'>,
  { model, upstream }: { readonly model: string; readonly upstream: UpstreamKind },
  clock: Pick<Clock, 'now'>,
): Promise<HistoryCall[]> {
  const nowUs = Math.floor(clock.now() * 1_000);
  const calls: HistoryCall[] = [];
  const pages = journal.historyCalls(model, nowUs - HISTORY_MS * 1_000, nowUs, upstream);
  for await (const page of pages) calls.push(...page);
  return calls;
}
