import { spanText } from '../../core/text.ts';
import { failedOf, FAILURES } from '../../loadtest/figures.ts';
import type { Ends, Failure, Quantiles, SpanReport } from '../../loadtest/figures.ts';
import type { Ending, LoadReport } from '../../loadtest/load.ts';
import { countText, latencyText, numberText, offsetText, percentText } from '../terminal/format.ts';
import { clean, cleanAll, painter, table, widthOf, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import type { LoadPlan } from './plan.ts';

/** The names of the failure kinds for people and programs. */
export const FAILURE_NAMES: Readonly<Record<Failure, string>> = {
  refused: '429',
  server: '5xx',
  connection: 'connection',
  timeout: 'timeout',
  other: 'other',
};

const ENDINGS: Readonly<Record<Ending, string>> = {
  time: 'ran to its end',
  calls: 'ended at --max-calls',
  trace: 'played its trace to the end',
  stopped: 'was stopped',
};

/** Calls per second, for people: `4.2`, `120`. */
export function rateText(calls: number, ms: number): string {
  const rate = ms > 0 ? (calls * 1_000) / ms : 0;
  return rate < 100 ? rate.toFixed(1) : numberText(rate);
}

/** A short description of a load test. */
export function shapeText({ trace, concurrency, durationMs, rampMs, agents, isStreamed }: LoadPlan): string {
  const streams = isStreamed ? ', streamed' : '';
  const names = countText(agents, 'agent');
  if (trace !== null) return `${countText(trace.length, 'call')} of a trace by ${names}${streams}`;
  const ramp = rampMs === 0 ? '' : ` after a ramp of ${spanText(rampMs)}`;
  return `${numberText(concurrency)} at once by ${names} for ${spanText(durationMs)}${ramp}${streams}`;
}

/** Failures by kind, only kinds that occurred: `429 10 (0.5 %)`. */
export function failuresText(ends: Ends): string {
  const ended = failedOf(ends) + ends.ok;
  const kinds = FAILURES.filter((kind) => ends[kind] > 0);
  const counts = kinds.map(
    (kind) => `${FAILURE_NAMES[kind]} ${numberText(ends[kind])} (${percentText(ends[kind] / ended)})`,
  );
  return counts.length === 0 ? 'none' : counts.join(', ');
}

/** The report for a terminal. */
export function renderReport(report: LoadReport, plan: LoadPlan): string {
  const paint = painter(process.stdout);
  const width = widthOf(process.stdout);
  const entry = (label: string, text: string) =>
    wrap(text, width - LABEL).map((line, i) => `${paint.dim((i === 0 ? label : '').padEnd(LABEL))}${line}`);
  const { total, endedBy, lengthMs } = report;
  const length = lengthMs < 10_000 ? latencyText(lengthMs) : spanText(lengthMs);
  const head = `the load test ${ENDINGS[endedBy]} after ${length}: ${shapeText(plan)}`;
  return [
    ...wrap(head, width),
    '',
    ...entry('url', clean(plan.url.href)),
    ...entry('model', clean(plan.model)),
    ...entry('calls', callsText(report, plan)),
    ...entry(
      'failed',
      total.errorShare === 0 ? 'none' : `${percentText(total.errorShare)}: ${failuresText(total.ends)}`,
    ),
    ...report.reasons.flatMap(({ reason, count }) => entry('', clean(`${numberText(count)} x ${reason}`))),
    ...entry('retries', retriesText(report)),
    ...(plan.trace === null ? [] : entry('sending', `at most ${latencyText(report.latestMs)} behind the trace`)),
    '',
    ...times(total, plan.isStreamed, paint),
    '',
    ...windows(report, plan, paint),
  ].join('\n');
}

const LABEL = 13;

function callsText({ total, lengthMs }: LoadReport, { trace }: LoadPlan): string {
  const { calls, ends, peakInFlight } = total;
  const cut = ends.cut === 0 ? '' : `, ${numberText(ends.cut)} cut off at the end`;
  const left = trace !== null && calls < trace.length ? ` of ${numberText(trace.length)}` : '';
  return `${numberText(calls)}${left}, ${rateText(calls, lengthMs)} a second, at most ${numberText(peakInFlight)} in flight; ${numberText(ends.ok)} succeeded${cut}`;
}

function retriesText({ total, furtherAttempts, retryShare }: LoadReport): string {
  if (total.retries + furtherAttempts === 0) return 'none';
  const own = `${numberText(total.retries)} of its own`;
  return `${percentText(retryShare)} of all attempts: ${own}, ${numberText(furtherAttempts)} by the gateway`;
}

function times({ latencyMs, firstTokenMs }: SpanReport, isStreamed: boolean, paint: Paint): string[] {
  const cells = (quantiles: Quantiles | null) =>
    (['p50', 'p95', 'p99'] as const).map((name) => latencyText(quantiles?.[name] ?? null));
  const rows = [['latency', ...cells(latencyMs)], ...(isStreamed ? [['first token', ...cells(firstTokenMs)]] : [])];
  const columns = [{ title: '' }, ...['p50', 'p95', 'p99'].map((title) => ({ title, side: 'right' as const }))];
  return table(columns, rows, paint);
}

/** The most windows in the terminal report; --json has all. */
const LISTED = 24;

function windows({ total, windows, lengthMs }: LoadReport, { windowMs }: LoadPlan, paint: Paint): string[] {
  const kinds = FAILURES.filter((kind) => total.ends[kind] > 0);
  const names = ['requests', 'a second', ...kinds.map((kind) => FAILURE_NAMES[kind]), 'p50', 'p95'];
  const columns = [{ title: 'from' }, ...names.map((title) => ({ title, side: 'right' as const }))];
  const rows = windows.slice(0, LISTED).map((span, i) => {
    const from = i * windowMs;
    return [
      offsetText(from),
      numberText(span.requests),
      rateText(span.requests, Math.min(lengthMs - from, windowMs)),
      ...kinds.map((kind) => numberText(span.ends[kind])),
      latencyText(span.latencyMs?.p50 ?? null),
      latencyText(span.latencyMs?.p95 ?? null),
    ];
  });
  const more =
    windows.length > LISTED ? [paint.dim(`${windows.length - LISTED} more windows: see --json or --html`)] : [];
  return [...table(columns, rows, paint), ...more];
}

/** The report for programs. */
export function toJson(report: LoadReport, plan: LoadPlan): unknown {
  const { total, furtherAttempts, lengthMs } = report;
  return cleanAll({
    url: plan.url.href,
    model: plan.model,
    loop: plan.trace === null ? 'closed' : 'open',
    concurrency: plan.concurrency,
    agents: plan.agents,
    durationMs: plan.durationMs,
    startedAt: Math.round(report.startedAt),
    lengthMs: Math.round(lengthMs),
    endedBy: report.endedBy,
    planned: plan.trace?.length ?? null,
    ...endsOf(total),
    callsPerSecond: lengthMs > 0 ? Math.round((total.calls * 1e6) / lengthMs) / 1e3 : 0,
    requests: total.requests,
    retries: { own: total.retries, upstream: furtherAttempts, share: report.retryShare },
    byStatus: report.byStatus,
    latestMs: Math.round(report.latestMs),
    reasons: report.reasons,
    windowMs: plan.windowMs,
    windows: report.windows.map((span, i) => {
      return { fromMs: i * plan.windowMs, ...endsOf(span), requests: span.requests, retries: span.retries };
    }),
  });
}

function endsOf({ calls, ends, errorShare, latencyMs, firstTokenMs, peakInFlight }: SpanReport): object {
  return {
    calls,
    succeeded: ends.ok,
    failed: failedOf(ends),
    cut: ends.cut,
    errorShare,
    errors: Object.fromEntries(FAILURES.map((kind) => [FAILURE_NAMES[kind], ends[kind]])),
    latencyMs,
    firstTokenMs,
    peakInFlight,
  };
}
