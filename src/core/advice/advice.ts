import type { ProviderCounts } from '../care/providers.ts';
import type { FewerAgents } from './agents.ts';
import type { Windows } from './demand.ts';
import type { Queued } from './queue.ts';
import type { Ramp } from './ramp.ts';

/** The limit that the calls are compared with. */
export interface Yardstick {
  /** Calls in five minutes. */
  readonly calls: number;
  /**
   * `learned`: from refusals. `taken`: what serverless took while calls were refused or delayed, if the learned limit
   * cannot have held then. `policy`: the policy's criterion `calls`, if nothing was learned.
   */
  readonly source: 'learned' | 'taken' | 'policy';
}

/** A provider that the router lists for a model. Prices in dollars per million tokens; null if the router has none. */
export interface ServingProvider {
  readonly provider: string;
  readonly inputPrice: number | null;
  readonly outputPrice: number | null;
}

/** A provider that was tried. */
export interface TriedProvider extends ProviderCounts {
  /** Whether a learned limit was probably learned from its refusals. */
  readonly isLimited: boolean;
}

/** A provider that was not tried, and the name by which a client calls the model there. */
export interface OtherProvider extends ServingProvider {
  readonly model: string;
}

/** What would be enough for a route instead of a GPU, with the figures. Times in epoch ms and clock ms, shares 0..1. */
export interface Advice {
  readonly model: string;
  readonly calls: number;
  readonly agents: number;
  readonly derivedAgents: number;
  readonly firstAt: number | null;
  readonly spanMs: number;
  readonly refusedShare: number;
  readonly limit: Yardstick;
  readonly windows: Windows;
  readonly queue: Queued & { readonly maxWaitMs: number };
  /** Null if no window is above the limit. */
  readonly fewer: FewerAgents | null;
  readonly ramp: Ramp | null;
  /** Counted since the daemon's start. */
  readonly providers: readonly TriedProvider[];
  /** Providers that serve the model and were not tried; null if the router was not asked. */
  readonly others: readonly OtherProvider[] | null;
  readonly verdict: AdviceVerdict;
}

/** A change that would be enough by itself, instead of a GPU. */
export type Remedy = 'provider' | 'ramp' | 'queue' | 'agents';

export interface AdviceVerdict {
  /**
   * `unknown`: not enough is known; `fine`: no change is needed; `remedy`: each of `remedies` is enough; `migrate`:
   * none is.
   */
  readonly kind: 'unknown' | 'fine' | 'remedy' | 'migrate';
  readonly remedies: readonly Remedy[];
  /** A sentence on the verdict, then one on each remedy, each with its figures first. */
  readonly reasons: readonly string[];
}
