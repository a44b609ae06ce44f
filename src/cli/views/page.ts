import { wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

export interface ViewOptions {
  /** Columns. */
  readonly width: number;
  readonly color: boolean;
  /** Whether a daemon holds the ledger; the report may be an old one. */
  readonly isRunning: boolean;
  /** Clock time, epoch ms. */
  readonly now: number;
  /** What a command needs beside its own words to reach this ledger, such as `--db other.db`. */
  readonly commandSuffix?: string;
}

/** What the parts of the page share. */
export interface Page extends ViewOptions {
  /** Until when spans are counted that only a running daemon goes on counting, clock time. */
  readonly figuresAt: number;
  readonly paint: Paint;
}

const LABEL_WIDTH = 10;

/** Lines under a label; plain sentences are wrapped, lists of lines are taken as they are. */
export function entry(
  label: string,
  texts: readonly string[],
  page: Pick<Page, 'width' | 'paint'>,
  isLaidOut = false,
): string[] {
  const room = page.width - LABEL_WIDTH - 1;
  const lines = isLaidOut ? texts : texts.flatMap((text) => wrap(text, room));
  return lines.map((line, i) => ` ${page.paint.dim((i === 0 ? label : '').padEnd(LABEL_WIDTH))}${line}`.trimEnd());
}

/** Something that a person should know. */
export function alert(text: string, page: Pick<Page, 'width' | 'paint'>): string[] {
  return wrap(text, page.width - 3).map((line, i) => ` ${i === 0 ? page.paint.yellow('!') : ' '} ${line}`);
}
