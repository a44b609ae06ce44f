import type { RouteStatus, StatusReport } from '../../core/status.ts';
import { spanText } from '../../core/text.ts';
import { countText, numberText, percentText, timeText } from '../terminal/format.ts';
import { cleanAll, createPaint, cut, lengthOf } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import { answerLines } from './cause.ts';
import { criteriaLines } from './criteria.ts';
import { laneLines } from './lane.ts';
import { alert, entry } from './page.ts';
import type { Page, ViewOptions } from './page.ts';
import { frozenLines, windowLines } from './pause.ts';
import { decisionLines, releaseLines } from './now.ts';
import { rolloutLines } from './route.ts';
import { isWayBack, trafficLines } from './way-back.ts';

/** Routes without a rollout that are shown in full; the others get a line each, and of these only so many. */
const MOST_IN_FULL = 2;
const MOST_LINES = 8;

/** The page that `status` shows: plain text, or with colours. Pure: the same report and options give the same text. */
export function renderStatus(report: StatusReport, options: ViewOptions): string {
  const figuresAt = options.isRunning ? options.now : report.at;
  const page: Page = { ...options, figuresAt, paint: createPaint(options.color) };
  const safe = cleanAll(report);
  return `${[...headerLines(safe, page), ...routesLines(safe, page)].join('\n')}\n`;
}

function headerLines(report: StatusReport, page: Page): string[] {
  const { paint } = page;
  const title = paint.bold(`upshift ${report.version}`);
  const lines = [`${title}  ${stateText(report, page)}`];
  const { policy, account, ledger, gateway } = report;
  const scale = report.timeScale === 1 ? [] : [`time x${report.timeScale}`];
  lines.push(
    ...facts([`policy ${policy.path} ${policy.hash.slice(0, 8)}`, accountText(report, paint), ...scale], page),
  );
  const calls = `${countText(gateway.calls, 'call')}, ${numberText(gateway.inFlight)} in flight`;
  lines.push(
    ...facts([`gateway :${report.gatewayPort}`, calls, ...ineligibleTexts(gateway), ledgerText(ledger, paint)], page),
  );
  if (report.frozen !== undefined) lines.push(...frozenLines(report.frozen, page));
  if (!page.isRunning) lines.push(...alert('the daemon is not running: npx upshift start', page));
  if (policy.problem !== null)
    lines.push(...alert(`policy: ${policy.problem}; the last valid one stays in force`, page));
  if (account.state === 'refused') lines.push(...alert('the Hub refuses HF_TOKEN: upshift can propose nothing', page));
  for (const endpoint of report.endpoints ?? []) lines.push(...alert(endpoint, page));
  if (gateway.withoutToken > 0) {
    lines.push(...alert(`${countText(gateway.withoutToken, 'call')} went out without a token: set HF_TOKEN`, page));
  }
  if (ledger.fault !== null)
    lines.push(...alert(`${ledger.fault}: nothing is decided until it is put back and the daemon is restarted`, page));
  if (ledger.lost > 0)
    lines.push(...alert(`${countText(ledger.lost, 'call')} could not be written to the ledger and are lost`, page));
  return lines;
}

const MOST_REASONS = 3;

/** How many calls an endpoint could not get, and the most frequent reasons. */
function ineligibleTexts({ ineligible, ineligibleBecause }: StatusReport['gateway']): string[] {
  if (ineligible === 0) return [];
  const reasons = Object.entries(ineligibleBecause)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_REASONS)
    .map(([reason, calls]) => `${numberText(calls)} ${reason.replaceAll('_', ' ')}`);
  return [`${numberText(ineligible)} ineligible${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`];
}

function stateText(report: StatusReport, page: Page): string {
  const { paint, now, isRunning } = page;
  const age = Math.max(0, now - report.at);
  if (!isRunning) {
    return `${paint.red('not running')}  figures of ${timeText(report.at)}, ${spanText(age)} old`;
  }
  const up = `pid ${report.pid}, up ${spanText(Math.max(0, report.at - report.startedAt))}`;
  const isStale = age / report.timeScale > 10_000;
  const figures = isStale ? paint.yellow(`figures ${spanText(age)} old`) : paint.dim(timeText(report.at));
  return `${paint.green('running')}  ${up}  ${figures}`;
}

function accountText({ account }: StatusReport, paint: Paint): string {
  if (account.state === 'ok') return `account ${account.name ?? 'ok'}`;
  return account.state === 'refused' ? paint.red('account refused') : paint.yellow('account not checked');
}

