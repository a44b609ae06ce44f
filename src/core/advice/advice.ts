import type { ProviderCounts } from '../care/providers.ts';
import type { FewerAgents } from './agents.ts';
import type { Windows } from './demand.ts';
import type { Queued } from './queue.ts';
import type { Ramp } from './ramp.ts';

/** What the calls are measured by. */
export interface Yardstick {
  /** In five minutes. */
  readonly calls: number;
  /**
   * Learned from refusals; or what was taken while calls were refused or delayed, where the limit that is thought to hold now
   * cannot have held then; or, where nothing was learned, the policy's own criterion.
   */
  readonly source: 'learned' | 'taken' | 'policy';
}

/** A provider that the router lists for a model. Dollars per million tokens; null where it does not tell. */
export interface ServingProvider {
  readonly provider: string;
  readonly inputPrice: number | null;
  readonly outputPrice: number | null;
}

/** A provider that was tried. */
export interface TriedProvider extends ProviderCounts {
  /** Whether it is what a learned limit was learned from. */
  readonly isLimited: boolean;
}

/** Another provider, and the name to call the model by. */
export interface OtherProvider extends ServingProvider {
  readonly model: string;
}

/** What would do for a route instead of a GPU, and on what figures. Times in epoch ms and clock ms, shares 0..1. */
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
  /** Null where no window is above the limit. */
  readonly fewer: FewerAgents | null;
  readonly ramp: Ramp | null;
  /** Since the daemon's start. */
  readonly providers: readonly TriedProvider[];
  /** Those that serve the model and were not tried; null where nobody asked. */
  readonly others: readonly OtherProvider[] | null;
  readonly verdict: AdviceVerdict;
}

/** What would do instead of a GPU, by itself. */
export type Remedy = 'provider' | 'ramp' | 'queue' | 'agents';

export interface AdviceVerdict {
  /** `unknown`: no call; `fine`: nothing needs to be done; `remedy`: one of those would do; `migrate`: none would. */
  readonly kind: 'unknown' | 'fine' | 'remedy' | 'migrate';
  readonly remedies: readonly Remedy[];
  /** A sentence for the verdict, and then one for each remedy, numbers first. */
  readonly reasons: readonly string[];
}
