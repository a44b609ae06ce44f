import { causeMeaning, CAUSES } from '../../core/cause.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import type { DecisionRow } from '../../ledger/journal/rollouts.ts';
import { countText, dateText } from '../terminal/format.ts';
import { cleanAll, createPaint, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import { answerText } from './cause.ts';
import type { Line } from './explained-money.ts';

/** A decision of another core version that this one cannot read: its row, and the JSON as it is stored. */
export interface ForeignDecision extends DecisionRow {
  readonly hash: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly events: readonly { readonly at: number; readonly type: string; readonly data: unknown }[];
  readonly again: 'not readable';
}

/** How wide and how coloured the text is. */
export interface ExplanationPage {
  readonly width: number;
  readonly color: boolean;
  /** What a command needs to reach the same ledger. */
  readonly suffix: string;
}

export const LABEL_WIDTH = 12;

const AGAIN = {
  same: '; made again from what it saw, it comes out the same',
  different: '; made again from what it saw, it comes out DIFFERENTLY',
  'not compared': `, this is ${CORE_VERSION}: not compared`,
  'not readable': `, this is ${CORE_VERSION}, which cannot read what that version saw; --json shows it as it is stored`,
} as const;

/** The columns of a decision's row, and what came of making it again. */
interface CheckedRow extends DecisionRow {
  readonly hash: string;
  readonly again: keyof typeof AGAIN;
}

/** What the row alone says of a decision that this core version cannot read. Pure. */
export function renderForeign(foreign: ForeignDecision, { width, color, suffix }: ExplanationPage): string {
  const paint = createPaint(color);
  const safe = cleanAll(foreign);
  const line = lines(LABEL_WIDTH, width, paint);
  return [...decided(safe, paint, line), '', ...check(safe, { paint, suffix }, line)].join('\n');
}

/** What was decided, and why, from the columns of the row. */
export function decided(row: DecisionRow, paint: Paint, line: Line): string[] {
  return [
    `${paint.bold(`decision ${row.id}`)}  ${dateText(row.at)}  ${row.model}`,
    ...line('decided', `${row.action}, because ${row.reason.replaceAll('_', ' ')}`),
    ...line('that is', row.detail),
    ...causeLines(row.cause, line),
    ...line(
      'stands for',
      row.ticks === 1 ? null : `${countText(row.ticks, 'tick')} with the same reason; this is the newest`,
    ),
  ];
}

/** What stands in the way, and what a person can do about it. A cause of another version has no words here. */
function causeLines(cause: string | null, line: Line): string[] {
  const known = CAUSES.find((each) => each === cause);
  if (known === undefined) return line('cause', cause);
  return [...line('cause', `${known}: ${causeMeaning(known).means}`), ...line('to do', answerText(known))];
}

/** How to check a decision. */
export function check(
  row: CheckedRow,
  { paint, suffix }: { readonly paint: Paint; readonly suffix: string },
  line: Line,
): string[] {
  return [
    paint.bold('How to check it'),
    ...line('core', `made by core version ${row.coreVersion}${AGAIN[row.again]}`),
    ...line('policy', row.policyHash),
    ...line('hash', row.hash),
    ...nextTexts(row, suffix).flatMap((text, i) => line(i === 0 ? 'next' : '', text)),
    '',
  ];
}

/** Sentences beside labels of one width. */
export function lines(labelWidth: number, width: number, paint: Paint): Line {
  return (label, text) =>
    text === null
      ? []
      : wrap(text, width - labelWidth - 2).map(
          (part, i) => `  ${paint.dim((i === 0 ? label : '').padEnd(part === '' ? 0 : labelWidth))}${part}`,
        );
}

/** Commands to type, a line each. `suffix`: what they need to reach the same ledger. */
function nextTexts({ rolloutId }: DecisionRow, suffix: string): string[] {
  const command = (words: string) => `npx upshift ${words} ${suffix}`.trimEnd();
  const around =
    rolloutId === null ? [] : [`${command(`audit --rollout ${rolloutId}`)}: the decisions before and after`];
  return [...around, `${command('audit --verify')}: makes every decision again and compares`];
}
