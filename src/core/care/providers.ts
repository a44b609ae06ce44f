import { isFault } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { ROUTER_CHOICES } from '../policy/care.ts';

/** The outcomes of the attempts that one provider took, since the gateway started. */
export interface ProviderCounts {
  /** The name from the answers, else from the calls; '' if neither named one. */
  readonly provider: string;
  readonly tried: number;
  readonly refused: number;
  readonly faults: number;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,39}$/;
const MOST = 16;
/** Stands for the providers beyond the first MOST, and for texts that cannot be a provider's name. */
const OTHER = 'other';

/** Counts attempts by the provider that took them. The number of providers is bounded. */
export class ProviderTally {
  readonly #counts = new Map<string, { tried: number; refused: number; faults: number }>();

  count(provider: string, outcome: Outcome): void {
    const one = this.#of(provider);
    one.tried++;
    if (outcome === 'rate_limited') one.refused++;
    else if (isFault(outcome, 'serverless', 'dedicated')) one.faults++;
  }

  get counts(): ProviderCounts[] {
    return [...this.#counts].map(([provider, counts]) => ({ provider, ...counts }));
  }

  #of(given: string): { tried: number; refused: number; faults: number } {
    const lower = given.toLowerCase();
    const named = lower === '' || NAME.test(lower) ? (ROUTER_CHOICES.has(lower) ? '' : lower) : OTHER;
    const provider = this.#counts.has(named) || this.#counts.size < MOST ? named : OTHER;
    let counts = this.#counts.get(provider);
    if (counts === undefined) this.#counts.set(provider, (counts = { tried: 0, refused: 0, faults: 0 }));
    return counts;
  }
}

/** The providers of several lanes, each once, the most used first. */
export function sumProviders(
  lanes: Iterable<{ readonly providers?: readonly ProviderCounts[] }>,
): readonly ProviderCounts[] {
  const sums = new Map<string, ProviderCounts>();
  for (const { providers = [] } of lanes) {
    for (const counts of providers) {
      const before = sums.get(counts.provider) ?? { tried: 0, refused: 0, faults: 0 };
      sums.set(counts.provider, {
        provider: counts.provider,
        tried: before.tried + counts.tried,
        refused: before.refused + counts.refused,
        faults: before.faults + counts.faults,
      });
    }
  }
  return [...sums.values()].sort((a, b) => b.tried - a.tried);
}
