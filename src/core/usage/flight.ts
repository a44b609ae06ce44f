/** The concurrency of calls over time. */
export interface InFlight {
  readonly mean: number;
  readonly p95: number;
  readonly peak: number;
}

/**
 * Computes the concurrency in a span from the times at which calls began and ended, in any order. Times outside the
 * span are cut off. If a call ends at the moment another begins, the two are not in flight at once.
 */
export function inFlightOf(
  begins: Float64Array,
  ends: Float64Array,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): InFlight {
  const [starts, stops] = [begins.toSorted(), ends.toSorted()];
  /** For each concurrency, how long it lasted, ms. */
  const lasted: number[] = [];
  let [level, peak, at] = [0, 0, fromMs];
  const pass = (untilNext: number) => {
    const next = Math.min(untilMs, Math.max(at, untilNext));
    lasted[level] = (lasted[level] ?? 0) + next - at;
    if (next > at) peak = Math.max(peak, level);
    at = next;
  };
  for (let [start, stop] = [0, 0]; stop < stops.length;) {
    const [begun, ended] = [starts[start] ?? Number.POSITIVE_INFINITY, stops[stop] as number];
    pass(Math.min(begun, ended));
    if (ended <= begun && level > 0) {
      level--;
      stop++;
    } else {
      level++;
      start++;
    }
  }
  pass(untilMs);
  return { ...spreadOf(lasted), peak };
}

function spreadOf(lasted: readonly (number | undefined)[]): Omit<InFlight, 'peak'> {
  let [all, sum] = [0, 0];
  for (const [level, ms = 0] of lasted.entries()) {
    all += ms;
    sum += level * ms;
  }
  if (all === 0) return { mean: 0, p95: 0 };
  let [seen, p95] = [0, 0];
  for (const [level, ms = 0] of lasted.entries()) {
    if (seen < 0.95 * all) p95 = level;
    seen += ms;
  }
  return { mean: sum / all, p95 };
}
