import { MINUTE_MS } from '../time.ts';
import type { MonthForecast } from './month.ts';
import type { Amount, PriceBook, Tokens } from './price-book.ts';

/** Calls that an upstream answered well in one span: what they have in common, and their sums. Epoch ms. */
export interface UsageRow {
  readonly fromAt: number;
  readonly untilAt: number;
  readonly model: string;
  readonly upstream: 'serverless' | 'dedicated';
  /** Null where it is not known who served behind the router. */
  readonly provider: string | null;
  /** Null unless agents were asked for. */
  readonly agent: string | null;
  /** Whether calls of this kind are priced by tokens: pictures and speech are not. */
  readonly hasTokens: boolean;
  readonly calls: number;
  /** Calls whose answers told their tokens, and these. */
  readonly toldCalls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Bytes of the calls that told nothing. */
  readonly untoldRequestBytes: number;
  readonly untoldResponseBytes: number;
}

/** Minutes of an endpoint in which it was the same; as in the books. */
export interface EndpointUse {
  readonly model: string;
  readonly name: string;
  readonly fromMinute: number;
  readonly untilMinute: number;
  readonly replicas: number;
  readonly priceMicros: number | null;
  readonly isEstimate: boolean;
}

/** A line of an organization's bill for serverless. */
export interface BillLine {
  readonly org: string;
  /** e.g. `2026-11-24` */
  readonly day: string;
  readonly model: string;
  readonly provider: string;
  readonly calls: number;
  readonly micros: number;
}

/** What one side has cost, and for what. Money in micro-dollars. */
export interface SideCost {
  readonly calls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly micros: number;
  /** The part of it that is an estimate. */
  readonly estimatedMicros: number;
  /** Calls for which no price is known, or that are not priced by tokens: they are in no sum. */
  readonly unpricedCalls: number;
  readonly per1000CallsMicros: number | null;
  readonly perMillionTokensMicros: number | null;
}

export interface DedicatedCost extends SideCost {
  readonly billedMinutes: number;
  readonly minutesWithoutPrice: number;
}

/** When an endpoint is cheaper than serverless. */
export interface BreakEven {
  /** An endpoint's price for an hour, all replicas, and where that is known from. */
  readonly ratePerHourMicros: number;
  readonly replicas: number;
  /** What a call costs on serverless. */
  readonly perCallMicros: number;
  /** With more calls a minute than this the endpoint is cheaper. Null where serverless costs nothing. */
  readonly callsPerMinute: number | null;
  readonly actualCallsPerMinute: number;
}

/** One model's costs on both sides. */
export interface RouteCost {
  readonly model: string;
  readonly serverless: SideCost;
  readonly dedicated: DedicatedCost;
  /** What all of its calls would have cost on one side. Estimates; null where no price is known. */
  readonly allServerlessMicros: number | null;
  readonly allDedicatedMicros: number | null;
  readonly breakEven: BreakEven | null;
}

/** One line of the table: a day, a route, an agent or an upstream. */
export interface CostLine {
  readonly key: string;
  readonly calls: number;
  readonly serverlessMicros: number;
  readonly dedicatedMicros: number;
  readonly estimatedMicros: number;
}

/** What both sides cost in a span. */
export interface CostReport {
  readonly from: number;
  readonly until: number;
  readonly serverless: SideCost;
  readonly dedicated: DedicatedCost;
  readonly totalMicros: number;
  /** What was saved against all on serverless; below 0 where the endpoints cost more. Null where no price is known. */
  readonly savedMicros: number | null;
  readonly routes: readonly RouteCost[];
  readonly by: CostGrouping;
  readonly lines: readonly CostLine[];
  /** By day, the oldest first. */
  readonly days: readonly CostLine[];
  readonly month: MonthForecast | null;
  /** What Hugging Face itself says of serverless, for whole days; all callers of the organization are in it. */
  readonly bills: readonly BillLine[];
}

export const COST_GROUPINGS = ['day', 'route', 'agent', 'upstream'] as const;
export type CostGrouping = (typeof COST_GROUPINGS)[number];

/** What some calls of serverless's cost, and how it is known. */
interface Priced extends Amount {
  readonly unpricedCalls: number;
  readonly tokens: Tokens;
}

/** Tokens that a call has where its answer did not say, by model: the mean of those that did. */
export type MeanTokens = ReadonlyMap<string, Tokens>;

/** About four bytes make a token, in English at least. */
const BYTES_PER_TOKEN = 4;

export function meanTokens(rows: readonly UsageRow[]): MeanTokens {
  const sums = new Map<string, { calls: number; prompt: number; output: number }>();
  for (const { model, toldCalls, promptTokens, outputTokens } of rows) {
    const sum = sums.get(model) ?? { calls: 0, prompt: 0, output: 0 };
    sums.set(model, sum);
    sum.calls += toldCalls;
    sum.prompt += promptTokens;
    sum.output += outputTokens;
  }
  const told = [...sums].filter(([, { calls }]) => calls > 0);
  return new Map(
    told.map(([model, { calls, ...sum }]) => [model, { prompt: sum.prompt / calls, output: sum.output / calls }]),
  );
}

/**
 * What a row's calls cost on serverless, whoever served them: tokens at the price in force when they ended. The tokens of
 * calls that told none are estimated by the model's mean, else by their bytes.
 */
export function onServerless(row: UsageRow, book: PriceBook, means: MeanTokens): Priced {
  const told = { prompt: row.promptTokens, output: row.outputTokens };
  const untoldCalls = row.calls - row.toldCalls;
  if (!row.hasTokens) return { micros: 0, estimatedMicros: 0, unpricedCalls: row.calls, tokens: told };
  const at = row.fromAt;
  const provider = row.upstream === 'serverless' ? row.provider : null;
  const exact = book.cost(row.model, provider, at, told);
  if (exact === null) return { micros: 0, estimatedMicros: 0, unpricedCalls: row.calls, tokens: told };
  const mean = means.get(row.model);
  const thought =
    mean === undefined
      ? { prompt: row.untoldRequestBytes / BYTES_PER_TOKEN, output: row.untoldResponseBytes / BYTES_PER_TOKEN }
      : { prompt: mean.prompt * untoldCalls, output: mean.output * untoldCalls };
  const extra = untoldCalls === 0 ? 0 : (book.cost(row.model, provider, at, thought)?.micros ?? 0);
  return {
    micros: exact.micros + extra,
    estimatedMicros: exact.estimatedMicros + extra,
    unpricedCalls: 0,
    tokens: told,
  };
}

/** What minutes of an endpoint cost, micro-dollars: not rounded. */
export function onEndpoint({ fromMinute, untilMinute, replicas, priceMicros }: EndpointUse): number {
  return ((untilMinute - fromMinute) * replicas * (priceMicros ?? 0)) / 60;
}

/** The part of some minutes that lies in a span of time, epoch ms; null where none does. A minute belongs to its beginning. */
export function within(use: EndpointUse, from: number, until: number): EndpointUse | null {
  const fromMinute = Math.max(use.fromMinute, Math.ceil(from / MINUTE_MS));
  const untilMinute = Math.min(use.untilMinute, Math.ceil(until / MINUTE_MS));
  return untilMinute > fromMinute ? { ...use, fromMinute, untilMinute } : null;
}
