import { DAY_MS, MINUTE_MS, dayOf, monthOf } from '../time.ts';
import { meanTokens, onEndpoint, onServerless, within } from './cost.ts';
import type {
  BillLine,
  BreakEven,
  CostGrouping,
  CostLine,
  CostReport,
  DedicatedCost,
  EndpointUse,
  MeanTokens,
  RouteCost,
  SideCost,
  UsageRow,
} from './cost.ts';
import { BASIS_MS, forecastMonth } from './month.ts';
import type { PriceBook } from './price-book.ts';

/** The input of a report. Times in epoch ms. No row's span contains `from`, midnight UTC or `now` inside it. */
export interface CostInput {
  readonly from: number;
  readonly now: number;
  /** When the cost records begin. Null if there are none. */
  readonly begin: number | null;
  /** It also has the days before `from` that the month's forecast needs. */
  readonly usage: readonly UsageRow[];
  readonly endpoints: readonly EndpointUse[];
  readonly book: PriceBook;
  readonly bills: readonly BillLine[];
  readonly by: CostGrouping;
}

interface Costing {
  readonly book: PriceBook;
  readonly means: MeanTokens;
}

/** The first time that a report must read, epoch ms. It may be before `from`, because the forecast needs more days. */
export function readsFrom(from: number, now: number): number {
  return Math.min(from, monthOf(now).from, now - BASIS_MS);
}

/** Sums what both upstreams cost, and what the same calls would have cost on only one of them. */
export function costReport(input: CostInput): CostReport {
  const { from, now, begin, book, by, bills } = input;
  const costing = { book, means: meanTokens(input.usage) };
  const usage = input.usage.filter((row) => row.fromAt >= from && row.fromAt < now);
  const endpoints = input.endpoints.flatMap((use) => within(use, from, now) ?? []);
  const minutes = Math.max(1, (now - Math.max(from, begin ?? now)) / MINUTE_MS);
  const models = [...new Set([...usage, ...endpoints].map(({ model }) => model))];
  const routes = models
    .map((model) => {
      const mine = <T extends { readonly model: string }>(rows: readonly T[]) =>
        rows.filter((row) => row.model === model);
      // The rate of an endpoint can be known from earlier endpoints too.
      return routeCost(
        model,
        { usage: mine(usage), uses: mine(endpoints), known: mine(input.endpoints), minutes },
        costing,
      );
    })
    .sort((a, b) => spentOn(b) - spentOn(a));
  const serverless = sideCost(usage, 'serverless', costing);
  const dedicated = dedicatedCost(usage, endpoints);
  const overflowing = usage.filter(({ isOverflow }) => isOverflow);
  return {
    from,
    until: now,
    serverless,
    overflow: sideCost(overflowing, 'serverless', costing),
    dedicated,
    totalMicros: serverless.micros + dedicated.micros,
    savedMicros: savedOn(routes),
    routes,
    by,
    lines: by === 'day' ? linesByDay(usage, endpoints, costing) : linesBy(by, usage, endpoints, costing),
    days: linesByDay(usage, endpoints, costing),
    month: begin === null ? null : month({ ...input, begin }, costing),
    bills,
  };
}

function spentOn({ serverless, dedicated }: RouteCost): number {
  return serverless.micros + dedicated.micros;
}

function savedOn(routes: readonly RouteCost[]): number | null {
  const moved = routes.filter(({ dedicated }) => dedicated.micros > 0);
  if (moved.length === 0 || moved.some((route) => route.allServerlessMicros === null)) return null;
  return moved.reduce((sum, route) => sum + (route.allServerlessMicros as number) - spentOn(route), 0);
}

function sideCost(rows: readonly UsageRow[], side: UsageRow['upstream'], { book, means }: Costing): SideCost {
  const sum = { calls: 0, promptTokens: 0, outputTokens: 0, micros: 0, estimatedMicros: 0, unpricedCalls: 0 };
  for (const row of rows) {
    if (row.upstream !== side) continue;
    sum.calls += row.calls;
    sum.promptTokens += row.promptTokens;
    sum.outputTokens += row.outputTokens;
    const priced = onServerless(row, book, means);
    sum.micros += priced.micros;
    sum.estimatedMicros += priced.estimatedMicros;
    sum.unpricedCalls += priced.unpricedCalls;
  }
  return withRates({ ...sum, micros: Math.round(sum.micros), estimatedMicros: Math.round(sum.estimatedMicros) });
}

