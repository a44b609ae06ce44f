import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { DAYS } from '../../src/core/policy/windows.ts';
import type { ChangeWindow, Day } from '../../src/core/policy/windows.ts';
import { DAY_MS, MINUTE_MS } from '../../src/core/time.ts';
import { closedAt, isZone, windowState } from '../../src/files/windows.ts';

const at = (text: string) => Date.parse(text);
const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function windowOf(days: readonly Day[], from: string, to: string, zone: string): ChangeWindow {
  return { days, from: minutes(from), to: minutes(to), zone };
}

const WORK: readonly Day[] = ['mon', 'tue', 'wed', 'thu'];
const WORK_HOURS = [windowOf(WORK, '09:00', '16:00', 'Europe/Berlin')];

/** The day and the minute that a clock on the wall shows, as the platform writes them. */
function wallClock(zone: string): (ms: number) => { readonly day: number; readonly minute: number } {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return (ms) => {
    const [, weekday = '', hours = '', rest = ''] = /^(\w{3}),? (\d\d):(\d\d)$/.exec(format.format(ms)) ?? [];
    return { day: DAYS.indexOf(weekday.toLowerCase() as Day), minute: Number(hours) * 60 + Number(rest) };
  };
}

/** The definition, minute by minute: the clock shows a day of the window and a time in it, or the rest of one from the day before. */
function isOpenBy(window: ChangeWindow, { day, minute }: { readonly day: number; readonly minute: number }): boolean {
  const { days, from, to } = window;
  const has = (which: number) => days.includes(DAYS[(which + 7) % 7] as Day);
  if (to > from) return has(day) && minute >= from && minute < to;
  return (has(day) && minute >= from) || (has(day - 1) && minute < to);
}

/** Zones, each with the moments at which its clocks are changed. Those of Lord Howe jump by half an hour. */
const JUMPS: readonly (readonly [zone: string, moment: string])[] = [
  ['Europe/Berlin', '2027-03-28T01:00:00Z'],
  ['Europe/Berlin', '2027-10-31T01:00:00Z'],
  ['America/New_York', '2027-03-14T07:00:00Z'],
  ['America/New_York', '2027-11-07T06:00:00Z'],
  ['America/St_Johns', '2027-11-07T04:30:00Z'],
  ['Australia/Lord_Howe', '2027-04-03T15:00:00Z'],
  ['Australia/Lord_Howe', '2027-10-02T15:30:00Z'],
  ['Asia/Kolkata', '2027-05-01T00:00:00Z'],
  ['UTC', '2027-05-01T00:00:00Z'],
];

const timeOfDay = fc.oneof(
  fc.integer({ min: 0, max: 1_439 }),
  // Around midnight and around the hours at which clocks are changed.
  fc.constantFrom(0, 1, 90, 119, 120, 135, 150, 165, 180, 181, 240, 1_320, 1_439),
);

function windowIn(zone: string): fc.Arbitrary<ChangeWindow> {
  return fc
    .record({
      days: fc.oneof(fc.subarray([...DAYS], { minLength: 1 }), fc.constantFrom<Day[]>(['sun'], ['sat'])),
      from: timeOfDay,
      to: fc.oneof(timeOfDay, fc.constant(1_440)),
      zone: fc.constant(zone),
    })
    .filter(({ from, to }) => from !== to);
}

const cases = fc.constantFrom(...JUMPS).chain(([zone, moment]) =>
  fc.record({
    zone: fc.constant(zone),
    windows: fc.array(windowIn(zone), { minLength: 1, maxLength: 3 }),
    from: fc
      .integer({ min: -3 * 1_440, max: 1_440 })
      .map((shift) => Math.floor(at(moment) / MINUTE_MS) * MINUTE_MS + shift * MINUTE_MS),
  }),
);

/** The spans between two moments in which no window is open, from one change that is foretold to the next. */
function closedSpans(windows: readonly ChangeWindow[], from: number, until: number): { from: number; until: number }[] {
  const spans: { from: number; until: number }[] = [];
  for (let now = from; now < until;) {
    const state = windowState(windows, now);
    const next = Math.min(state?.until ?? until, until);
    if (state?.isOpen === false) spans.push({ from: now, until: next });
    now = next;
  }
  return spans;
}

