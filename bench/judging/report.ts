import type { Cell } from './cells.ts';

export const DISCLAIMER =
  "The other tools' judges are their rules written anew from their documentation, with the parameters it shows. No operator has tuned them to this traffic, and none of the tools itself ran.";

/** The cells as Markdown: one table for each world, then what bad endpoints got to see. */
export function markdown(cells: readonly Cell[], judges: readonly string[]): string {
  const worlds = [...new Set(cells.map(({ world }) => world))];
  const parts = worlds.map((world) => {
    const inWorld = cells.filter((cell) => cell.world === world);
    const tables = [endsTable(inWorld, judges), timeTable(inWorld, judges), exposureTable(inWorld, judges)];
    return [`### ${world}`, ...tables].filter(Boolean).join('\n\n');
  });
  return [summary(cells, judges), ...parts, DISCLAIMER].join('\n\n');
}

/** Over all cells of a kind: how often each judge was wrong, and how often it came to nothing. */
function summary(cells: readonly Cell[], judges: readonly string[]): string {
  const rows = judges.map((judge) => {
    const own = cells.filter((cell) => cell.judge === judge);
    const fine = own.filter(({ right }) => right === 'promote');
    const bad = own.filter(({ right }) => right === 'refuse');
    return [
      judge,
      mean(fine, 'falseRollback'),
      worst(fine, 'falseRollback', 'falseRollbackRange'),
      mean(fine, 'hold'),
      mean(bad, 'falsePromotion'),
      worst(bad, 'falsePromotion', 'falsePromotionRange'),
      mean(bad, 'rolledBack'),
    ];
  });
  const head = [
    'judge',
    'fine endpoint rolled back',
    'worst cell (95 % range)',
    'fine endpoint held',
    'bad endpoint promoted',
    'worst cell (95 % range)',
    'bad endpoint rolled back',
  ];
  return `### All worlds\n\n${table(head, rows)}`;
}

function mean(cells: readonly Cell[], figure: 'falseRollback' | 'falsePromotion' | 'hold' | 'rolledBack'): string {
  if (cells.length === 0) return '';
  return percent(cells.reduce((sum, cell) => sum + cell[figure], 0) / cells.length);
}

function worst(
  cells: readonly Cell[],
  figure: 'falseRollback' | 'falsePromotion',
  range: 'falseRollbackRange' | 'falsePromotionRange',
): string {
  const [cell] = cells.toSorted((a, b) => b[figure] - a[figure] || b[range][1] - a[range][1]);
  if (cell === undefined) return '';
  const [low, high] = cell[range];
  return `${percent(cell[figure])} (${percent(low)} to ${percent(high)}): ${cell.truth}, ${cell.world}`;
}

/** Rolled back / promoted in percent; the rest was held. What is wrong is in bold. */
function endsTable(cells: readonly Cell[], judges: readonly string[]): string {
  const rows = truthsOf(cells).map((truth) => {
    const row = cells.filter((cell) => cell.truth === truth);
    const [first] = row;
    const figures = judges.map((judge) => {
      const cell = row.find((candidate) => candidate.judge === judge);
      if (cell === undefined) return '';
      const back = mark(cell.rolledBack, cell.right === 'promote');
      return `${back}/${mark(cell.promoted, cell.right === 'refuse')}`;
    });
    return [truth, WISH[first?.right ?? 'either'], String(first?.traces ?? 0), ...figures];
  });
  return `Rolled back / promoted in percent of traces; the rest was held. Bold is wrong.\n\n${table(['truth', 'right', 'traces', ...judges], rows)}`;
}

const WISH = { promote: 'promote', refuse: 'do not promote', either: 'either' } as const;

function mark(share: number, isWrong: boolean): string {
  const text = (100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0);
  return isWrong && share > 0 ? `**${text}**` : text;
}

/** How long promotions took, and how well that was known before. */
function timeTable(cells: readonly Cell[], judges: readonly string[]): string {
  const fine = cells.filter(({ right }) => right === 'promote');
  const row = (cell: Cell | undefined) => {
    if (cell === undefined || cell.minutesMedian === null) return '-';
    const forecast = cell.asForecast === null ? '' : `; ${percent(cell.asForecast)} as forecast`;
    return `${cell.minutesMedian}, ${cell.minutesP90} (${percent(cell.withinTwoHours)}${forecast})`;
  };
  if (fine.every(({ minutesMedian }) => minutesMedian === null)) return '';
  const rows = truthsOf(fine).map((truth) => [
    truth,
    ...judges.map((judge) => row(fine.find((cell) => cell.truth === truth && cell.judge === judge))),
  ]);
  return `Minutes until a fine endpoint was promoted: median, 90th percentile (share of all traces promoted within two hours; of those promoted, how many took half to twice as long as forecast).\n\n${table(['truth', ...judges], rows)}`;
}

/** Canary calls before a bad endpoint was rolled back. */
function exposureTable(cells: readonly Cell[], judges: readonly string[]): string {
  const bad = cells.filter(({ right }) => right === 'refuse');
  if (bad.length === 0) return '';
  const rows = truthsOf(bad).map((truth) => [
    truth,
    ...judges.map((judge) => {
      const cell = bad.find((candidate) => candidate.truth === truth && candidate.judge === judge);
      if (cell === undefined || cell.exposedMedian === null) return '-';
      return `${cell.exposedMedian}, ${cell.exposedP90} (${percent(cell.backBeforeHalf)})`;
    }),
  ]);
  return `Calls that a bad endpoint had been given when it was rolled back: median, 90th percentile (share of all traces rolled back before half of the calls went to it).\n\n${table(['truth', ...judges], rows)}`;
}

function truthsOf(cells: readonly Cell[]): readonly string[] {
  return [...new Set(cells.map(({ truth }) => truth))];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '-'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
