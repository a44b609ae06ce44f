import type { Accelerator } from './accelerators.ts';
import { cacheBytes } from './cache.ts';
import type { ModelFacts } from './facts.ts';
import { weightsOf } from './weights.ts';

/** The speed of an instance with this model, measured from the calls of this ledger. */
export interface MeasuredSpeed {
  /** Time from one token of an answer to the next, µs: the median of its calls. */
  readonly perTokenUs: number;
  /** Calls in flight at once while it was measured. */
  readonly inFlight: number;
}

/** The share of an accelerator's bandwidth that decoding uses if nothing was measured. It is a cautious guess. */
const EFFICIENCY = 0.6;

/** How an instance is used. */
export interface Use {
  readonly accelerator: Accelerator;
  readonly accelerators: number;
  readonly cacheBytesPerNumber: number;
  /** Tokens of a call in flight. */
  readonly tokens: number;
  readonly measured: MeasuredSpeed | null;
}

/**
 * Tokens per second of one replica with `calls` calls in flight. Each step of decoding reads all weights and the calls' caches
 * once: `calls x bandwidth x efficiency / (weights + calls x cache)`, the memory-bound part of the roofline ("Efficiently
 * Scaling Transformer Inference", section 2). All experts of a mixture count, because a batch uses all of them. If the
 * instance was measured, the efficiency is computed from that and not guessed. Null if the size of the weights is not known.
 */
export function decodePerSecond(facts: ModelFacts, calls: number, use: Use): number | null {
  const weights = weightsOf(facts);
  if (weights === null || calls <= 0) return null;
  const setting = { bytesPerNumber: use.cacheBytesPerNumber, parallel: 1 };
  const cache = cacheBytes(facts, use.tokens, setting);
  const seconds = (inFlight: number) =>
    (weights.bytes + inFlight * cache) / (use.accelerator.bytesPerSecond * use.accelerators);
  const { measured } = use;
  const efficiency =
    measured === null ? EFFICIENCY : seconds(Math.max(1, measured.inFlight)) / (measured.perTokenUs / 1e6);
  return (calls * efficiency) / seconds(calls);
}
