import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import * as fc from 'fast-check';
import type { AttemptRecord, Call, Shadow } from '../../../src/core/call.ts';
import { asksOf } from '../../../src/core/judge/asks.ts';
import { CallOrder, earlyView, fullView, knownOf } from '../../../src/core/judge/call-order.ts';
import type { Assigned } from '../../../src/core/judge/call-order.ts';
import type { JudgedCall } from '../../../src/core/judge/verdict.ts';
import { CallWriter } from '../../../src/ledger/calls/call-writer.ts';
import { readPage, recentPage } from '../../../src/ledger/calls/history.ts';
import { pastCalls, pastPairs } from '../../../src/ledger/calls/judged.ts';
import { cutPage, pagesOf } from '../../../src/ledger/calls/pages.ts';
import { readMigrations } from '../../../src/ledger/migrate.ts';
import { START_MS, makeCall, makeShadow } from '../rig.ts';

const ROLLOUT = 'abcdefgh';
const LATE_US = 30_000_000;

/** Calls of two gateways within a few microseconds; many have their arrival or their end in common. */
const calls: fc.Arbitrary<Call[]> = fc.uniqueArray(
  fc
    .record({
      gatewayId: fc.constantFrom(1, 2),
      arrivedAfterUs: fc.integer({ min: 0, max: 4 }),
      uploadUs: fc.integer({ min: 0, max: 2 }),
      tookUs: fc.integer({ min: 1, max: 5 }),
      isCanary: fc.boolean(),
    })
    .map(({ gatewayId, arrivedAfterUs, uploadUs, tookUs, isCanary }): Call => {
      const [attempt] = makeCall(0).attempts as [AttemptRecord];
      const durationUs = uploadUs + tookUs;
      return makeCall(0, {
        gatewayId,
        arrivedAtUs: START_MS * 1_000 + arrivedAfterUs,
        durationUs,
        firstByteUs: durationUs,
        firstTokenUs: null,
        role: isCanary ? 'canary' : 'stable',
        attempts: [{ ...attempt, startedAfterUs: uploadUs, firstByteUs: tookUs, durationUs: tookUs }],
      });
    }),
  { selector: keyOf, maxLength: 12 },
);

function keyOf({ gatewayId, arrivedAtUs }: { gatewayId: number; arrivedAtUs: number }): string {
  return `${gatewayId} ${arrivedAtUs}`;
}

function open(): Database.Database {
  const db = new Database(':memory:');
  for (const { sql } of readMigrations()) db.exec(sql);
  return db;
}

/** Leaves just these calls in a ledger. */
function write(db: Database.Database, all: readonly Call[], shadows: readonly Shadow[] = []): void {
  db.exec('DELETE FROM calls; DELETE FROM attempts; DELETE FROM shadows;');
  const rows = all.map((call) => ({ endedAtUs: call.arrivedAtUs + call.durationUs, call }));
  assert.equal(new CallWriter(db).write(rows, shadows), 0);
}

function assignedOf(call: Call): Assigned {
  const [{ startedAfterUs }] = call.attempts as [AttemptRecord];
  const { gatewayId, arrivedAtUs, step, weight, waitedUs } = call;
  const role = call.role === 'canary' ? 'canary' : 'stable';
  const assignedAtUs = arrivedAtUs + startedAfterUs;
  return { gatewayId, arrivedAtUs, assignedAtUs, role, step, weight, waitedUs, asks: asksOf(call.shape) };
}

/** What the judge is given while the calls happen, in the order in which they are heard of. */
function live(all: readonly Call[]): { early: JudgedCall[]; full: JudgedCall[] } {
  const given = { early: [] as JudgedCall[], full: [] as JudgedCall[] };
  const callOrder = new CallOrder(
    { early: (call) => given.early.push(call), take: (call) => given.full.push(call), pair: () => undefined },
    LATE_US,
  );
  const events = all.flatMap((call) => {
    const assigned = assignedOf(call);
    return [
      { atUs: assigned.assignedAtUs, happen: () => callOrder.assigned(assigned) },
      { atUs: assigned.assignedAtUs, happen: () => callOrder.sent(call, 0) },
      { atUs: call.arrivedAtUs + call.durationUs, happen: () => callOrder.known(call, knownOf(call)) },
    ];
  });
  for (const { atUs, happen } of events.sort((a, b) => a.atUs - b.atUs)) {
    happen();
    callOrder.advance(atUs);
  }
  callOrder.advance(START_MS * 1_000 + LATE_US);
  return given;
}

describe('calls of two gateways', () => {
  it('in the same microsecond are all kept, and replayed in the order in which they were judged', () => {
    const db = open();
    fc.assert(
      fc.property(calls, fc.func(fc.integer()), (all, place) => {
        const heard = all.toSorted((a, b) => place(keyOf(a)) - place(keyOf(b)));
        write(db, heard);
        const past = pastCalls(db, ROLLOUT);
        const stored = [...readPage(recentPage(db, 0))];
        assert.deepEqual(past.map(keyOf).sort(), all.map(keyOf).sort());
        assert.deepEqual(stored.map(keyOf).sort(), all.map(keyOf).sort());
        const { early, full } = live(heard);
        assert.deepEqual(
          early,
          past.map((call) => earlyView(call, call)),
        );
        assert.deepEqual(
          full,
          past.map((call) => fullView(call, call, LATE_US)),
        );
      }),
      { numRuns: 200 },
    );
    db.close();
  });

  it('have their own copies', () => {
    const shadowed = { hasShadow: true, role: 'stable', step: 0 } as const;
    const all = [2, 1].map((gatewayId) =>
      makeCall(0, { ...shadowed, gatewayId, durationUs: 900_000 + gatewayId, attempts: [] }),
    );
    const copies = [1, 2].map((gatewayId) => makeShadow(0, { gatewayId, durationUs: 700_000 + gatewayId }));
    const db = open();
    write(db, all, copies);
    const found = pastPairs(db, ROLLOUT).map(({ gatewayId, stable, canary }) => [
      gatewayId,
      stable?.durationUs,
      canary?.durationUs,
    ]);
    const log = db.prepare('SELECT gateway, live_duration_ms, duration_ms FROM shadow_log ORDER BY 2').raw().all();
    db.close();
    assert.deepEqual(found, [
      [1, 900_001, 700_001],
      [2, 900_002, 700_002],
    ]);
    assert.deepEqual(log, [
      ['gateway-1', 900.001, 700.001],
      [null, 900.002, 700.002],
    ]);
  });

  it('with the same time are never on two pages', () => {
    const rows = [1, 2, 2, 3, 3, 3, 4].map((timeUs, n) => [timeUs, n] as const);
    const read = (most: number) => {
      const from = (after: number) => rows.filter(([timeUs]) => timeUs > after).slice(0, most);
      return [...pagesOf(0, (after) => cutPage(from(after), most))].map((page) => page.rows.map(([, n]) => n));
    };
    assert.deepEqual(read(4), [[0, 1, 2], [3, 4, 5], [6]]);
    for (const most of [4, 5, 6, 7, 8]) assert.deepEqual(read(most).flat(), [0, 1, 2, 3, 4, 5, 6]);
  });
});
