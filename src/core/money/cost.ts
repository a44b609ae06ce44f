import { MINUTE_MS } from '../time.ts';
import type { MonthForecast } from './month.ts';
import type { Amount, PriceBook, Tokens } from './price-book.ts';

/**
 * Calls that one upstream answered successfully in one span: what they have in common, and their sums. Times in epoch
 * ms.
 */
export interface UsageRow {
  readonly fromAt: number;
  readonly untilAt: number;
  readonly model: string;
  readonly upstream: 'serverless' | 'dedicated';
  /** They were the endpoint's, which had no room for them. */
  readonly isOverflow: boolean;
  /** Null if it is not known which provider served them behind the router. */
  readonly provider: string | null;
  /** Null unless the report is by agent. */
  readonly agent: string | null;
  /** Whether calls of this kind are priced by tokens. Images and speech are not. */
  readonly hasTokens: boolean;
  readonly calls: number;
  /** Calls whose answers reported their tokens, and the sums of those tokens. */
  readonly toldCalls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Bytes of the calls whose answers did not report tokens. */
  readonly untoldRequestBytes: number;
  readonly untoldResponseBytes: number;
}

/** Minutes of an endpoint in which it was the same, as in the cost records. */
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

/** What one upstream has cost, and for what. Money in micro-dollars. */
export interface SideCost {
  readonly calls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly micros: number;
  /** The part of `micros` that is an estimate. */
  readonly estimatedMicros: number;
  /** Calls without a known price, and calls that are not priced by tokens. `micros` does not include them. */
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
  /** What an endpoint costs per hour with all its replicas: the mean of its billed minutes. */
  readonly ratePerHourMicros: number;
  readonly replicas: number;
  /** What a call costs on serverless. */
  readonly perCallMicros: number;
  /** The endpoint is cheaper if there are more calls per minute than this. Null if serverless costs nothing. */
  readonly callsPerMinute: number | null;
  readonly actualCallsPerMinute: number;
}

/** One model's costs on both upstreams. */
export interface RouteCost {
  readonly model: string;
  readonly serverless: SideCost;
  readonly dedicated: DedicatedCost;
  /** What all of its calls would have cost on one upstream. Estimates. Null if no price is known. */
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

/** What both upstreams cost in a span. */
export interface CostReport {
  readonly from: number;
  readonly until: number;
  readonly serverless: SideCost;
  /** The part of `serverless` that endpoints had no room for. */
  readonly overflow: SideCost;
  readonly dedicated: DedicatedCost;
  readonly totalMicros: number;
  /**
   * What was saved compared with all calls on serverless. Negative if the endpoints cost more. Null if no price is
   * known.
   */
  readonly savedMicros: number | null;
  readonly routes: readonly RouteCost[];
  readonly by: CostGrouping;
  readonly lines: readonly CostLine[];
  /** By day, the oldest first. */
  readonly days: readonly CostLine[];
  readonly month: MonthForecast | null;
  /** Hugging Face's own bill for serverless, in whole days. It includes all callers of the organization. */
  readonly bills: readonly BillLine[];
}

export const COST_GROUPINGS = ['day', 'route', 'agent', 'upstream'] as const;
export type CostGrouping = (typeof COST_GROUPINGS)[number];

/** What some calls cost on serverless, and how much of it is an estimate. */
interface Priced extends Amount {
  readonly unpricedCalls: number;
  readonly tokens: Tokens;
}

/** By model: the mean tokens of the calls whose answers reported them. They estimate the tokens of the other calls. */
export type MeanTokens = ReadonlyMap<string, Tokens>;

/** A token is about four bytes, at least in English. */
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
  const reported = [...sums].filter(([, { calls }]) => calls > 0);
  return new Map(
    reported.map(([model, { calls, ...sum }]) => [model, { prompt: sum.prompt / calls, output: sum.output / calls }]),
  );
}

/**
 * What a row's calls cost or would cost on serverless, on whichever upstream they were served: their tokens at the price in
 * force at the start of the row. If a call reported no tokens, they are estimated by the model's mean, else by its bytes.
 */
export function onServerless(row: UsageRow, book: PriceBook, means: MeanTokens): Priced {
  const reported = { prompt: row.promptTokens, output: row.outputTokens };
  const unreportedCalls = row.calls - row.toldCalls;
  if (!row.hasTokens) return { micros: 0, estimatedMicros: 0, unpricedCalls: row.calls, tokens: reported };
  const at = row.fromAt;
  const provider = row.upstream === 'serverless' ? row.provider : null;
  const exact = book.cost(row.model, provider, at, reported);
  if (exact === null) return { micros: 0, estimatedMicros: 0, unpricedCalls: row.calls, tokens: reported };
  const mean = means.get(row.model);
  const estimated =
    mean === undefined
      ? { prompt: row.untoldRequestBytes / BYTES_PER_TOKEN, output: row.untoldResponseBytes / BYTES_PER_TOKEN }
      : { prompt: mean.prompt * unreportedCalls, output: mean.output * unreportedCalls };
  const extra = unreportedCalls === 0 ? 0 : (book.cost(row.model, provider, at, estimated)?.micros ?? 0);
  return {
    micros: exact.micros + extra,
    estimatedMicros: exact.estimatedMicros + extra,
    unpricedCalls: 0,
    tokens: reported,
  };
}

/** What minutes of an endpoint cost, micro-dollars, not rounded. */
export function onEndpoint({ fromMinute, untilMinute, replicas, priceMicros }: EndpointUse): number {
  return ((untilMinute - fromMinute) * replicas * (priceMicros ?? 0)) / 60;
}

/** The part of some minutes that begins in a span of time, epoch ms. Null if no minute does. */
export function within(use: EndpointUse, from: number, until: number): EndpointUse | null {
  const fromMinute = Math.max(use.fromMinute, Math.ceil(from / MINUTE_MS));
  const untilMinute = Math.min(use.untilMinute, Math.ceil(until / MINUTE_MS));
  return untilMinute > fromMinute ? { ...use, fromMinute, untilMinute } : null;
}
