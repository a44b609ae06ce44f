import { spanText } from '../../core/text.ts';
import { DAY_MS } from '../../core/time.ts';
import type { DayOfUsage } from '../../core/usage/demand.ts';
import type { InFlight } from '../../core/usage/flight.ts';
import type { AgentUsage, Peak, Usage } from '../../core/usage/usage.ts';
import { dayText, WEEKDAYS } from '../terminal/calendar.ts';
import type { Calendar } from '../terminal/calendar.ts';
import { countText, numberText, percentText } from '../terminal/format.ts';
import { cut, pad, table, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import { entry } from './page.ts';
import { smoothingTexts, usageNext } from './usage-end.ts';

export const BY = ['hour', 'day', 'agent'] as const;
export type UsageBy = (typeof BY)[number];

export interface UsagePage {
  readonly width: number;
  readonly paint: Paint;
  readonly hasColor: boolean;
}

/** What the page shows beside the figures of a route. */
export interface UsageContext {
  readonly calendar: Calendar;
  /** The other routes, the busiest first. */
  readonly others: readonly Usage[];
  /** What a command needs to reach this ledger, with a blank before it; or nothing. */
  readonly suffix: string;
}

const MOST_DAYS = 14;
const MOST_AGENTS = 5;
const MOST_OTHERS = 5;

/** One route's usage as a person reads it, and the others in a line each. */
export function renderUsage(usage: Usage, context: UsageContext, page: UsagePage): string {
  const { calendar, others } = context;
  const isLong = usage.untilMs - usage.fromMs > DAY_MS;
  const rhythm = [
    ...entry('days', dayLines(usage, page), page, true),
    '',
    ...entry('week', weekLines(usage, page), page, true),
  ];
  return [
    ...headLines(usage, calendar, page),
    '',
    ...(isLong ? rhythm : entry('time', timeLines(usage, calendar, page), page, true)),
    '',
    ...entry('peaks', peakLines(usage, calendar, page), page, true),
    '',
    ...entry('agents', agentLines(usage, page), page, true),
    ...entry('at once', flightTexts(usage), page),
    ...entry('tokens', [tokenText(usage, calendar)], page),
    ...smoothingTexts(usage).flatMap(({ label, text }) => entry(label, [text], page)),
    ...otherLines(others, page),
    '',
    ...usageNext(usage, context.suffix, page),
  ].join('\n');
}

/** One table of a route's usage. */
export function renderUsageBy(by: UsageBy, usage: Usage, { calendar, suffix }: UsageContext, page: UsagePage): string {
  const lines = { hour: hourTable, day: dayTable, agent: agentTable }[by](usage, page);
  return [
    ...headLines(usage, calendar, page),
    '',
    ...lines.map((line) => ` ${line}`),
    '',
    ...usageNext(usage, suffix, page),
  ].join('\n');
}

function headLines(usage: Usage, { zone, text }: Calendar, page: UsagePage): string[] {
  const { model, fromMs, untilMs, windowMs, calls, agents, refusedShare, mean, peak } = usage;
  const span = `${text(fromMs)} to ${text(untilMs)} (${longSpan(untilMs - fromMs)}); all times in ${zone}`;
  const demand = `${countText(calls, 'call')} of ${countText(agents, 'agent')}, ${percentText(refusedShare)} refused or delayed`;
  const window = `in ${spanText(windowMs)}: ${numberText(peak)} at most, ${numberText(mean)} on average`;
  const isShort = untilMs - fromMs < DAY_MS;
  const short = isShort ? ['less than a day of calls: a weekly pattern shows after some days'] : [];
  return [page.paint.bold(model), ...entry('span', [span, ...short], page), ...entry('demand', [demand, window], page)];
}

function longSpan(ms: number): string {
  return ms >= 2 * DAY_MS ? `${(ms / DAY_MS).toFixed(1)} days` : spanText(ms);
}

const BARS = '▁▂▃▄▅▆▇█';

/** One sign for each part, as high as its busiest window; a dot for no calls, a blank outside of the span. */
function sparkline(parts: readonly (number | null)[], usage: Usage, page: UsagePage): string {
  return parts
    .map((held) => {
      if (held === null) return ' ';
      if (held === 0) return page.paint.dim('·');
      const height = Math.min(BARS.length - 1, Math.floor((held / usage.peak) * BARS.length));
      return shade(BARS[height] ?? '', held, usage, page);
    })
    .join('');
}

/** In colour, what is above the limit is red, and what comes near it yellow. */
function shade(sign: string, held: number, { smoothing: { limit } }: Usage, { paint }: UsagePage): string {
  if (held > limit.calls) return paint.red(sign);
  return held > 0.75 * limit.calls ? paint.yellow(sign) : paint.cyan(sign);
}

function timeLines(usage: Usage, { text }: Calendar, page: UsagePage): string[] {
  const { timeline, fromMs, untilMs } = usage;
  const part = spanText((untilMs - fromMs) / timeline.length);
  const [from, until] = [text(fromMs), text(untilMs)].map((at) => at.slice(-5)) as [string, string];
  return [
    sparkline(timeline, usage, page),
    page.paint.dim(from + pad(until, timeline.length - from.length, 'right')),
    page.paint.dim(`each sign: the busiest window that ends in those ${part}`),
  ];
}

function dayLines(usage: Usage, page: UsagePage): string[] {
  const days = usage.days.slice(-MOST_DAYS);
  const left = usage.days.length - days.length;
  const more = left === 0 ? [] : [page.paint.dim(`and ${countText(left, 'day')} before: --by day`)];
  return [...dayRows(days, usage, page), ...more];
}

function dayRows(days: readonly DayOfUsage[], usage: Usage, page: UsagePage): string[] {
  const columns = [
    { title: '' },
    { title: '0     6     12    18    ' },
    { title: 'calls', side: 'right' as const },
    { title: `in ${spanText(usage.windowMs)}`, side: 'right' as const },
    { title: '429s', side: 'right' as const },
  ];
  const rows = days.map((day) => [
    dayText(day),
    sparkline(day.hours, usage, page),
    numberText(day.calls),
    numberText(day.fullest),
    refusedText(day),
  ]);
  return table(columns, rows, page.paint);
}

function refusedText({ calls, refused }: { readonly calls: number; readonly refused: number }): string {
  return calls === 0 ? '-' : percentText(refused / calls);
}

const SHADES = ['░', '▒', '▓', '█'];

/** Seven weekdays by twenty-four hours, two columns an hour. */
function weekLines(usage: Usage, page: UsagePage): string[] {
  const { days, peak } = usage;
  const title = Array.from({ length: 8 }, (_, i) => String(i * 3).padEnd(6))
    .join('')
    .trimEnd();
  const rows = WEEKDAYS.map((name, weekday) => {
    const own = days.filter((day) => day.weekday === weekday);
    const cells = Array.from({ length: 24 }, (_, hour) => {
      const seen = own.flatMap(({ hours }) => hours[hour] ?? []);
      if (seen.length === 0) return '  ';
      const held = Math.max(...seen);
      if (held === 0) return page.paint.dim('··');
      const level = Math.min(SHADES.length - 1, Math.ceil((held / peak) * SHADES.length) - 1);
      return shade((SHADES[level] ?? '').repeat(2), held, usage, page);
    });
    return `${name} ${cells.join('')}`.trimEnd();
  });
  const steps = SHADES.map((sign, i) => `${sign} to ${numberText((peak * (i + 1)) / SHADES.length)}`).join('  ');
  const legend = `${steps} in ${spanText(usage.windowMs)}  · none`;
  const colours = page.hasColor
    ? [page.paint.dim(`red: above the limit of ${numberText(usage.smoothing.limit.calls)}`)]
    : [];
  return [
    page.paint.dim(`    ${title}`),
    ...rows,
    page.paint.dim(`    ${legend}`),
    ...colours.map((line) => `    ${line}`),
  ];
}

function peakLines({ peaks, smoothing }: Usage, { text }: Calendar, page: UsagePage): string[] {
  const columns = [
    { title: 'until' },
    { title: 'calls', side: 'right' as const },
    { title: 'agents', side: 'right' as const },
    { title: '429s', side: 'right' as const },
    { title: 'mostly' },
  ];
  const room = page.width - 11 - 38;
  const rows = peaks.map((peak) => [
    text(peak.untilMs),
    peak.calls > smoothing.limit.calls ? page.paint.red(numberText(peak.calls)) : numberText(peak.calls),
    numberText(peak.agents),
    percentText(peak.refusedShare),
    busiestText(peak, room),
  ]);
  return table(columns, rows, page.paint);
}

function busiestText({ busiest }: Peak, room: number): string {
  const parts = busiest.map(({ agent, share }) => `${cut(agent, 18)} ${percentText(share, 0)}`);
  while (parts.length > 1 && parts.join(', ').length > room) parts.pop();
  return parts.join(', ');
}

function agentLines(usage: Usage, page: UsagePage): string[] {
  const { agents } = usage;
  const left = agents - MOST_AGENTS;
  const more = left <= 0 ? [] : [page.paint.dim(`and ${numberText(left)} more: --by agent`)];
  return [...agentRows(usage.busiest.slice(0, MOST_AGENTS), page), ...more];
}

function agentRows(agents: readonly AgentUsage[], page: UsagePage): string[] {
  const columns = [
    { title: 'agent' },
    { title: 'of the peaks', side: 'right' as const },
    { title: 'of all', side: 'right' as const },
    { title: 'calls', side: 'right' as const },
    { title: '429s', side: 'right' as const },
    { title: 'tokens', side: 'right' as const },
  ];
  const rows = agents.map((one) => [
    cut(one.agent, 22),
    percentText(one.peakShare),
    percentText(one.share),
    numberText(one.calls),
    refusedText(one),
    one.tokens === 0 ? '-' : numberText(one.tokens),
  ]);
  return table(columns, rows, page.paint);
}

function flightTexts({ inFlight: { all, serverless, dedicated }, replicas }: Usage): string[] {
  const text = ({ mean, p95, peak }: InFlight) =>
    `${mean.toFixed(1)} on average, ${numberText(p95)} at p95, ${numberText(peak)} at most`;
  const sides =
    dedicated.peak === 0
      ? [`${text(all)}, all on serverless`]
      : [`serverless ${text(serverless)}`, `endpoint ${text(dedicated)}`];
  if (replicas === null) return sides;
  const { perReplica, peak, p95, mean } = replicas;
  const need = `at ${numberText(perReplica)} calls a replica: ${countText(peak, 'replica')} for the peak, ${numberText(p95)} for p95, ${numberText(mean)} for the average`;
  return [...sides, need];
}

function tokenText({ tokensPerMinute: { mean, peak, peakAt } }: Usage, { text }: Calendar): string {
  if (peak === 0) return 'not known: no answer reported its usage';
  return `${numberText(mean)} a minute on average, ${numberText(peak)} at most (${text(peakAt)})`;
}

function otherLines(others: readonly Usage[], page: UsagePage): string[] {
  const lines = others
    .slice(0, MOST_OTHERS)
    .map(
      ({ model, calls, peak, refusedShare }) =>
        `${cut(model, 36)}  ${countText(calls, 'call')}, ${numberText(peak)} at the peak, ${percentText(refusedShare)} refused`,
    );
  const left = others.length - lines.length;
  if (left > 0) lines.push(`and ${countText(left, 'model')} more`);
  return lines.length === 0 ? [] : ['', ...entry('others', [...lines, 'to see one in full: --model NAME'], page)];
}

function dayTable(usage: Usage, page: UsagePage): string[] {
  return dayRows(usage.days, usage, page);
}

function hourTable(usage: Usage, page: UsagePage): string[] {
  const columns = [
    { title: 'hour' },
    { title: 'days seen', side: 'right' as const },
    { title: `busiest in ${spanText(usage.windowMs)}`, side: 'right' as const },
    { title: 'middle day', side: 'right' as const },
    { title: '' },
  ];
  const rows = Array.from({ length: 24 }, (_, hour) => {
    const seen = usage.days.flatMap(({ hours }) => hours[hour] ?? []).sort((a, b) => a - b);
    const most = seen.at(-1) ?? 0;
    const drawn = shade('█'.repeat(Math.round((most / usage.peak) * 24)), most, usage, page);
    const figures = seen.length === 0 ? ['-', '-'] : [numberText(most), numberText(seen[seen.length >> 1] ?? 0)];
    return [pad(String(hour), 2, 'right'), numberText(seen.length), ...figures, drawn];
  });
  return table(columns, rows, page.paint);
}

function agentTable(usage: Usage, page: UsagePage): string[] {
  const left = usage.agents - usage.busiest.length;
  const more = left <= 0 ? [] : wrap(`and ${numberText(left)} more, with less of the peaks`, page.width - 1);
  return [...agentRows(usage.busiest, page), ...more];
}
