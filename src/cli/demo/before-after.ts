import { minuteOf } from '../../core/money/books.ts';
import { meanTokens, onEndpoint, onServerless } from '../../core/money/cost.ts';
import { priceBook } from '../../core/money/price-book.ts';
import { moneyText } from '../../core/money/text.ts';
import { HOUR_MS } from '../../core/time.ts';
import { spanFigures } from '../../ledger/calls/span-figures.ts';
import type { SpanFigures } from '../../ledger/calls/span-figures.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import type { EventRow } from '../../ledger/journal/rows.ts';
import { endpointsSince, usageBetween } from '../../ledger/money/costs.ts';
import { listPrices } from '../../ledger/money/prices.ts';
import { latencyText, numberText, percentText } from '../terminal/format.ts';
import { table } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

/** What the agents got in one part of the run, and what it cost. */
export interface PartFigures extends SpanFigures {
  /** What each side cost for an hour of the clock, dollars. */
  readonly serverlessPerHour: number;
  readonly endpointPerHour: number;
}

/** The two parts that a migration separates. */
export interface BeforeAfter {
  /** Until the endpoint got its first share of the calls; the whole run if it never did. Null if nothing was called. */
  readonly before: PartFigures | null;
  /** From the promotion to the end of the run; null without one. */
  readonly after: PartFigures | null;
}

/** Where the parts of a run begin and end, epoch ms of clock time. Null for a part that the run does not have. */
export function partsOf(
  timeline: readonly Pick<EventRow, 'type' | 'at'>[],
  { from, until }: { readonly from: number; readonly until: number },
): { readonly before: readonly [number, number] | null; readonly after: readonly [number, number] | null } {
  const step = timeline.find(({ type }) => type === 'step_entered')?.at ?? until;
  const promoted = timeline.findLast(({ type }) => type === 'promoted')?.at;
  return {
    before: step > from ? [from, step] : null,
    after: promoted === undefined || promoted >= until ? null : [promoted, until],
  };
}

/** Reads the figures of both parts from the ledger of a run that has ended. */
export function readBeforeAfter(db: LedgerDb, model: string, timeline: readonly EventRow[]): BeforeAfter {
  const run = db
    .prepare<[], { from: number | null; until: number | null }>(
      'SELECT min(ended_at_us - duration_us) / 1e3 AS "from", max(ended_at_us - duration_us) / 1e3 AS until FROM calls',
    )
    .get();
  if (run?.from == null || run.until === null) return { before: null, after: null };
  const { before, after } = partsOf(timeline, { from: run.from, until: run.until });
  const read = (part: readonly [number, number] | null) => part && readPart(db, model, part[0], part[1]);
  return { before: read(before), after: read(after) };
}

function readPart(db: LedgerDb, model: string, from: number, until: number): PartFigures {
  const book = priceBook(listPrices(db));
  const usage = usageBetween(db, [from, until], { byAgent: false, model });
  const means = meanTokens(usage);
  // The first calls are older than the first price that the daemon read, so all are priced as of the end.
  const served = usage.filter(({ upstream }) => upstream === 'serverless');
  const serverless = served.reduce((sum, row) => sum + onServerless({ ...row, fromAt: until }, book, means).micros, 0);
  const [first, last] = [minuteOf(from), minuteOf(until)];
  const endpoint = endpointsSince(db, from, until, model).reduce((sum, use) => {
    const [fromMinute, untilMinute] = [Math.max(first, use.fromMinute), Math.min(last, use.untilMinute)];
    return untilMinute > fromMinute ? sum + onEndpoint({ ...use, fromMinute, untilMinute }) : sum;
  }, 0);
  const perHour = (micros: number, spanMs: number) => (micros * HOUR_MS) / (1e6 * Math.max(1, spanMs));
  return {
    ...spanFigures(db, model, from, until),
    serverlessPerHour: perHour(serverless, until - from),
    // Endpoints are billed for whole minutes.
    endpointPerHour: perHour(endpoint, (last - first) * (HOUR_MS / 60)),
  };
}

/** One part in `demo --json`: shares 0..1, clock ms, dollars for an hour of the clock. Null if the run has no such part. */
export function partJson(part: PartFigures | null): object | null {
  if (part === null) return null;
  const share = (count: number) => count / Math.max(1, part.requests);
  return {
    requests: part.requests,
    refusedByServerlessShare: share(part.refusedUpstream),
    refusedByGatewayShare: share(part.refusedHere),
    heldByGatewayShare: share(part.held),
    p95Ms: part.p95Ms,
    serverlessDollarsPerHour: part.serverlessPerHour,
    endpointDollarsPerHour: part.endpointPerHour,
  };
}

/** Both parts side by side, lines of at most 76 columns; none if the run has no part. */
export function beforeAfterLines({ before, after }: BeforeAfter, paint: Paint): string[] {
  const parts = [before, after].filter((part) => part !== null);
  if (parts.length === 0) return [];
  const titles = [...(before === null ? [] : ['before step 1']), ...(after === null ? [] : ['since promotion'])];
  const row = (name: string, text: (part: PartFigures) => string) => [name, ...parts.map(text)];
  const counted = (name: string, count: (part: PartFigures) => number) =>
    row(
      name,
      (part) => `${numberText(count(part))}  ${percentText(count(part) / Math.max(1, part.requests)).padStart(7)}`,
    );
  const dollars = (value: number) => moneyText(value * 1e6);
  return table(
    ['', ...titles].map((title, i) => ({ title, side: i === 0 ? ('left' as const) : ('right' as const) })),
    [
      row('requests of the agents', ({ requests }) => numberText(requests)),
      counted('429 from serverless', ({ refusedUpstream }) => refusedUpstream),
      counted('429 from the gateway, to keep the limit', ({ refusedHere }) => refusedHere),
      counted('held by the gateway for 1 s, then sent', ({ held }) => held),
      row('answered within (p95)', ({ p95Ms }) => latencyText(p95Ms)),
      row('serverless, an hour', ({ serverlessPerHour }) => dollars(serverlessPerHour)),
      row('endpoint, an hour', ({ endpointPerHour }) => dollars(endpointPerHour)),
    ],
    paint,
  );
}
