export const DAY_MS = 86_400_000;

/** Year, month 1..12 and day of a time, epoch ms, in UTC. */
function civilOf(at: number): { readonly year: number; readonly month: number; readonly day: number } {
  // Days since 0000-03-01, in eras of 400 years; years begin in March, so that a leap day comes last.
  const days = Math.floor(at / DAY_MS) + 719_468;
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** The day of a time in UTC: `2026-11-24`. */
export function dayOf(at: number): string {
  const { year, month, day } = civilOf(at);
  return [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
}

/** The month that a time is in, UTC: `2026-11`, its first moment and that of the next. */
export function monthOf(at: number): { readonly name: string; readonly from: number; readonly until: number } {
  const today = Math.floor(at / DAY_MS) * DAY_MS;
  const { day } = civilOf(at);
  const from = today - (day - 1) * DAY_MS;
  // No month is longer than 31 days, and 31 days on is never two months on.
  const later = from + 31 * DAY_MS;
  return { name: dayOf(at).slice(0, 7), from, until: later - (civilOf(later).day - 1) * DAY_MS };
}
