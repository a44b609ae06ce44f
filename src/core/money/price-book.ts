/** What one provider asks for a model, micro-dollars per million tokens; null where the router's list does not tell. */
export interface ProviderPrice {
  readonly model: string;
  readonly provider: string;
  readonly inputMicros: number | null;
  readonly outputMicros: number | null;
  readonly isFree: boolean;
  /** False where the list says that it is down, or has it no more. */
  readonly isLive: boolean;
}

/** A price and since when it is in force, epoch ms. */
export interface DatedPrice extends ProviderPrice {
  readonly fromAt: number;
}

/** Tokens of some calls. */
export interface Tokens {
  readonly prompt: number;
  readonly output: number;
}

/** Money, and how much of it is an estimate. Micro-dollars, not rounded: they are added up first. */
export interface Amount {
  readonly micros: number;
  readonly estimatedMicros: number;
}

/** Looks up what tokens cost at a time. */
export interface PriceBook {
  /**
   * What tokens of calls that ended at `at` cost with a provider. Where it is not known who served them, or what that one
   * asked then, it is an estimate: by the model's cheapest live provider at the time. Null where no price is known at all.
   */
  cost(model: string, provider: string | null, at: number, tokens: Tokens): Amount | null;
  /** When prices of a model changed, epoch ms, each once. */
  changes(models: ReadonlySet<string>): readonly number[];
}

/** A price book of all prices that ever were. */
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
