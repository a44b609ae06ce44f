import type { CostLine, CostReport, RouteCost, SideCost } from '../../core/money/cost.ts';
import { moneyText } from '../../core/money/text.ts';
import { spanText } from '../../core/text.ts';
import { bar, countText, dateText, numberText } from '../terminal/format.ts';
import { cut, table, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

/** How a page is written. */
interface Page {
  readonly width: number;
  readonly paint: Paint;
}

const MOST_LINES = 30;
const MOST_ROUTES = 5;
const BAR = 10;

/** What both sides cost, and what to do next, for people. */
export function renderCost(report: CostReport, page: Page): string {
  const { paint } = page;
  const estimated = report.serverless.estimatedMicros + report.dedicated.estimatedMicros;
  const span = `${dateText(report.from)} to ${dateText(report.until)}`;
  const total = `${paint.bold(priceText(report.totalMicros))} in all`;
  return [
    `${span}: ${total}${estimated > 0 ? `, ${priceText(estimated)} of it an estimate` : ''}`,
    '',
    ...sides(report, page),
    '',
    ...lines(report, page),
    '',
    ...report.routes.slice(0, MOST_ROUTES).flatMap((route) => routeText(route, report, page)),
    ...said('month', monthText(report), page),
    ...said('bill', billText(report), page),
    ...notes(report).flatMap((note) => said('note', note, page)),
    '',
    ...said('next', nextText(report), page),
  ].join('\n');
}

function sides({ serverless, overflow, dedicated }: CostReport, { paint }: Page): string[] {
  const row = (name: string, side: SideCost) => [
    name,
    numberText(side.calls),
    tokensText(side.promptTokens + side.outputTokens),
    priceText(side.micros),
    side.per1000CallsMicros === null ? '-' : priceText(side.per1000CallsMicros),
    side.perMillionTokensMicros === null ? '-' : priceText(side.perMillionTokensMicros),
  ];
  const titles = ['', 'calls', 'tokens', 'spent', 'per 1 000 calls', 'per million tokens'];
  const columns = titles.map((title, i) => ({ title, side: i === 0 ? ('left' as const) : ('right' as const) }));
  const part = overflow.calls === 0 ? [] : [row('  overflow', overflow)];
  return table(columns, [row('serverless', serverless), ...part, row('endpoints', dedicated)], paint);
}

function lines(report: CostReport, { width, paint }: Page): string[] {
  const shown = report.by === 'day' ? report.lines.slice(-MOST_LINES) : report.lines.slice(0, MOST_LINES);
  if (shown.length === 0) return [paint.dim('no call and no endpoint')];
  const most = Math.max(1, ...shown.map(totalOf));
  const nameWidth = width - 56;
  const columns = [
    { title: report.by },
    ...['calls', 'serverless', 'endpoints', 'total'].map((title) => ({ title, side: 'right' as const })),
    { title: '' },
  ];
  const rows = shown.map((line) => [
    cut(line.key === '' ? '(none)' : line.key, nameWidth),
    numberText(line.calls),
    priceText(line.serverlessMicros),
    priceText(line.dedicatedMicros),
    `${line.estimatedMicros > 0 ? '~' : ''}${priceText(totalOf(line))}`,
    paint.cyan(bar(totalOf(line) / most, BAR)),
  ]);
  const left = report.lines.length - shown.length;
  const more = left > 0 ? [paint.dim(`${left} more: --csv and --json show all`)] : [];
  return [...table(columns, rows, paint), ...more];
}

function totalOf(line: CostLine): number {
  return line.serverlessMicros + line.dedicatedMicros;
}

function routeText(route: RouteCost, report: CostReport, page: Page): string[] {
  const { breakEven, allServerlessMicros, allDedicatedMicros } = route;
  const texts: string[] = [];
  if (breakEven !== null) {
    const { callsPerMinute, actualCallsPerMinute, ratePerHourMicros, perCallMicros } = breakEven;
    const rate = `${priceText(ratePerHourMicros)} an hour`;
    const call = `${priceText(perCallMicros * 1_000)} for 1 000 calls`;
    texts.push(
      callsPerMinute === null
        ? `serverless is free: an endpoint (${rate}) is never cheaper`
        : `an endpoint at ${rate} is cheaper from ${rateText(callsPerMinute * 5)} calls in 5 min on, with serverless at ${call}; there were ${rateText(actualCallsPerMinute * 5)} on average`,
    );
  }
  const spent = route.serverless.micros + route.dedicated.micros;
  const others = [
    allServerlessMicros === null ? null : `all on serverless ${priceText(allServerlessMicros)}`,
    allDedicatedMicros === null ? null : `all on an endpoint that always runs ${priceText(allDedicatedMicros)}`,
  ].filter((text) => text !== null);
  if (others.length > 0) texts.push(`spent ${priceText(spent)}; the same calls, by estimate: ${others.join(', ')}`);
  if (texts.length === 0) return [];
  const name = report.routes.length > 1 || report.by !== 'route' ? [page.paint.bold(route.model)] : [];
  return [...name, ...texts.flatMap((text) => wrap(text, page.width - 2).map((line) => `  ${line}`))];
}

function monthText({ month }: CostReport): string | null {
  if (month === null) return 'no forecast yet: costs have been recorded for less than an hour';
  const { spentMicros, micros, perDayMicros, basisMs } = month;
  const basis = `if it continues as in the last ${spanText(basisMs)} (${priceText(perDayMicros)} a day)`;
  return `${priceText(micros)} by the end of ${month.month}, ${basis}; ${priceText(spentMicros)} so far`;
}

function billText({ bills, serverless }: CostReport): string | null {
  if (bills.length === 0) return null;
  const orgs = [...new Set(bills.map(({ org }) => org))];
  const sums = orgs.map((org) => {
    const mine = bills.filter((line) => line.org === org);
    const micros = mine.reduce((sum, line) => sum + line.micros, 0);
    const calls = mine.reduce((sum, line) => sum + line.calls, 0);
    const days = mine.map(({ day }) => day).sort();
    return `Hugging Face reports ${priceText(micros)} for ${countText(calls, 'serverless call')} of all callers of ${org}, ${days[0]} to ${days.at(-1)}`;
  });
  return `${sums.join('; ')}. Counted here: ${priceText(serverless.micros)}`;
}

function notes({ serverless, dedicated }: CostReport): string[] {
  const notes = [];
  if (serverless.unpricedCalls > 0)
    notes.push(
      `${countText(serverless.unpricedCalls, 'serverless call')} in no sum: no price is known, or it is not a price for tokens`,
    );
  if (serverless.estimatedMicros > 0)
    notes.push(
      'part of serverless is estimated: some answers named no provider (the cheapest one counts) or no tokens',
    );
  if (dedicated.minutesWithoutPrice > 0)
    notes.push(
      `${countText(dedicated.minutesWithoutPrice, 'minute')} of endpoints without a known price are in no sum`,
    );
  if (dedicated.billedMinutes > 0)
    notes.push('endpoints are counted by minutes at list price; only the invoice of Hugging Face has the real amount');
  return notes;
}

function nextText(report: CostReport): string {
  const { routes, serverless, dedicated } = report;
  if (serverless.calls + dedicated.calls === 0 && dedicated.billedMinutes === 0)
    return 'let agents call through upshift, or look further back with --since 30d';
  if (serverless.unpricedCalls === serverless.calls && serverless.calls > 0)
    return 'start the daemon with HF_TOKEN set: it reads the router’s prices every hour';
  const pays = routes.find(({ breakEven, dedicated: side }) => side.micros === 0 && isPaying(breakEven) === true);
  if (pays !== undefined) return `an endpoint would be cheaper: npx upshift plan --model ${pays.model}`;
  const wastes = routes.find(({ breakEven, dedicated: side }) => side.micros > 0 && isPaying(breakEven) === false);
  if (wastes !== undefined)
    return `serverless would be cheaper for ${wastes.model} with this traffic: see npx upshift status, and npx upshift endpoints for what still runs`;
  const { savedMicros } = report;
  if (savedMicros !== null && savedMicros > 0)
    return `${priceText(savedMicros)} saved compared with all calls on serverless; npx upshift status shows the rollout`;
  return 'npx upshift advise says whether something cheaper than a GPU is enough';
}

function isPaying(breakEven: RouteCost['breakEven']): boolean | null {
  if (breakEven === null) return null;
  return breakEven.callsPerMinute !== null && breakEven.actualCallsPerMinute > breakEven.callsPerMinute;
}

function said(name: string, text: string | null, { width, paint }: Page): string[] {
  if (text === null) return [];
  return wrap(text, width - 7).map((line, i) => `${paint.dim((i === 0 ? name : '').padEnd(5))}  ${line}`);
}

/** Dollars with as many digits as small sums need: `$12.30`, `$0.0420`, `$0.000011`. */
function priceText(micros: number): string {
  const size = Math.abs(micros);
  if (size === 0 || size >= 100_000) return moneyText(micros);
  return `$${(micros / 1_000_000).toFixed(size < 1_000 ? 6 : 4)}`;
}

function rateText(calls: number): string {
  return calls < 10 ? String(Number(calls.toPrecision(2))) : numberText(calls);
}

function tokensText(tokens: number): string {
  if (tokens < 100_000) return numberText(tokens);
  return tokens < 1e8 ? `${(tokens / 1e6).toFixed(1)} M` : `${numberText(tokens / 1e6)} M`;
}
