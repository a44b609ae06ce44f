import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import type { Shadow } from '../../../src/core/call.ts';
import { CallLog } from '../../../src/ledger/calls/call-log.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { START_MS, makeCall, makeShadow, openFor, temporaryPath, until } from '../rig.ts';

const noCatchUp = () => Promise.reject(new Error('nobody catches up'));

function ids(path: string): number[] {
  const db = new Database(path, { readonly: true });
  const found = db.prepare('SELECT arrived_at_us FROM shadows ORDER BY arrived_at_us').pluck().all() as number[];
  db.close();
  return found;
}

describe('shadows', () => {
  it('stand beside their live calls, by name', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    const call = makeCall(1, { hasShadow: true, role: 'stable', step: 0, status: 429, outcome: 'rate_limited' });
    const lone = makeShadow(2, {
      status: 0,
      outcome: 'cut',
      firstByteUs: null,
      firstTokenUs: null,
      outputTokens: null,
    });
    ledger.calls.record(call, () => undefined);
    const agreement = { finish: true, tools: false, args: null, text: 0.5, cosine: null };
    ledger.calls.recordShadow(makeShadow(1, { agreement }));
    ledger.calls.recordShadow(lone);
    assert.equal(ledger.calls.pending, 3);
    await ledger.calls.flush();
    const db = openForReading(path);
    const [first, second] = db.prepare('SELECT * FROM shadow_log').all() as Record<string, unknown>[];
    const at = (us: number) => new Date(us / 1_000).toISOString();
    assert.deepEqual(first, {
      gateway: 'gateway-1',
      arrived_at_us: call.arrivedAtUs,
      arrived: at(call.arrivedAtUs),
      ended: at(call.arrivedAtUs + 800_001),
      rollout: 'abcdefgh',
      model: call.model,
      shape: call.shape,
      agent: call.agent,
      status: 200,
      outcome: 'ok',
      known_after_ms: 800.001,
      duration_ms: 800.001,
      first_byte_ms: 90.001,
      first_token_ms: 95.001,
      prompt_tokens: 201,
      output_tokens: 21,
      is_empty: 0,
      same_finish: 1,
      same_tools: 0,
      same_arguments: null,
      same_text: 0.5,
      cosine_digits: null,
      live_ended_at_us: call.arrivedAtUs + call.durationUs,
      live_status: 429,
      live_outcome: 'rate_limited',
      live_duration_ms: call.durationUs / 1_000,
      live_first_byte_ms: (call.firstByteUs as number) / 1_000,
      live_first_token_ms: (call.firstTokenUs as number) / 1_000,
      live_prompt_tokens: call.promptTokens,
      live_output_tokens: call.outputTokens,
    });
    assert.deepEqual(
      [second?.['outcome'], second?.['live_ended_at_us'], second?.['first_byte_ms']],
      ['cut', null, null],
    );
    const plan = db.prepare('EXPLAIN QUERY PLAN SELECT * FROM shadow_log').all() as { detail: string }[];
    assert.ok(plan.some(({ detail }) => detail.startsWith('SEARCH c USING INDEX shadowed_calls')));
    db.close();
    await ledger.close();
  });

  it('share the transaction of the calls of their turn, and keep none of them waiting', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const log = new CallLog(path, { catchUp: noCatchUp });
    const reader = openForReading(path);
    const before = reader.pragma('data_version', { simple: true }) as number;
    const released: number[] = [];
    for (let n = 0; n < 40; n++) {
      log.recordShadow(makeShadow(n));
      log.record(makeCall(n), () => released.push(n));
    }
    await log.flush();
    assert.equal(released.length, 40);
    assert.equal(reader.pragma('data_version', { simple: true }), before + 1);
    reader.close();
    await log.close();
    log.recordShadow(makeShadow(41));
    assert.equal(log.lost, 1);
    assert.equal(ids(path).length, 40);
  });

  it('are written where no call comes any more, and never twice', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    ledger.calls.recordShadow(makeShadow(0));
    await until(() => ledger.calls.pending === 0);
    ledger.calls.recordShadow(makeShadow(0));
    assert.equal(await ledger.journal.writeCalls([], [makeShadow(0), makeShadow(1)]), 0);
    await ledger.close();
    assert.deepEqual(ids(path), [makeShadow(0).arrivedAtUs, makeShadow(1).arrivedAtUs]);
    assert.equal(ledger.calls.lost, 0);
  });

  it('follow when the file is free again, and are the first to be given up, and counted', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const isOpen = Promise.withResolvers<number>();
    const handed: Shadow[] = [];
    const calls: number[] = [];
    const log = new CallLog(path, {
      patienceMs: 10,
      mostPending: 300,
      catchUp: (rows, shadows) => {
        handed.push(...shadows);
        calls.push(...rows.map(({ call }) => call.arrivedAtUs));
        return isOpen.promise;
      },
    });
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    log.recordShadow(makeShadow(0));
    await until(() => log.isDegraded);
    for (let n = 1; n < 400; n++) log.recordShadow(makeShadow(n));
    for (let n = 0; n < 250; n++) log.record(makeCall(n), () => undefined);
    assert.ok(log.pending <= 300);
    assert.equal(log.pending + log.lost, 650);
    isOpen.resolve(0);
    await log.flush();
    assert.equal(calls.length, 250);
    assert.equal(handed.length + log.lost, 400);
    other.close();
    await log.close();
  });

  it('with an impossible value hold up nobody', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const log = new CallLog(path, { catchUp: noCatchUp });
    log.recordShadow(makeShadow(0, { durationUs: Number.NaN }));
    log.recordShadow(makeShadow(1));
    await log.close();
    assert.equal(log.lost, 1);
    assert.deepEqual(ids(path), [makeShadow(1).arrivedAtUs]);
  });
});
