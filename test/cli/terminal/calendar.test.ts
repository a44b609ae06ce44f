import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dayText, openCalendar } from '../../../src/cli/terminal/calendar.ts';

describe('a calendar', () => {
  const at = Date.UTC(2026, 2, 29, 0, 59);
  const rows = [
    ['UTC', at, '2026-03-29 Sun 0', 'Sun 29 Mar 00:59'],
    ['Europe/Berlin', at, '2026-03-29 Sun 1', 'Sun 29 Mar 01:59'],
    // The clock goes from two to three.
    ['Europe/Berlin', at + 60_000, '2026-03-29 Sun 3', 'Sun 29 Mar 03:00'],
    ['Asia/Kolkata', at, '2026-03-29 Sun 6', 'Sun 29 Mar 06:29'],
    ['America/New_York', at, '2026-03-28 Sat 20', 'Sat 28 Mar 20:59'],
  ] as const;
  for (const [zone, atMs, moment, text] of rows) {
    it(`of ${zone} says ${text} at ${new Date(atMs).toISOString()}`, () => {
      const calendar = openCalendar(zone);
      const { date, weekday, hour } = calendar.momentOf(atMs);
      assert.equal(`${date} ${dayText({ date, weekday }).slice(0, 3)} ${hour}`, moment);
      assert.equal(calendar.text(atMs), text);
    });
  }

  it('of this machine has a name', () => {
    assert.equal(openCalendar('local').zone, new Intl.DateTimeFormat().resolvedOptions().timeZone);
  });

  it('is refused where there is no such zone', () => {
    assert.throws(() => openCalendar('Mars/Olympus'), /--zone "Mars\/Olympus" is not a time zone/);
  });
});