function withRates<T extends Omit<SideCost, 'per1000CallsMicros' | 'perMillionTokensMicros'>>(sum: T) {
  const calls = sum.calls - sum.unpricedCalls;
  const tokens = sum.promptTokens + sum.outputTokens;
  return {
    ...sum,
    per1000CallsMicros: calls <= 0 ? null : Math.round((sum.micros * 1_000) / calls),
    perMillionTokensMicros: tokens === 0 ? null : Math.round((sum.micros * 1_000_000) / tokens),
  };
}

function dedicatedCost(rows: readonly UsageRow[], uses: readonly EndpointUse[]): DedicatedCost {
  const mine = rows.filter((row) => row.upstream === 'dedicated');
  const add = (of: (row: UsageRow) => number) => mine.reduce((sum, row) => sum + of(row), 0);
  const billed = uses.filter(({ replicas }) => replicas > 0);
  const minutes = (some: readonly EndpointUse[]) =>
    some.reduce((sum, { fromMinute, untilMinute }) => sum + untilMinute - fromMinute, 0);
  const money = (some: readonly EndpointUse[]) => Math.round(some.reduce((sum, use) => sum + onEndpoint(use), 0));
  return withRates({
    calls: add(({ calls }) => calls),
    promptTokens: add(({ promptTokens }) => promptTokens),
    outputTokens: add(({ outputTokens }) => outputTokens),
    micros: money(billed),
    estimatedMicros: money(billed.filter(({ isEstimate }) => isEstimate)),
    unpricedCalls: 0,
    billedMinutes: minutes(billed),
    minutesWithoutPrice: minutes(billed.filter(({ priceMicros }) => priceMicros === null)),
  });
}

interface RouteRows {
  readonly usage: readonly UsageRow[];
  readonly uses: readonly EndpointUse[];
  readonly known: readonly EndpointUse[];
  readonly minutes: number;
}

function routeCost(model: string, { usage, uses, known, minutes }: RouteRows, costing: Costing): RouteCost {
  const serverless = sideCost(usage, 'serverless', costing);
  // The endpoint's calls at the prices of serverless.
  const moved = sideCost(usage, 'dedicated', costing);
  const priced = serverless.calls + moved.calls - serverless.unpricedCalls - moved.unpricedCalls;
  const all = serverless.micros + moved.micros;
  const rate = rateOf(uses) ?? rateOf(known);
  return {
    model,
    serverless,
    dedicated: dedicatedCost(usage, uses),
    allServerlessMicros: priced > 0 && moved.unpricedCalls === 0 ? all : null,
    allDedicatedMicros: rate === null ? null : Math.round((rate.ratePerHourMicros * minutes) / 60),
    breakEven:
      rate === null || priced <= 0 ? null : breakEven(rate, all / priced, (serverless.calls + moved.calls) / minutes),
  };
}

function breakEven(
  rate: Pick<BreakEven, 'ratePerHourMicros' | 'replicas'>,
  perCall: number,
  actual: number,
): BreakEven {
  return {
    ...rate,
    perCallMicros: perCall,
    callsPerMinute: perCall > 0 ? rate.ratePerHourMicros / 60 / perCall : null,
    actualCallsPerMinute: actual,
  };
}

/** What an endpoint costs per hour: the mean of its billed minutes. Null if no price is known. */
function rateOf(uses: readonly EndpointUse[]): Pick<BreakEven, 'ratePerHourMicros' | 'replicas'> | null {
  const billed = uses.filter(({ replicas, priceMicros }) => replicas > 0 && priceMicros !== null);
  const minutes = billed.reduce((sum, { fromMinute, untilMinute }) => sum + untilMinute - fromMinute, 0);
  if (minutes === 0) return null;
  const mean = (of: (use: EndpointUse) => number) =>
    billed.reduce((sum, use) => sum + (use.untilMinute - use.fromMinute) * of(use), 0) / minutes;
  return {
    ratePerHourMicros: Math.round(mean(({ replicas, priceMicros }) => replicas * (priceMicros ?? 0))),
    replicas: mean(({ replicas }) => replicas),
  };
}

class Lines {
  readonly #lines = new Map<string, { -readonly [K in keyof CostLine]: CostLine[K] }>();

