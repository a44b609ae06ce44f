import { AppError } from '../../core/errors.ts';
import type { Moment } from '../../core/usage/demand.ts';

/** A time zone's calendar. */
export interface Calendar {
  /** `UTC`, `Europe/Berlin`. */
  readonly zone: string;
  readonly momentOf: (atMs: number) => Moment;
  /** `Tue 24 Nov 11:45` */
  readonly text: (atMs: number) => string;
}

export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Opens the calendar of a zone: `UTC`, `local` (this machine's), or a name such as Europe/Berlin. Throws AppError. */
export function openCalendar(name: string): Calendar {
  const format = formatOf(name);
  const partsOf = (atMs: number) =>
    Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value])) as Record<string, string>;
  return {
    zone: format.resolvedOptions().timeZone,
    momentOf: (atMs) => {
      const { weekday, year, month, day, hour } = partsOf(atMs);
      const place = WEEKDAYS.indexOf(weekday as (typeof WEEKDAYS)[number]);
      return { date: `${year}-${month}-${day}`, weekday: place, hour: Number(hour) };
    },
    text: (atMs) => {
      const { weekday, month, day, hour, minute } = partsOf(atMs);
      return `${weekday} ${day} ${MONTHS[Number(month) - 1] ?? ''} ${hour}:${minute}`;
    },
  };
}

/** A day as `Tue 24 Nov`. */
export function dayText({ date, weekday }: Pick<Moment, 'date' | 'weekday'>): string {
  const [, month, day] = date.split('-');
  return `${WEEKDAYS[weekday] ?? ''} ${day} ${MONTHS[Number(month) - 1] ?? ''}`;
}

function formatOf(name: string): Intl.DateTimeFormat {
  const options = {
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  } as const;
  try {
    return new Intl.DateTimeFormat('en-GB', { ...options, ...(name !== 'local' && { timeZone: name }) });
  } catch (error) {
    throw new AppError('invalid', `--zone "${name}" is not a time zone`, {
      hint: 'expected UTC, local (the zone of this machine), or a name such as Europe/Berlin',
      cause: error,
    });
  }
}
