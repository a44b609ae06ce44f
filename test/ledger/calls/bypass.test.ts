import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { historyCalls } from '../../../src/ledger/calls/arrivals.ts';
import { demandCalls } from '../../../src/ledger/calls/history.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { makeCall, openFor, temporaryPath } from '../rig.ts';

/** The n-th call past the gateway. */
const past = (n: number, changes: Partial<Call> = {}) =>
  makeCall(n, { role: null, isEligible: false, rolloutId: null, isBypass: true, servedBy: 'serverless', ...changes });

it('writes a call past the gateway once, however often and with whatever others it is reported', async (context) => {
  const path = temporaryPath(context);
  const ledger = await openFor(context, path);
  const calls = Array.from({ length: 40 }, (_, n) => past(n));
  // Of one moment, and each another call.
  const same = [past(50), past(50, { agent: 'other' }), past(50, { durationUs: past(50).durationUs + 1 })];
  const first = await Promise.all([
    ledger.bypass.record([...calls, ...same]),
    ledger.bypass.record(calls),
    ledger.bypass.record([past(60), past(60)]),
  ]);
  assert.deepEqual(
    first.map(({ length }) => length),
    [43, 0, 1],
  );
  for (const again of [calls, same, same.toReversed(), [past(60)]]) {
    assert.deepEqual(await ledger.bypass.record(again), []);
  }
  assert.deepEqual(await ledger.bypass.record([past(61), past(60)]), [past(61)]);
  await ledger.close();
  await assert.rejects(ledger.bypass.record([past(70)]), { code: 'unavailable' });
  const db = openForReading(path);
  context.after(() => db.close());
  const rows = db.prepare('SELECT bypassed_gateway AS past, role, served_by, attempts FROM call_log').all();
  assert.equal(rows.length, 45);
  for (const row of rows) assert.deepEqual(row, { past: 1, role: null, served_by: 'serverless', attempts: 1 });
});

it('writes it beside the calls of the gateway, whose keys stay in the order of their ends', async (context) => {
  const path = temporaryPath(context);
  const ledger = await openFor(context, path);
  const release = () => new Promise<void>((resolve) => ledger.calls.record(makeCall(1_000), resolve));
  await release();
  // The place of a call of the gateway is taken: the next one is free, and found again.
  const clash = past(1_000, { agent: 'other' });
  assert.equal((await ledger.bypass.record([clash])).length, 1);
  assert.deepEqual(await ledger.bypass.record([clash]), []);
  await ledger.close();
  const db = openForReading(path);
  context.after(() => db.close());
  const told = db.prepare('SELECT bypassed_gateway FROM call_log ORDER BY ended_at_us').pluck().all();
  assert.deepEqual(told, [0, 1]);
});

it('counts as demand, and not as what is usual for serverless', async (context) => {
  const path = temporaryPath(context);
  const ledger = await openFor(context, path);
  await ledger.bypass.record([past(1)]);
  await new Promise<void>((resolve) => ledger.calls.record(past(2, { isBypass: false }), resolve));
  await ledger.close();
  const db = openForReading(path);
  context.after(() => db.close());
  assert.equal([...demandCalls(db, 0, Number.MAX_SAFE_INTEGER)].length, 2);
  const usual = [...historyCalls(db, 'org/model', 0, Number.MAX_SAFE_INTEGER)];
  assert.deepEqual(
    usual.map(({ arrivedAtUs }) => arrivedAtUs),
    [past(2).arrivedAtUs],
  );
});
