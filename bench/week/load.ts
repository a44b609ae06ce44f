import type { Arrival } from '../../src/core/trace.ts';
import { seededDice } from '../../src/simulation/dice.ts';

/** Calls a minute at the height of a working day, and at night and on the weekend. */
export interface Rates {
  readonly day: number;
  readonly night: number;
}

const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
/** What each call asks for, on average: agents with a long context and short answers. */
const TOKENS = { prompt: 12_000, output: 250 };
/** Share of the daytime rate by hour of a working day, UTC: slowly from eight, full from nine to six, ebbing until eight. */
const OFFICE = [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1, 1, 1, 0.8, 0.9, 1, 1, 1, 1, 0.5, 0.2, 0, 0, 0, 0];

/** Calls a minute that are to be expected at a time of a week that begins on Monday, 0:00. */
function rateAt(atMs: number, { day, night }: Rates): number {
  const weekday = Math.floor(atMs / DAY_MS) % 7;
  const hour = Math.floor((atMs % DAY_MS) / 3_600_000);
  const office = weekday < 5 ? (OFFICE[hour] ?? 0) : 0;
  return night + (day - night) * office;
}

/** Arrivals by chance (Poisson) at those rates, from Monday on. The same seed gives the same week. */
export function officeHours(days: number, rates: Rates, seed: number): Arrival[] {
  const dice = seededDice(seed);
  const trace: Arrival[] = [];
  for (let minute = 0; minute < days * 1_440; minute++) {
    const rate = rateAt(minute * MINUTE_MS, rates);
    const gap = () => (-Math.log(1 - dice.next()) / rate) * MINUTE_MS;
    for (let at = gap(); at < MINUTE_MS; at += gap()) {
      const size = 0.5 + dice.next();
      trace.push({
        atMs: minute * MINUTE_MS + at,
        promptTokens: Math.round(TOKENS.prompt * size),
        outputTokens: Math.round(TOKENS.output * (0.5 + dice.next())),
      });
    }
  }
  return trace;
}