function ledgerText(ledger: StatusReport['ledger'], paint: Paint): string {
  if (ledger.fault !== null) return paint.red('ledger gone');
  if (ledger.lost > 0) return paint.red(`ledger lost ${numberText(ledger.lost)}`);
  const pending = ledger.pending === 0 ? '' : `, ${numberText(ledger.pending)} pending`;
  return ledger.isDegraded ? paint.yellow(`ledger slow${pending}`) : `ledger ok${pending}`;
}

/** Facts side by side, on a further line where they do not fit. */
function facts(texts: readonly string[], page: Page): string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const last = lines.at(-1);
    if (last !== undefined && lengthOf(last) + 3 + lengthOf(text) <= page.width)
      lines[lines.length - 1] = `${last}   ${text}`;
    else lines.push(text);
  }
  return lines;
}

function routesLines(report: StatusReport, page: Page): string[] {
  const { routes, lanes } = report;
  const active = routes.filter((route) => route.rollout !== null);
  const idle = routes.filter((route) => route.rollout === null).sort((a, b) => interest(b) - interest(a));
  const inFull = idle.slice(0, Math.max(0, MOST_IN_FULL - active.length) || (active.length === 0 ? 1 : 0));
  const inShort = idle.slice(inFull.length);
  const lines = [...active, ...inFull].flatMap((route) => {
    const own = lanes.filter(({ model }) => model === route.model);
    return ['', ...routeLines(route, own, page)];
  });
  if (inShort.length > 0) lines.push('', ...inShort.slice(0, MOST_LINES).map((route) => shortLine(route, page)));
  if (inShort.length > MOST_LINES) lines.push(page.paint.dim(`and ${inShort.length - MOST_LINES} more models`));
  if (routes.length === 0) lines.push('', 'no model has been called yet, and the policy lists none');
  return lines;
}

/** What a person wants to see first: what is near to a rollout, was in one, or has the most calls. */
function interest({ criteria, lastRollout, demand }: RouteStatus): number {
  return (criteria.result.holds ? 1e12 : 0) + (lastRollout === null ? 0 : 1e11) + demand.calls;
}

function shortLine({ model, demand }: RouteStatus, page: Page): string {
  const seen = `${countText(demand.calls, 'call')}, ${countText(demand.agents, 'agent')}, ${percentText(demand.refusedShare)} refused or delayed`;
  return `${cut(model, Math.max(20, page.width - seen.length - 12))}  ${page.paint.dim('watching')}  ${seen}`;
}

function routeLines(route: RouteStatus, lanes: StatusReport['lanes'], page: Page): string[] {
  const { rollout, lastRollout, notes } = route;
  const lines = [titleLine(route, page)];
  if (rollout !== null) lines.push(...rolloutLines(route, rollout, page));
  else lines.push(...decisionLines(route, page), ...windowLines(route, page), ...releaseLines(route, page));
  lines.push(...criteriaLines(route, page), ...trafficLines(route, page), ...laneLines(lanes, page));
  if (rollout === null && lastRollout !== null) {
    const { id, phase, at, reason, hint, cause } = lastRollout;
    const before = `rollout ${id} ${phase} ${spanText(Math.max(0, page.now - at))} ago: ${reason}`;
    lines.push(...entry('before', [before], page));
    lines.push(...(hint === null ? answerLines(cause, page) : entry('to do', [hint], page)));
  }
  for (const note of notes) lines.push(...alert(note, page));
  return lines;
}

function titleLine({ model, phase, rollout }: RouteStatus, page: Page): string {
  const { paint, width } = page;
  const name = `${isWayBack(rollout) ? 'WAY BACK: ' : ''}${phase.toUpperCase()}`;
  const isFrozen = rollout?.isPaused === false && rollout.pausedSince !== undefined;
  const state = rollout?.isPaused === true ? `${name}, PAUSED` : isFrozen ? `${name}, FROZEN` : name;
  const right = rollout === null ? state : `${state}  rollout ${rollout.id}`;
  const left = cut(model, Math.max(16, width - right.length - 6));
  const rule = '\u2500'.repeat(Math.max(2, width - lengthOf(left) - right.length - 5));
  const color = phase === 'promoted' ? 'green' : phase === 'draining' ? 'red' : rollout?.ask ? 'yellow' : 'cyan';
  return `${paint.dim('\u2500')} ${paint.bold(left)} ${paint.dim(rule)} ${paint(color, right)}`;
}
