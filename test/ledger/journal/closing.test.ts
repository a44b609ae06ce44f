import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { DAY_MS, HOUR_MS } from '../../../src/core/time.ts';
import type { CallRow } from '../../../src/ledger/calls/call-writer.ts';
import { checkCalls } from '../../../src/ledger/journal/audit-calls.ts';
import type { CallsReport } from '../../../src/ledger/journal/audit-calls.ts';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { JournalStore } from '../../../src/ledger/journal/store.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { START_MS, makeCall, makeShadow, redecide, temporaryPath } from '../rig.ts';

/** The first moment of a day in UTC, epoch ms. */
const DAY = Math.floor(START_MS / DAY_MS) * DAY_MS;
const SECOND_US = 1e6;

/** The n-th call, as one that ended at a time, epoch ms. */
function endedAt(at: number, n: number): CallRow {
  const call = makeCall(n);
  const endedAtUs = at * 1_000 + n;
  return { endedAtUs, call: { ...call, arrivedAtUs: endedAtUs - call.durationUs } };
}

/** The copy of the n-th call, as if that had arrived at a time, epoch ms. */
const copyAt = (at: number, n: number) => makeShadow(n, { arrivedAtUs: at * 1_000 + n });

function openStore(context: TestContext, path = temporaryPath(context)): { store: JournalStore; path: string } {
  migrate(path, START_MS);
  return { store: new JournalStore(path), path };
}

function closeAll(store: JournalStore, now: number): void {
  while (store.closeCalls(now));
}

/** What the audit says of the calls of a ledger; `change` is undone afterwards. */
function audited(path: string, change = ''): CallsReport & { wrong: string[] } {
  const db = new Database(path);
  const wrong: string[] = [];
  try {
    db.exec(`BEGIN; ${change}`);
    return { ...checkCalls(db, (what) => wrong.push(what)), wrong };
  } finally {
    db.close();
  }
}

/** A ledger with two closed days of calls and copies, late ones of the first day, and an open day. */
function makeClosed(context: TestContext): string {
  const { store, path } = openStore(context);
  const calls = (day: number, from: number, count: number) =>
    Array.from({ length: count }, (_, i) => endedAt(DAY + day * DAY_MS + i * 1_000, from + i));
  store.writeCalls(calls(0, 1, 700), [copyAt(DAY + 5_000, 1)]);
  closeAll(store, DAY + DAY_MS + HOUR_MS);
  store.writeCalls([...calls(0, 701, 30), ...calls(1, 801, 40)], [copyAt(DAY + 6_000, 2), copyAt(DAY + DAY_MS, 3)]);
  closeAll(store, DAY + 2 * DAY_MS + HOUR_MS);
  store.writeCalls(calls(2, 901, 20));
  store.close();
  return path;
}

const TAMPERING: readonly (readonly [what: string, sql: string, named: RegExp])[] = [
  [
    'a changed call',
    `UPDATE calls SET output_tokens = 1 WHERE ended_at_us = ${DAY * 1_000 + 600 * SECOND_US + 601}`,
    /^calls from \S+T00:08:20.\d+Z to 2025-10-10T00:00:00.000Z were changed/,
  ],
  [
    'a removed call',
    `DELETE FROM calls WHERE ended_at_us = ${DAY * 1_000 + 3 * SECOND_US + 4}`,
    /^calls before 2025-10-09T00:08:20.\d+Z were removed or inserted .*\(call -1\)/,
  ],
  [
    'a removed call with its attempts',
    `DELETE FROM calls WHERE ended_at_us = ${(DAY + DAY_MS) * 1_000 + 801};
     DELETE FROM attempts WHERE call_ended_at_us = ${(DAY + DAY_MS) * 1_000 + 801}`,
    /^calls from 2025-10-10T00:00:00.000Z to 2025-10-11T00:00:00.000Z were removed .*\(call -1, attempt -1\)/,
  ],
  ['all calls removed', 'DELETE FROM calls', /\(call -700\)/],
  [
    'an inserted call',
    `INSERT INTO calls (ended_at_us, gateway_id, duration_us, agent_id, shape_id, step, weight_per_10000, flags, status,
       outcome_id, final_outcome_id, request_bytes, response_bytes) VALUES (${DAY * 1_000}, 1, 9, 1, 1, 0, 0, 0, 200, 0, 0, 9, 9)`,
    /\(call \+1\)/,
  ],
  [
    'a call inserted in a year without calls',
    `INSERT INTO calls (ended_at_us, gateway_id, duration_us, agent_id, shape_id, step, weight_per_10000, flags, status,
       outcome_id, final_outcome_id, request_bytes, response_bytes) VALUES (-9, 1, 9, 1, 1, 0, 0, 0, 200, 0, 0, 9, 9)`,
    /\(call \+1\)/,
  ],
  [
    'a call passed off as a late one that waits',
    `UPDATE calls SET status = 500 WHERE ended_at_us = ${DAY * 1_000 + 1};
     INSERT INTO late_calls VALUES (${DAY * 1_000 + 1}, 1, 0, 3)`,
    /\(call -1, attempt -1\)/,
  ],
  ['a changed attempt', 'UPDATE attempts SET status = 500 WHERE position = 0 AND gateway_id = 1', /were changed/],
  [
    'an inserted attempt',
    `INSERT INTO attempts VALUES (${DAY * 1_000 + 1}, 1, 3, 0, 5, 200, 0, 1, 2)`,
    /\(attempt \+1\)/,
  ],
  [
    'a changed copy',
    `UPDATE shadows SET status = 500 WHERE arrived_at_us = ${DAY * 1_000 + 5 * SECOND_US + 1}`,
    /changed/,
  ],
  ['a removed copy', `DELETE FROM shadows WHERE arrived_at_us = ${DAY * 1_000 + 5 * SECOND_US + 1}`, /\(copy -1\)/],
  ['another name of an agent', "UPDATE agents SET name = 'cfo' WHERE name = 'agent-1'", /a name that they use/],
  ['another name of a model', "UPDATE routes SET model = 'x' WHERE model = 'org/model'", /a name that they use/],
  ['a removed name', "DELETE FROM shapes WHERE name = 'chat'", /a name that they use/],
  [
    'a changed late call',
    `UPDATE calls SET status = 500 WHERE ended_at_us = ${DAY * 1_000 + 701}`,
    /^late calls before \S+ were changed/,
  ],
  [
    'a removed late call',
    `DELETE FROM calls WHERE ended_at_us = ${DAY * 1_000 + 701}`,
    /^late calls before \S+ were removed after they were sealed: 2025-10-09T00:00:00.000Z/,
  ],
  [
    'a late call that is none any more',
    'DELETE FROM late_calls WHERE key_at_us IN (SELECT min(key_at_us) FROM late_calls)',
    /\(call \+1, attempt \+1\)/,
  ],
  [
    'a removed late copy',
    `DELETE FROM shadows WHERE arrived_at_us = ${DAY * 1_000 + 6 * SECOND_US + 2}`,
    /\(copy -1\)/,
  ],
  [
    'removed blocks',
    'DELETE FROM call_blocks WHERE closing_id = 1 AND is_late = 0',
    /the blocks of calls from \S+ to \S+ are missing/,
  ],
];

