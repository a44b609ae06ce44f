import type { Dice } from '../../src/core/dice.ts';
import type { Arrival } from '../../src/core/trace.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** What each call asks for on average: agents with a long context and short answers. */
const TOKENS = { prompt: 12_000, output: 250 };
/** From eight to eight, UTC, the whole rate; else a third of it. */
const BY_DAY = { from: 8 * 60, until: 20 * 60 };
const BY_NIGHT = 1 / 3;
/** When a peak begins, minutes after midnight, and how long it lasts. */
const PEAKS = [9 * 60 + 30, 13 * 60, 16 * 60 + 30];
const PEAK_MINUTES = 40;

/** Calls a minute by day, and how many times as many at the peaks. */
export interface Rates {
  readonly day: number;
  readonly peak: number;
}

function rateAt(minute: number, { day, peak }: Rates): number {
  const at = minute % DAY_MINUTES;
  if (PEAKS.some((from) => at >= from && at < from + PEAK_MINUTES)) return day * peak;
  return at >= BY_DAY.from && at < BY_DAY.until ? day : day * BY_NIGHT;
}

/** Arrivals by chance (Poisson) at those rates. The same dice give the same days. */
export function peakyDays(days: number, rates: Rates, dice: Dice): Arrival[] {
  const trace: Arrival[] = [];
  for (let minute = 0; minute < days * DAY_MINUTES; minute++) {
    const rate = rateAt(minute, rates);
    const gap = () => (-Math.log(1 - dice.next()) / rate) * MINUTE_MS;
    for (let at = gap(); at < MINUTE_MS; at += gap()) {
      trace.push({
        atMs: minute * MINUTE_MS + at,
        promptTokens: Math.round(TOKENS.prompt * (0.5 + dice.next())),
        outputTokens: Math.round(TOKENS.output * (0.5 + dice.next())),
      });
    }
  }
  return trace;
}