  add(key: string, more: Partial<Omit<CostLine, 'key'>>): void {
    const empty = { key, calls: 0, serverlessMicros: 0, dedicatedMicros: 0, estimatedMicros: 0 };
    const line = this.#lines.get(key) ?? empty;
    this.#lines.set(key, line);
    line.calls += more.calls ?? 0;
    line.serverlessMicros += more.serverlessMicros ?? 0;
    line.dedicatedMicros += more.dedicatedMicros ?? 0;
    line.estimatedMicros += more.estimatedMicros ?? 0;
  }

  list(): CostLine[] {
    return [...this.#lines.values()].map((line) => ({
      ...line,
      serverlessMicros: Math.round(line.serverlessMicros),
      dedicatedMicros: Math.round(line.dedicatedMicros),
      estimatedMicros: Math.round(line.estimatedMicros),
    }));
  }
}

function addCalls(lines: Lines, key: string, row: UsageRow, { book, means }: Costing): void {
  if (row.upstream === 'dedicated') return lines.add(key, { calls: row.calls });
  const { micros, estimatedMicros } = onServerless(row, book, means);
  lines.add(key, { calls: row.calls, serverlessMicros: micros, estimatedMicros });
}

function addUse(lines: Lines, key: string, use: EndpointUse, share = 1): void {
  const micros = onEndpoint(use) * share;
  lines.add(key, { dedicatedMicros: micros, estimatedMicros: use.isEstimate ? micros : 0 });
}

function linesByDay(usage: readonly UsageRow[], endpoints: readonly EndpointUse[], costing: Costing): CostLine[] {
  const lines = new Lines();
  for (const row of usage) addCalls(lines, dayOf(row.fromAt), row, costing);
  for (const use of endpoints) {
    const first = Math.floor((use.fromMinute * MINUTE_MS) / DAY_MS) * DAY_MS;
    for (let day = first; day < use.untilMinute * MINUTE_MS; day += DAY_MS) {
      const part = within(use, day, day + DAY_MS);
      if (part !== null) addUse(lines, dayOf(day), part);
    }
  }
  return lines.list().sort((a, b) => a.key.localeCompare(b.key));
}

/** If `by` is `agent`, an endpoint's cost is divided among the agents by their calls on it. */
function linesBy(
  by: Exclude<CostGrouping, 'day'>,
  usage: readonly UsageRow[],
  endpoints: readonly EndpointUse[],
  costing: Costing,
): CostLine[] {
  const lines = new Lines();
  const moved = usage.filter((row) => row.upstream === 'dedicated');
  for (const row of usage) addCalls(lines, keyOf(by, row), row, costing);
  for (const use of endpoints) {
    const callers = by === 'agent' ? moved.filter((row) => row.model === use.model) : [];
    const calls = callers.reduce((sum, row) => sum + row.calls, 0);
    for (const row of callers) addUse(lines, keyOf(by, row), use, row.calls / calls);
    if (by === 'agent' && callers.length === 0) addUse(lines, `(no calls) ${use.model}`, use);
    if (by !== 'agent') addUse(lines, by === 'route' ? use.model : `endpoint for ${use.model}`, use);
  }
  const money = (line: CostLine) => line.serverlessMicros + line.dedicatedMicros;
  return lines.list().sort((a, b) => money(b) - money(a) || b.calls - a.calls);
}

function keyOf(by: Exclude<CostGrouping, 'day'>, row: UsageRow): string {
  if (by === 'route') return row.model;
  if (by === 'agent') return row.agent ?? '';
  return row.upstream === 'dedicated' ? `endpoint for ${row.model}` : `serverless ${row.provider ?? '(not reported)'}`;
}

function month({ now, begin, usage, endpoints }: CostInput & { readonly begin: number }, { book, means }: Costing) {
  // The row in which the cost records begin starts at midnight, so it may begin before `from`. No other row does.
  const spentSince = (from: number) => {
    const calls = usage.filter((row) => row.untilAt > from && row.upstream === 'serverless');
    const uses = endpoints.flatMap((use) => within(use, from, now) ?? []);
    return (
      calls.reduce((sum, row) => sum + onServerless(row, book, means).micros, 0) +
      uses.reduce((sum, use) => sum + onEndpoint(use), 0)
    );
  };
  const from = Math.max(begin, now - BASIS_MS);
  return forecastMonth(now, spentSince(monthOf(now).from), { from, micros: spentSince(from) });
}
