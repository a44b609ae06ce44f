/** The usage of one account, model, provider and day (UTC), as the bill counts it. */
export interface Usage {
  readonly payer: string;
  /** `2026-11-24` */
  readonly day: string;
  readonly model: string;
  readonly provider: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Dollars per million tokens, times tokens: micro-dollars. */
  readonly micros: number;
}

/** The router's record of the calls that it served. */
export interface UsageBook {
  add(use: Omit<Usage, 'requests'>): void;
  list(): readonly Usage[];
}

export function createUsageBook(kept: readonly Usage[]): UsageBook {
  const rows = new Map<string, Usage>();
  const keyOf = ({ payer, day, model, provider }: Omit<Usage, 'requests'>) => [payer, day, model, provider].join(' ');
  for (const use of kept) rows.set(keyOf(use), use);
  return {
    add(use) {
      const before = rows.get(keyOf(use));
      rows.set(keyOf(use), {
        ...use,
        requests: (before?.requests ?? 0) + 1,
        inputTokens: (before?.inputTokens ?? 0) + use.inputTokens,
        outputTokens: (before?.outputTokens ?? 0) + use.outputTokens,
        micros: (before?.micros ?? 0) + use.micros,
      });
    },
    list: () => [...rows.values()],
  };
}
