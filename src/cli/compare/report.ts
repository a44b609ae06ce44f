import type { Comparison, SharePart } from '../../core/compare/compare.ts';
import { WRONGLY_DIFFERENT } from '../../core/compare/compare.ts';
import type { Consumed, RunResult } from '../../compare/run.ts';
import type { Side } from '../../compare/side.ts';
import { countText, numberText } from '../terminal/format.ts';
import { clean, cleanAll, table, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

/** A comparison and what it took. */
export interface CompareReport {
  readonly comparison: Comparison;
  readonly consumed: RunResult['consumed'];
  readonly a: Side;
  readonly b: Side;
  readonly margin: number;
  /** What was left out, and why. */
  readonly notes: readonly string[];
  readonly isStopped: boolean;
}

type Row = readonly [label: string, a: string, b: string, difference: string, verdict: string];

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`;

/** The report for a terminal. */
export function renderCompare(report: CompareReport, page: { readonly width: number; readonly paint: Paint }): string {
  const { comparison, a, b, notes } = report;
  const { paint, width } = page;
  const rows = rowsOf(comparison).map(([label, ofA, ofB, difference, verdict]) => [
    label,
    ofA,
    ofB,
    difference,
    verdict === 'different' ? paint.red(verdict) : verdict === 'same' ? paint.green(verdict) : verdict,
  ]);
  const columns = [
    { title: `of ${countText(comparison.pairs, 'request')}` },
    { title: 'A', side: 'right' as const },
    { title: 'B', side: 'right' as const },
    { title: 'B less A, with its range' },
    { title: '' },
  ];
  const listed = (texts: readonly string[]) =>
    texts.flatMap((text) => wrap(clean(text), width - 4).map((line, i) => `  ${i === 0 ? '- ' : '  '}${line}`));
  return [
    ...[a, b].flatMap((side) => wrap(clean(sideText(side)), width)),
    '',
    ...(rows.length === 0 ? [] : [...table(columns, rows, paint), '']),
    ...wrap(verdictText(report), width).map((line) => paint.bold(line)),
    ...listed(comparison.sentences),
    ...listed(notes),
    '',
    ...wrap(costText(report), width).map((line) => paint.dim(line)),
  ].join('\n');
}

function sideText({ name, url, model, engine }: Side): string {
  return `${name}  ${url}  ${model}${engine === null ? '' : ` (${engine})`}`;
}

function rowsOf({ shares, promptTokens, density, cosines, likeness }: Comparison): Row[] {
  const rows: Row[] = shares.filter(isShown).map(shareRow);
  if (promptTokens !== null) {
    const { usual, least, most, verdict } = promptTokens;
    const apart = least === most ? signed(usual) : `${signed(usual)} (${signed(least)} to ${signed(most)})`;
    rows.push(['prompt tokens', '', '', apart, verdictWord(verdict)]);
  }
  if (density !== null) {
    const { a, b, verdict } = density;
    rows.push([
      'characters per token',
      a.toFixed(1),
      b.toFixed(1),
      signed(Number((b - a).toFixed(1))),
      verdictWord(verdict),
    ]);
  }
  if (cosines !== null) {
    const { usual, least, within, verdict } = cosines;
    const ofA = within === null ? '' : within.toFixed(4);
    rows.push(['cosine with A', ofA, usual.toFixed(4), `least ${least.toFixed(4)}`, verdictWord(verdict)]);
  }
  if (likeness !== null) {
    const { within, between, isLess } = likeness;
    const less = `${points(between - within)} by ${likeness.pairs}`;
    rows.push(['alike with A', percent(within), percent(between), less, isLess ? 'advice' : 'same']);
  }
  return rows;
}

/** What neither side ever shows needs no row, unless it is not certain yet. */
function isShown({ a, b, verdict, figure }: SharePart): boolean {
  return a > 0 || b > 0 || verdict !== 'same' || figure.name === 'tools' || figure.name === 'format';
}

function shareRow({ figure, a, b, difference, low, high, verdict, counts }: SharePart): Row {
  const range = `${points(difference)} (${points(low)} to ${points(high)}) by ${counts.pairs}`;
  return [figure.label, percent(a), percent(b), range, verdictWord(verdict)];
}

function verdictWord(verdict: 'same' | 'different' | 'open' | 'advice'): string {
  return verdict === 'open' ? 'could not tell' : verdict;
}

const signed = (value: number) => (value > 0 ? `+${value}` : String(value));

function verdictText({ comparison, margin, isStopped }: CompareReport): string {
  const { verdict, pairs, left } = comparison;
  const stopped = isStopped ? 'Stopped. ' : '';
  const without =
    left === 0
      ? ''
      : ` ${countText(left, 'further request')} did not count: stopped, or refused because of a limit of rate.`;
  if (pairs === 0) return `${stopped}Could not tell: no request was answered or refused.${without}`;
  switch (verdict) {
    case 'different':
      return `${stopped}Different.${without}`;
    case 'same':
      return `${stopped}The same, as far as ${countText(pairs, 'request')} can show: shares within ${points(margin).slice(1)} points (half of that for faults that hardly occur, more for how often tools are called).${without}`;
    case 'open':
      return `${stopped}Could not tell.${without}`;
  }
}

function costText(report: CompareReport): string {
  const { consumed, a, b } = report;
  const one = (side: Side, { calls, promptTokens, outputTokens }: Consumed) =>
    `${side.name} took ${countText(calls, 'call')}, ${numberText(promptTokens)} tokens of prompts and ${numberText(outputTokens)} of answers${dollarText(dollarsOf(side, { calls, promptTokens, outputTokens }))}`;
  return `${one(a, consumed.a)}; ${one(b, consumed.b)}.`;
}

interface Dollars {
  readonly low: number;
  readonly high: number;
}

/** What a side's tokens cost by its list. Null without prices. */
function dollarsOf({ prices }: Side, { promptTokens, outputTokens }: Consumed): Dollars | null {
  if (prices === null) return null;
  const of = ({ input, output }: { readonly input: number; readonly output: number }) =>
    (promptTokens * input + outputTokens * output) / 1e6;
  const all = [of(prices.low), of(prices.high)];
  return { low: Math.min(...all), high: Math.max(...all) };
}

function dollarText(dollars: Dollars | null): string {
  if (dollars === null) return '';
  const [low, high] = [dollars.low.toFixed(4), dollars.high.toFixed(4)];
  return low === high ? ` ($${low})` : ` ($${low} to $${high}, by its host)`;
}

/** The report for programs. */
export function compareJson(report: CompareReport): unknown {
  const { comparison, consumed, a, b, margin, notes, isStopped } = report;
  const { shares, ...rest } = comparison;
  const sideOf = (side: Side, used: Consumed) => {
    const { url, model, engine } = side;
    return { url, model, engine, ...used, dollars: dollarsOf(side, used) };
  };
  return cleanAll({
    ...rest,
    verdict: comparison.verdict === 'open' ? 'could not tell' : comparison.verdict,
    isStopped,
    margin,
    wronglyDifferent: WRONGLY_DIFFERENT,
    a: sideOf(a, consumed.a),
    b: sideOf(b, consumed.b),
    figures: shares.map(({ figure, counts, verdict, ...figures }) => {
      const { name, label } = figure;
      return { name, label, verdict: verdictWord(verdict), ...counts, ...figures };
    }),
    notes,
  });
}
