import type { Accelerator } from './accelerators.ts';
import { cacheBytes } from './cache.ts';
import type { ModelFacts } from './facts.ts';
import { weightsOf } from './weights.ts';

/** What an instance has shown with this model in this ledger. */
export interface MeasuredSpeed {
  /** From one token of an answer to the next, µs; the middle of its calls. */
  readonly perTokenUs: number;
  /** Calls in flight at once while it was measured. */
  readonly inFlight: number;
}

/** The part of its bandwidth that an accelerator brings to decoding where nothing was measured; a guess on the safe side. */
const EFFICIENCY = 0.6;

/** How an instance would be used. */
export interface Use {
  readonly accelerator: Accelerator;
  readonly accelerators: number;
  readonly cacheBytesPerNumber: number;
  /** Tokens of a call in flight. */
  readonly tokens: number;
  readonly measured: MeasuredSpeed | null;
}

/**
 * Tokens a second of one replica with so many calls in flight. Each step of decoding reads all weights and the calls'
 * caches once: `calls x bandwidth x efficiency / (weights + calls x cache)`, the memory-bound part of the roofline ("Efficiently
 * Scaling Transformer Inference", section 2). All experts of a mixture are counted, since a batch touches them all. What was
 * measured on such an instance replaces the guess of the efficiency. Null where the weights are not known.
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