describe('change windows on the time line', () => {
  it('are open exactly in the minutes in which the clock on the wall is in one, whatever clocks are changed', () => {
    fc.assert(
      fc.property(cases, ({ zone, windows, from }) => {
        const clock = wallClock(zone);
        const until = from + 5 * DAY_MS;
        const wanted: { from: number; until: number }[] = [];
        let next: { at: number; isOpen: boolean } | null = null;
        for (let now = from; now < until; now += MINUTE_MS) {
          const shown = clock(now);
          const isOpen = windows.some((window) => isOpenBy(window, shown));
          const last = wanted.at(-1);
          if (!isOpen && last?.until === now) last.until = now + MINUTE_MS;
          else if (!isOpen) wanted.push({ from: now, until: now + MINUTE_MS });
          next ??= now === from ? { at: -1, isOpen } : null;
          if (next !== null && next.at < 0 && next.isOpen !== isOpen) next = { ...next, at: now };
        }
        assert.deepEqual(closedSpans(windows, from, until), wanted);
        const state = windowState(windows, from);
        assert.equal(state?.isOpen, next?.isOpen);
        if (next !== null && next.at > 0) assert.equal(state?.until, next.at);
        else assert.ok(state?.until == null || state.until >= until);
      }),
      { numRuns: 60 },
    );
  });

  it('say when one opens, by its own clock, and with the date if that is far', () => {
    const friday = at('2027-01-15T12:00:00Z');
    assert.deepEqual(closedAt(WORK_HOURS, friday), {
      until: at('2027-01-18T08:00:00Z'),
      opens: 'Mon 09:00 Europe/Berlin',
    });
    const sunday = [windowOf(['sun'], '02:15', '02:45', 'Europe/Berlin')];
    assert.deepEqual(closedAt(sunday, at('2027-03-22T00:00:00Z')), {
      until: at('2027-04-04T00:15:00Z'),
      opens: 'Sun 4 Apr 02:15 Europe/Berlin',
    });
  });

  it('that come twice when the clocks go back open twice', () => {
    const sunday = [windowOf(['sun'], '02:15', '02:45', 'Europe/Berlin')];
    const opens = (from: string) => closedAt(sunday, at(from))?.until;
    assert.equal(opens('2027-10-31T00:00:00Z'), at('2027-10-31T00:15:00Z'));
    assert.equal(opens('2027-10-31T00:45:00Z'), at('2027-10-31T01:15:00Z'));
  });

  it('add up, also over zones: it is open until the last of those that overlap closes', () => {
    const both = [...WORK_HOURS, windowOf(['thu'], '09:00', '17:00', 'America/New_York')];
    const state = windowState(both, at('2027-01-14T10:00:00Z'));
    assert.deepEqual(state, {
      isOpen: true,
      until: at('2027-01-14T22:00:00Z'),
      untilText: 'Thu 17:00 America/New_York',
    });
    assert.deepEqual(closedAt(both, at('2027-01-14T22:00:00Z'))?.opens, 'Mon 09:00 Europe/Berlin');
  });

  it('are the same whatever was asked before, also when the clock of the machine jumps back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 21 * 24 * 60 }), { minLength: 2, maxLength: 20 }), (moments) => {
        const used = [...WORK_HOURS];
        for (const moment of moments) {
          const now = at('2027-03-20T00:00:00Z') + moment * MINUTE_MS;
          assert.deepEqual(windowState(used, now), windowState([...WORK_HOURS], now));
        }
      }),
    );
  });

  it('none are always open, and so are those of every minute', () => {
    assert.equal(windowState([], at('2027-01-15T12:00:00Z')), null);
    const always = [windowOf([...DAYS], '00:00', '24:00', 'Europe/Berlin')];
    assert.equal(windowState(always, at('2027-03-28T00:30:00Z'))?.isOpen, true);
    assert.equal(windowState(always, at('2027-03-28T00:30:00Z'))?.until, null);
  });

  it('that never close are not worked out at each tick', () => {
    const always = [windowOf([...DAYS], '00:00', '13:00', 'UTC'), windowOf([...DAYS], '12:00', '24:00', 'UTC')];
    const monday = at('2027-03-01T00:00:00Z');
    const state = windowState(always, monday);
    assert.equal(windowState(always, monday + 6 * DAY_MS), state);
    assert.notEqual(windowState(always, monday + 7 * DAY_MS), state);
  });

  it('of a zone that this machine does not know stay closed, and others still open', () => {
    const lost = windowOf(WORK, '00:00', '24:00', 'Mars/Olympus');
    const now = at('2027-01-14T10:00:00Z');
    assert.equal(isZone('Mars/Olympus'), false);
    assert.deepEqual(closedAt([lost], now), { until: null, opens: 'this machine knows the time zone Mars/Olympus' });
    assert.equal(closedAt([lost, ...WORK_HOURS], now), null);
  });
});
