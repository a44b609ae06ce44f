import { CORE_VERSION } from '../../core/decide/decision.ts';
import type { AuditReport } from '../../ledger/journal/audit.ts';
import type { DecisionRow } from '../../ledger/journal/rollouts.ts';
import { csv } from '../terminal/csv.ts';
import { countText, dateText, numberText } from '../terminal/format.ts';
import { dayOf } from '../../core/time.ts';
import { createPaint, cut, table, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import type { ViewOptions } from './page.ts';

type Look = Pick<ViewOptions, 'width' | 'color'>;

/** So many problems are listed in a terminal, so that the first one stays in sight. */
const MOST_IN_SIGHT = 5;

const ITSELF =
  'Whoever can write the ledger and its key can make all of it anew. To see that, keep the public key or a checkpoint ' +
  'elsewhere (npx upshift audit key, npx upshift audit checkpoint), and name it: --key FILE, --checkpoint FILE.';

/** The decisions, a line each and their figures below. */
export function renderDecisions(
  rows: readonly DecisionRow[],
  { width, color, commandSuffix = '' }: Look & { readonly commandSuffix?: string },
): string {
  const paint = createPaint(color);
  const models = new Set(rows.map(({ model }) => model));
  const columns = [
    { title: 'id', side: 'right' as const },
    { title: 'time' },
    ...(models.size > 1 ? [{ title: 'route' }] : []),
    { title: 'action' },
    { title: 'reason' },
    { title: 'ticks', side: 'right' as const },
  ];
  const cells = rows.map((row) => [
    String(row.id),
    dateText(row.at),
    ...(models.size > 1 ? [cut(row.model.split('/').at(-1) ?? '', 24)] : []),
    row.action === 'wait' ? row.action : paint.bold(row.action),
    row.reason,
    numberText(row.ticks),
  ]);
  const [head = '', ...lines] = table(columns, cells, paint);
  // The sentence has its own line, because a narrow window has no room for it beside the columns.
  const decisions = rows.flatMap(({ detail }, i) => [
    lines[i] ?? '',
    paint.dim(`        ${cut(detail ?? '', width - 8)}`),
  ]);
  const [only] = models;
  const shown = rows.findLast(({ action }) => action !== 'wait') ?? rows.at(-1);
  const next = `npx upshift explain ${[shown?.id, commandSuffix].join(' ').trimEnd()}: explains that decision`;
  return [
    ...(models.size === 1 ? [paint.bold(only ?? '')] : []),
    head,
    ...decisions,
    '',
    `${paint.dim('next')}  ${next}`,
  ].join('\n');
}

/** The decisions as CSV, with ISO times in UTC. */
export function decisionsCsv(rows: readonly DecisionRow[]): string {
  return csv(
    ['id', 'time', 'model', 'rollout', 'action', 'reason', 'cause', 'detail', 'ticks', 'core_version', 'policy_hash'],
    rows.map(({ id, at, model, rolloutId, action, reason, cause, detail, ticks, coreVersion, policyHash }) => [
      id,
      new Date(at).toISOString(),
      model,
      rolloutId,
      action,
      reason,
      cause,
      detail,
      ticks,
      coreVersion,
      policyHash,
    ]),
  );
}

interface AuditLook extends Look {
  /** What the ledger was checked against. */
  readonly against: 'outside' | 'itself';
  readonly isTerminal: boolean;
}

/** What the audit found, what it covers and what it does not. A terminal gets the first problems, a file all of them. */
export function renderAudit(report: AuditReport, look: AuditLook): string {
  const paint = createPaint(look.color);
  const paragraph = (text: string) => wrap(text, look.width).map((line) => paint.dim(line));
  return [
    ...coveredLines(report, look.width),
    ...resultLines(report, look, paint),
    ...(report.problems.length > 0 || look.against === 'outside' ? [] : paragraph(ITSELF)),
    ...paragraph(notCovered(report)),
    ...paragraph('npx upshift judge --replay ROLLOUT judges the calls of a rollout again.'),
  ].join('\n');
}

function coveredLines(report: AuditReport, width: number): string[] {
  const { decisions, rerun, notCompared, covered, calls, rollouts, seals } = report;
  const kinds = Object.entries(covered).filter(([, count]) => count > 0);
  return [
    `${countText(decisions, 'decision')} read, with their events, questions and requests`,
    `${countText(rerun, 'decision')} made again from what they saw`,
    `${countText(rollouts, 'rollout')} made again from their events`,
    ...(calls.until === null ? [] : [`${countText(calls.covered, 'call')} of days before ${dayOf(calls.until)} read`]),
    ...wrap(
      `${countText(seals, 'seal')} read: ${kinds.map(([kind, count]) => `${kind} ${numberText(count)}`).join(', ')}`,
      width,
    ),
    ...notCompared.map(
      ({ coreVersion, decisions: count }) =>
        `${countText(count, 'decision')} made by core version ${coreVersion}, this is ${CORE_VERSION}: not compared`,
    ),
  ];
}

function resultLines(
  { problems, head }: AuditReport,
  { against, isTerminal, width }: AuditLook,
  paint: Paint,
): string[] {
  if (problems.length === 0) {
    const word = against === 'outside' ? 'verified' : 'consistent in itself';
    return [paint.green(`${word}: nothing sealed was changed, removed or inserted`), `head ${head ?? 'none'}`];
  }
  const shown = problems
    .slice(0, isTerminal ? MOST_IN_SIGHT : problems.length)
    .map(({ decisionId, what }) => (decisionId === null ? what : `decision ${decisionId}: ${what}`));
  const more = problems.length - shown.length;
  return [
    paint.red(`${countText(problems.length, 'problem')}${problems.length > 1 ? ', the oldest first' : ''}:`),
    // A file gets every line whole, so that a program can find a sentence in it.
    ...shown.flatMap((text) =>
      isTerminal ? wrap(text, width - 4).map((line, n) => (n === 0 ? `  ${line}` : `    ${line}`)) : [`  ${text}`],
    ),
    ...(more > 0 ? [`  and ${numberText(more)} more; --json lists all of them`] : []),
    `${paint.dim('next')}  keep a copy of the file; npx upshift explain ID shows a decision`,
  ];
}

function notCovered({ calls }: AuditReport): string {
  const since = calls.until === null ? '' : ` since ${dayOf(calls.until)}`;
  const open =
    calls.open === 0 ? 'days that are not over' : `${countText(calls.open, 'call')}${since}, whose day is not closed`;
  return `Not covered: ${open}, and the newest minutes of each endpoint.`;
}
