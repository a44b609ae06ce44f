import { lengthOf, pad } from '../terminal/print.ts';
import type { Page } from './page.ts';

const BAR_WIDTH = 12;

/** Rows of name, figure, limit, bar and word, in columns. */
export function meters(rows: readonly (readonly string[])[]): string[] {
  const widest = (i: number) => Math.max(...rows.map((row) => lengthOf(row[i] ?? '')));
  const [names, figures, limits] = [widest(0), widest(1), widest(2)];
  return rows.map(([name = '', figure = '', limit = '', drawn = '', word = '']) => {
    const measured = `${pad(name, names)}  ${pad(figure, figures, 'right')} / ${pad(limit, limits)}`;
    return `${measured}  ${drawn} ${word}`.trimEnd();
  });
}

/** A bar that is full at the limit; with `isMet`, full only where the limit is exceeded. */
export function bar(now: number, limit: number, { paint }: Page, isMet = now >= limit): string {
  const share = limit <= 0 ? 1 : now / limit;
  const most = isMet ? BAR_WIDTH : BAR_WIDTH - 1;
  const full = isMet ? BAR_WIDTH : Math.max(0, Math.min(most, Math.floor(share * BAR_WIDTH)));
  const drawn = '\u2588'.repeat(full);
  return `${isMet ? paint.green(drawn) : paint.cyan(drawn)}${paint.dim('\u2591'.repeat(BAR_WIDTH - full))}`;
}