describe('calls of closed days', () => {
  it('are covered, late ones too, and those of the open day are not', (context) => {
    const { wrong, ...report } = audited(makeClosed(context));
    assert.deepEqual(wrong, []);
    assert.deepEqual(report, { covered: 770, until: DAY + 2 * DAY_MS, open: 20 });
  });

  describe('tampering is found and named', () => {
    for (const [what, sql, named] of TAMPERING) {
      it(what, (context) => {
        const { wrong } = audited(makeClosed(context), sql);
        assert.ok(
          wrong.some((one) => named.test(one)),
          wrong.join('\n'),
        );
      });
    }

    it('in every column of every table of calls', (context) => {
      const path = makeClosed(context);
      const db = new Database(path, { readonly: true });
      const columns = ['calls', 'attempts', 'shadows'].flatMap((table) => {
        const all = db.pragma(`table_info(${table})`) as { name: string }[];
        return all.map(({ name }) => ({ table, name, time: all[0]?.name ?? '' }));
      });
      db.close();
      assert.ok(columns.length > 40);
      for (const { table, name, time } of columns) {
        const first = `SELECT min(${time}) FROM ${table}`;
        const { wrong } = audited(
          path,
          `UPDATE ${table} SET ${name} = ifnull(${name}, 0) + 1 WHERE ${time} = (${first})`,
        );
        assert.notDeepEqual(wrong, [], `${table}.${name}`);
      }
    });

    it('between times that have the call among them, wherever it was', (context) => {
      const path = makeClosed(context);
      for (const n of [1, 2, 250, 499, 500, 501, 502, 699, 700]) {
        const endedAtUs = endedAt(DAY + (n - 1) * 1_000, n).endedAtUs;
        const { wrong } = audited(path, `DELETE FROM calls WHERE ended_at_us = ${endedAtUs}`);
        assert.equal(wrong.length, 1);
        const [from = '', to = ''] = /from (\S+) to (\S+)/.exec(wrong[0] ?? '')?.slice(1) ?? [
          '',
          wrong[0]?.split(' ')[2],
        ];
        assert.ok(from === '' || Date.parse(from) * 1_000 <= endedAtUs, wrong[0]);
        assert.ok(Date.parse(to) * 1_000 + 1_000 > endedAtUs, wrong[0]);
      }
    });

    it('by the whole audit, what was sealed first before the rest', (context) => {
      const path = makeClosed(context);
      const db = new Database(path);
      db.exec(`UPDATE calls SET status = 500 WHERE ended_at_us >= ${(DAY + DAY_MS) * 1_000};
        UPDATE calls SET status = 500 WHERE ended_at_us = ${DAY * 1_000 + 1}`);
      db.close();
      const reading = openForReading(path);
      const { problems, calls } = verifyAudit(reading, redecide, 1);
      reading.close();
      assert.deepEqual(
        problems.map(({ seal, what }) => [seal, what.split(' ')[0]]),
        [
          [1, 'calls'],
          [2, 'calls'],
        ],
      );
      assert.equal(calls.covered, 770 - 500 - 40);
    });

    it('in the digests themselves, because they are sealed', (context) => {
      const path = makeClosed(context);
      const db = new Database(path);
      db.pragma('foreign_keys = OFF');
      db.exec("UPDATE call_blocks SET digest = 'x' WHERE closing_id = 2; DELETE FROM call_closings WHERE id = 1");
      db.close();
      const reading = openForReading(path);
      const found = verifyAudit(reading, redecide, 1).problems.map(({ what }) => what);
      reading.close();
      assert.ok(
        found.some((what) => /the closing of calls 2 was changed/.test(what)),
        found.join('\n'),
      );
      assert.ok(
        found.some((what) => /the closing of calls 1 was removed/.test(what)),
        found.join('\n'),
      );
    });
  });

  it('one name in all of them makes a few findings, not thousands', (context) => {
    const { store, path } = openStore(context);
    const rows = Array.from({ length: 30_000 }, (_, i) => endedAt(DAY + i * 1_000, i));
    const named = rows.map((row, i) => (i % 1_000 < 500 ? { ...row, call: { ...row.call, agent: 'one' } } : row));
    for (let i = 0; i < named.length; i += 1_000) store.writeCalls(named.slice(i, i + 1_000));
    closeAll(store, DAY + 2 * DAY_MS);
    store.close();
    const { wrong } = audited(path, "UPDATE agents SET name = 'other' WHERE name = 'one'");
    assert.equal(wrong.length, 11);
    assert.match(wrong.at(-1) ?? '', /^20 more stretches of calls before/);
  });

  it('a day is closed an hour after its end, in pieces', (context) => {
    const { store, path } = openStore(context);
    store.writeCalls(Array.from({ length: 1_200 }, (_, i) => endedAt(DAY + i, i)));
    for (const early of [DAY, DAY + DAY_MS, DAY + DAY_MS + HOUR_MS - 1]) assert.equal(store.closeCalls(early), false);
    let pieces = 0;
    while (store.closeCalls(DAY + DAY_MS + HOUR_MS)) pieces++;
    assert.equal(pieces, 4);
    assert.equal(audited(path).covered, 1_200);
    store.close();
  });

  it('after a time without a daemon each day with calls is closed, and no other', (context) => {
    const { store, path } = openStore(context);
    for (const day of [0, 1, 400]) store.writeCalls([endedAt(DAY + day * DAY_MS, day)]);
    closeAll(store, DAY + 900 * DAY_MS);
    store.close();
    const db = new Database(path, { readonly: true });
    const untils = db.prepare('SELECT until_us / 1000 FROM call_closings ORDER BY id').pluck().all();
    db.close();
    assert.deepEqual(
      untils,
      [1, 2, 401].map((day) => DAY + day * DAY_MS),
    );
  });

  it('late rows are sealed a day later, even if the clock was years ahead', (context) => {
    const { store, path } = openStore(context);
    store.writeCalls([endedAt(DAY + 3_000 * DAY_MS, 1)]);
    closeAll(store, DAY + 3_002 * DAY_MS);
    for (const day of [0, 1, 2]) {
      store.writeCalls([endedAt(DAY + day * DAY_MS, 2 + day)]);
      closeAll(store, DAY + day * DAY_MS + 2 * HOUR_MS);
      const { wrong, covered, open } = audited(path);
      assert.deepEqual([wrong, covered, open], [[], 2 + day, 0]);
    }
    store.close();
  });
});

