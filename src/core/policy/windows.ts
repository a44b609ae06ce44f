import { z } from 'zod';

/** The days of a week, the first one first. */
export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/** A span of the wall clock in which changes may be made. */
export interface ChangeWindow {
  /** The days on which it begins. */
  readonly days: readonly Day[];
  /** When it begins and ends, minutes since midnight. If `to` is not after `from`, it ends on the next day. */
  readonly from: number;
  readonly to: number;
  /** A name of the time zone database, such as `Europe/Berlin`. */
  readonly zone: string;
}

const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;
const LAST_MINUTE = 1_440;

const timeOfDay = (wanted: string, isEnd: boolean) =>
  z.string({ error: wanted }).transform((text, context) => {
    if (isEnd && text === '24:00') return LAST_MINUTE;
    const match = TIME.exec(text);
    if (match !== null) return Number(match[1]) * 60 + Number(match[2]);
    context.addIssue({ code: 'custom', message: wanted });
    return z.NEVER;
  });

const windowShape = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .refine((days) => new Set(days).size === days.length, 'expected each day once'),
  from: timeOfDay('expected a time such as 09:00', false),
  to: timeOfDay('expected a time such as 16:00, at most 24:00', true),
  zone: z.string().regex(/^[A-Za-z][\w+/-]*$/, 'expected a time zone such as Europe/Berlin'),
});

const MOST_WINDOWS = 20;

/** The list `windows` of a policy. Whether a zone exists is checked where the file is read. */
export const windowsSchema = z
  .array(
    windowShape.refine(({ from, to }) => from !== to, {
      path: ['to'],
      message: 'expected another time than from; a whole day is from 00:00 to 24:00',
    }),
  )
  .max(MOST_WINDOWS)
  .describe('list of windows, each with days (mon to sun), from and to (such as 09:00), zone (such as Europe/Berlin)');

/** The keys that a window may have. */
export const WINDOW_KEYS = Object.keys(windowShape.shape);

/** `mon-thu 09:00-16:00 Europe/Berlin, sat 10:00-12:00 Europe/Berlin`; `always open` without a window. */
export function windowsText(windows: readonly ChangeWindow[]): string {
  if (windows.length === 0) return 'always open';
  return windows
    .map(({ days, from, to, zone }) => `${daysText(days)} ${timeText(from)}-${timeText(to)} ${zone}`)
    .join(', ');
}

/** Days in the order of the week; three or more in a row as `mon-thu`. */
function daysText(days: readonly Day[]): string {
  const places = DAYS.flatMap((day, i) => (days.includes(day) ? [i] : []));
  const runs: number[][] = [];
  for (const place of places) {
    const run = runs.at(-1);
    if (run?.at(-1) === place - 1) run.push(place);
    else runs.push([place]);
  }
  const name = (place: number | undefined) => DAYS[place ?? 0];
  return runs
    .map((run) => (run.length < 3 ? run.map(name).join(',') : `${name(run[0])}-${name(run.at(-1))}`))
    .join(',');
}

function timeText(minutes: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
