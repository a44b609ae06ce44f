import { clean } from './print.ts';

/** What a cell holds. A text comes from others; a number is written as it is. */
type Cell = string | number | null;

/** A spreadsheet takes what begins with one of these for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** A table as CSV (RFC 4180), titles first, each line with its end. */
export function csv(titles: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [titles, ...rows].map((row) => `${row.map(cellText).join(',')}\r\n`).join('');
}

/** A text is harmless to a spreadsheet and to a terminal: it is no formula, and has no control characters. */
function cellText(cell: Cell): string {
  if (typeof cell !== 'string') return cell === null ? '' : String(cell);
  const safe = (FORMULA.test(cell) ? "'" : '') + clean(cell, true);
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
