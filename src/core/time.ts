/** Units of time, and days and months in UTC. Times are epoch ms unless a name ends in `Us`. */

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** A month of any year, where what something costs a month is said. */
export const MONTH_MS = 30 * DAY_MS;
export const MINUTE_US = 60e6;

/** The day of a time in UTC: `2026-11-24`. Years 0 to 9999. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** The UTC month of a time: its name (`2026-11`), its first moment, and the first moment of the next month. */
export function monthOf(at: number): { readonly name: string; readonly from: number; readonly until: number } {
  const date = new Date(at);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return { name: dayOf(at).slice(0, 7), from: Date.UTC(year, month), until: Date.UTC(year, month + 1) };
}

/** A moment in UTC, to the second: `2026-11-24T12:03:05Z`. `at`: epoch ms. */
export function momentText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
