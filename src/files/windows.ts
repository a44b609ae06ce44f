import type { Closed } from '../core/decide/observation.ts';
import { DAYS } from '../core/policy/windows.ts';
import type { ChangeWindow } from '../core/policy/windows.ts';
import type { WindowStatus } from '../core/status.ts';
import { DAY_MS, MINUTE_MS } from '../core/time.ts';

/**
 * Change windows on the time line. A window is open at a moment if the wall clock of its zone shows a day and a time within it.
 * So a time that is left out when the clocks go forward never comes, and one that comes twice when they go back is open twice.
 */

const WEEK_MINUTES = 10_080;
const WEEK_MS = 7 * DAY_MS;
/** How far ahead the next change is looked for. A window that opens once a week may be left out once by a change of the clocks. */
const HORIZON_MS = 4 * WEEK_MS;

/** Whether this machine knows a time zone. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

const known = new WeakMap<readonly ChangeWindow[], { readonly from: number; readonly state: WindowStatus }>();

/** The state of the windows of a policy at `now`, epoch ms; null if there are none, so that it is always open. */
export function windowState(windows: readonly ChangeWindow[], now: number): WindowStatus | null {
  if (windows.length === 0) return null;
  const last = known.get(windows);
  if (last !== undefined && now >= last.from && now < (last.state.until ?? last.from + WEEK_MS)) return last.state;
  const state = stateAt(windows, now);
  known.set(windows, { from: now, state });
  return state;
}

/** What a decision sees of the windows at `now`: absent if changes may be made. */
export function closedAt(windows: readonly ChangeWindow[], now: number): Closed | null {
  const state = windowState(windows, now);
  return state === null || state.isOpen ? null : { until: state.until, opens: state.untilText };
}

function stateAt(windows: readonly ChangeWindow[], now: number): WindowStatus {
  const usable = windows.filter(({ zone }) => isZone(zone));
  const isOpen = usable.some((window) => isOpenAt(window, now));
  const change = isOpen ? closesAt(usable, now) : opensAt(usable, now);
  if (change === null) {
    // A stored policy may name a zone that this machine does not know. Then nothing may be changed in its window.
    const unknown = windows.find(({ zone }) => !isZone(zone));
    const why = unknown === undefined ? 'the policy changes' : `this machine knows the time zone ${unknown.zone}`;
    return { isOpen, until: null, untilText: why };
  }
  const { at, zone } = change;
  return { isOpen, until: at, untilText: `${momentText(at, zone, at - now >= 6 * DAY_MS)} ${zone}` };
}

interface Change {
  readonly at: number;
  readonly zone: string;
}

/** When the first of several closed windows opens. */
function opensAt(windows: readonly ChangeWindow[], now: number): Change | null {
  const openings = windows.flatMap((window) => {
    const at = nextChange(window, now);
    return at === null ? [] : [{ at, zone: window.zone }];
  });
  return openings.reduce<Change | null>((first, one) => (first === null || one.at < first.at ? one : first), null);
}

/** When the last of several windows closes, one of which is open. */
function closesAt(windows: readonly ChangeWindow[], now: number): Change | null {
  let zone = windows[0]?.zone ?? '';
  for (let at = now; at < now + HORIZON_MS;) {
    const open = windows.find((window) => isOpenAt(window, at));
    if (open === undefined) return { at, zone };
    const until = nextChange(open, at);
    if (until === null) return null;
    [at, zone] = [until, open.zone];
  }
  return null;
}

function isOpenAt(window: ChangeWindow, at: number): boolean {
  return weekOf(window)[minuteOfWeek(at + offsetAt(window.zone, at))] === 1;
}

/** When a window opens or closes next, after `now`; null: not within weeks. */
function nextChange(window: ChangeWindow, now: number): number | null {
  const week = weekOf(window);
  const wasOpen = isOpenAt(window, now);
  for (let at = now; at < now + HORIZON_MS;) {
    const offset = offsetAt(window.zone, at);
    const minute = minuteOfWeek(at + offset);
    const minutes = minutesTo(week, minute);
    const wanted = Math.floor((at + offset) / MINUTE_MS + minutes) * MINUTE_MS - offset;
    const shift = shiftBetween(window.zone, at, wanted);
    if (shift === null && minutes < WEEK_MINUTES) return wanted;
    at = shift ?? wanted;
    if (isOpenAt(window, at) !== wasOpen) return at;
  }
  return null;
}

/** In how many minutes the state of a week is another; a whole week if it never is. */
function minutesTo(week: Uint8Array, minute: number): number {
  let minutes = 1;
  while (minutes < WEEK_MINUTES && week[(minute + minutes) % WEEK_MINUTES] === week[minute]) minutes++;
  return minutes;
}

/**
 * The first minute after `from` and up to `to`, at most a week later, at which the zone has another offset than at `from`; null
 * if it has none. No zone changes its offset twice within a week.
 */
function shiftBetween(zone: string, from: number, to: number): number | null {
  const offset = offsetAt(zone, from);
  if (offsetAt(zone, to) === offset) return null;
  let [before, after] = [Math.floor(from / MINUTE_MS), Math.ceil(to / MINUTE_MS)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(zone, middle * MINUTE_MS) === offset) before = middle;
    else after = middle;
  }
  return after * MINUTE_MS;
}

const weeks = new WeakMap<ChangeWindow, Uint8Array>();

/** For each minute of a week of the wall clock, from Monday, whether a window is open. */
function weekOf(window: ChangeWindow): Uint8Array {
  const made = weeks.get(window);
  if (made !== undefined) return made;
  const week = new Uint8Array(WEEK_MINUTES);
  const { days, from, to } = window;
  const end = to > from ? to : to + 1_440;
  for (const day of days) {
    const start = DAYS.indexOf(day) * 1_440;
    for (let minute = from; minute < end; minute++) week[(start + minute) % WEEK_MINUTES] = 1;
  }
  weeks.set(window, week);
  return week;
}

/** The minute of the week, from Monday, that a wall clock shows. `localMs`: its time as if it were UTC. */
function minuteOfWeek(localMs: number): number {
  // 1970-01-01 was a Thursday.
  const minute = Math.floor(localMs / MINUTE_MS) + 3 * 1_440;
  return ((minute % WEEK_MINUTES) + WEEK_MINUTES) % WEEK_MINUTES;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError if the machine does not know the zone. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const number = 'numeric' as const;
    const parts = { year: number, month: number, day: number, hour: number, minute: number, second: number };
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', calendar: 'iso8601', ...parts });
    formats.set(timeZone, format);
  }
  return format;
}

/** What the wall clock of a zone is ahead of UTC, ms. */
function offsetAt(zone: string, at: number): number {
  const second = Math.floor(at / 1_000) * 1_000;
  const part = Object.fromEntries(
    formatOf(zone)
      .formatToParts(second)
      .map(({ type, value }) => [type, Number(value)]),
  ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number>;
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - second;
}

/** `Tue 09:00`, or with the date: `Tue 15 Dec 09:00`. */
function momentText(at: number, zone: string, isFar: boolean): string {
  const [weekday = '', day = '', month = '', , time = ''] = new Date(at + offsetAt(zone, at))
    .toUTCString()
    .replace(',', '')
    .split(' ');
  const date = isFar ? ` ${Number(day)} ${month}` : '';
  return `${weekday}${date} ${time.slice(0, 5)}`;
}
