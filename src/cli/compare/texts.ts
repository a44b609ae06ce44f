import type { RunOptions } from '../../compare/run.ts';
import { clean, printText } from '../terminal/print.ts';

const LONGEST = 2_000;

/** Prints the answers of the first `most` requests whose answers differ. For a terminal; they are written nowhere else. */
export function printTexts(most: number): NonNullable<RunOptions['onTexts']> {
  let left = most;
  return ({ kind }, { a, b }) => {
    const [ofA, ofB] = [withoutNames(a), withoutNames(b)];
    if (left === 0 || ofA === ofB) return;
    left--;
    const shown = (text: string) => clean(text.slice(0, LONGEST), true);
    printText(`${kind}\n  A  ${shown(ofA)}\n  B  ${shown(ofB)}\n`);
  };
}

/** Ids, times and names differ in every answer. */
function withoutNames(text: string): string {
  return text.replaceAll(/"(?:id|created|model|system_fingerprint|object)":\s*(?:"[^"]*"|\d+|null),?\s*/g, '');
}
