import type { Accelerator } from './accelerators.ts';
import type { BusiestDemand } from './busiest-demand.ts';
import { isWidened } from './dtype.ts';
import type { EngineSettings } from './engine-args.ts';
import { kindOf } from './facts.ts';
import type { ModelFacts } from './facts.ts';
import type { Hold } from './hold.ts';
import { contextNeeded, tokensOfCall } from './memory.ts';
import { decodePerSecond } from './speed.ts';
import type { MeasuredSpeed } from './speed.ts';

/** How many replicas a demand needs, and their speed. */
export interface ReplicaNeed {
  readonly replicas: number;
  /** Calls like those of the demand that one replica carries at once, by its caches and its speed. Null if not known. */
  readonly carries: number | null;
  /** Tokens per second of one replica when it is full. Null if it cannot be estimated. */
  readonly perSecond: number | null;
  /** Where `perSecond` is from. */
  readonly source: 'measured' | 'estimate' | null;
  /** Whether it computes in wider numbers than the weights have. Then it is slower than estimated. */
  readonly isWidened: boolean;
}

export const NO_NEED: ReplicaNeed = { replicas: 1, carries: null, perSecond: null, source: null, isWidened: false };

/** vLLM's default limit of calls at once. */
const MOST_CALLS = 256;
const MOST_REPLICAS = 64;

/**
 * The fewest replicas whose caches hold the demand's calls in flight, and that write its tokens per second if each works on as
 * many calls as fit. The speed does not count if it or the demand's tokens are not known.
 * One for a model that does not write text.
 */
export function needOf(
  facts: ModelFacts,
  demand: BusiestDemand,
  use: {
    readonly card: Accelerator | null;
    readonly hold: Hold;
    readonly settings: EngineSettings;
    readonly measured: MeasuredSpeed | null;
  },
): ReplicaNeed {
  const { card, hold, settings, measured } = use;
  const context = contextNeeded(facts, demand, settings);
  if (kindOf(facts) !== 'generates' || context === null) return NO_NEED;
  const calls = Math.max(1, Math.min(MOST_CALLS, hold.calls ?? MOST_CALLS));
  const perSecond =
    card === null
      ? null
      : decodePerSecond(facts, calls, {
          accelerator: card,
          accelerators: hold.parallel,
          cacheBytesPerNumber: settings.cacheBytesPerNumber,
          tokens: tokensOfCall(demand, context),
          measured,
        });
  const byCalls = Math.ceil(demand.inFlight / calls);
  const speedShare = perSecond === null || demand.outputPerSecond === null ? null : demand.outputPerSecond / perSecond;
  return {
    replicas: Math.min(MOST_REPLICAS, Math.max(1, byCalls, Math.ceil(speedShare ?? 1))),
    // So many calls at once as in the demand write that share of what one replica can.
    carries: speedShare === null || speedShare === 0 ? calls : Math.min(calls, demand.inFlight / speedShare),
    perSecond,
    source: perSecond === null ? null : measured === null ? 'estimate' : 'measured',
    isWidened: card !== null && isWidened(facts, card),
  };
}
