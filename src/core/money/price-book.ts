/** One provider's price for a model, micro-dollars per million tokens. Null if the router's list does not have it. */
export interface ProviderPrice {
  readonly model: string;
  readonly provider: string;
  readonly inputMicros: number | null;
  readonly outputMicros: number | null;
  readonly isFree: boolean;
  /** False if the list says that the provider is down, or no longer has it. */
  readonly isLive: boolean;
}

/** A price, and when it came into force, epoch ms. */
export interface DatedPrice extends ProviderPrice {
  readonly fromAt: number;
}

/** Tokens of some calls. */
export interface Tokens {
  readonly prompt: number;
  readonly output: number;
}

/**
 * Money, and how much of it is an estimate. Micro-dollars, not rounded, because amounts are rounded after they are
 * summed.
 */
export interface Amount {
  readonly micros: number;
  readonly estimatedMicros: number;
}

/** The prices of tokens over time. */
export interface PriceBook {
  /**
   * What tokens cost at a provider at the time `at`. If the provider or its price at that time is not known, the cost is an
   * estimate: by the provider's first known price, else by the model's cheapest live provider at the time. Null if no price is
   * known.
   */
  cost(model: string, provider: string | null, at: number, tokens: Tokens): Amount | null;
  /** The times at which a price of the models changed, epoch ms, in order and each once. */
  changes(models: ReadonlySet<string>): readonly number[];
}

/** A price book of all recorded prices. */
export function priceBook(prices: readonly DatedPrice[]): PriceBook {
  const byModel = new Map<string, Map<string, DatedPrice[]>>();
  for (const price of [...prices].sort((a, b) => a.fromAt - b.fromAt)) {
    const model = byModel.get(price.model) ?? new Map<string, DatedPrice[]>();
    byModel.set(price.model, model);
    // Answers write names otherwise than the list does.
    const key = price.provider.toLowerCase();
    model.set(key, [...(model.get(key) ?? []), price]);
  }
  const inForce = (history: readonly DatedPrice[], at: number) => history.findLast((one) => one.fromAt <= at);
  return {
    cost(model, provider, at, tokens) {
      const histories = byModel.get(model);
      if (histories === undefined) return null;
      const own = provider === null ? undefined : histories.get(provider.toLowerCase());
      const exact = own === undefined ? undefined : inForce(own, at);
      const micros = exact === undefined ? null : costOf(exact, tokens);
      if (micros !== null) return { micros, estimatedMicros: 0 };
      const known = own?.[0];
      const guess =
        (known === undefined ? null : costOf(known, tokens)) ?? cheapest([...histories.values()], at, tokens);
      return guess === null ? null : { micros: guess, estimatedMicros: guess };
    },
    changes(models) {
      return [...new Set(prices.filter((one) => models.has(one.model)).map((one) => one.fromAt))].sort((a, b) => a - b);
    },
  };

  function cheapest(histories: readonly DatedPrice[][], at: number, tokens: Tokens): number | null {
    const then = histories.map((history) => inForce(history, at) ?? history[0]).filter((one) => one !== undefined);
    const live = then.filter((one) => one.isLive);
    const costs = (live.length > 0 ? live : then).map((one) => costOf(one, tokens)).filter((micros) => micros !== null);
    return costs.length === 0 ? null : Math.min(...costs);
  }
}

function costOf({ inputMicros, outputMicros, isFree }: ProviderPrice, { prompt, output }: Tokens): number | null {
  if (isFree) return 0;
  if (inputMicros === null || (outputMicros === null && output > 0)) return null;
  return (prompt * inputMicros + output * (outputMicros ?? 0)) / 1_000_000;
}