describe('whatever comes late, in whatever order', () => {
  const hours = fc.integer({ min: -30, max: 60 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('call' as const), ago: hours }),
    fc.record({ do: fc.constant('copy' as const), ago: hours }),
    fc.record({ do: fc.constant('wait' as const), hours }),
    fc.record({ do: fc.constant('close' as const), pieces: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant('die' as const) }),
  );

  it('nothing is a finding, and in the end each call is covered once', (context) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { store: first, path } = openStore(context);
        let store = first;
        let now = DAY + 5 * DAY_MS;
        let calls = 0;
        try {
          steps.forEach((one, n) => {
            const at = now - (one.do === 'call' || one.do === 'copy' ? one.ago : 0) * HOUR_MS;
            if (one.do === 'call') calls += store.writeCalls([endedAt(at, n)]) === 0 ? 1 : 0;
            else if (one.do === 'copy') store.writeCalls([], [copyAt(at, n)]);
            else if (one.do === 'wait') now += one.hours * HOUR_MS;
            else if (one.do === 'close') for (let i = 0; i < one.pieces; i++) store.closeCalls(now);
            else {
              store.close();
              store = new JournalStore(path);
            }
            const { wrong, covered, open } = audited(path);
            assert.deepEqual(wrong, []);
            assert.equal(covered + open, calls);
          });
          closeAll(store, now + 30 * DAY_MS);
          closeAll(store, now + 32 * DAY_MS);
          const { wrong, covered, open } = audited(path);
          assert.deepEqual([wrong, covered, open], [[], calls, 0]);
        } finally {
          store.close();
        }
      }),
      { numRuns: 40 },
    );
  });
});
