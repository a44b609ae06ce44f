import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { open } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { INELIGIBLE_REASONS } from '../../../src/core/eligibility.ts';
import type { AttemptRecord } from '../../../src/core/call.ts';
import type { CallRow } from '../../../src/ledger/calls/call-writer.ts';
import { CallWriter } from '../../../src/ledger/calls/call-writer.ts';
import { CallLog } from '../../../src/ledger/calls/call-log.ts';
import type { LoggedCall } from '../../../src/ledger/calls/history.ts';
import { migrate, readMigrations } from '../../../src/ledger/migrate.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { countCalls } from '../../../src/ledger/journal/rollouts.ts';
import { HandTime, START_MS, makeCall, startChild, temporaryPath, until, openFor } from '../rig.ts';

/** How long an answer waits for its row at most, ms. */
const PATIENCE_MS = 50;

const noCatchUp = () => Promise.reject(new Error('nobody catches up'));
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
const record = (log: CallLog, call = makeCall(0)) => new Promise<void>((resolve) => log.record(call, resolve));

function arrivals(path: string): number[] {
  const db = new Database(path, { readonly: true });
  const found = db.prepare('SELECT ended_at_us - duration_us FROM calls ORDER BY 1').pluck().all() as number[];
  db.close();
  return found;
}

describe('calls', () => {
  it('commits the calls of one turn together, before any of their answers is released', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const log = new CallLog(path, { catchUp: noCatchUp });
    const reader = openForReading(path);
    const version = () => reader.pragma('data_version', { simple: true }) as number;
    const before = version();
    const seen: number[] = [];
    for (let n = 0; n < 10; n++) log.record(makeCall(n), () => seen.push(countCalls(reader)));
    assert.equal(log.pending, 10);
    await log.flush();
    assert.deepEqual(
      seen,
      Array.from({ length: 10 }, () => 10),
    );
    assert.equal(version(), before + 1);
    reader.close();
    await log.close();
  });

  it('keeps every value of a call', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    const refused = makeCall(1, { status: 429, outcome: 'rate_limited', finalOutcome: 'rate_limited', servedBy: null });
    const second = {
      upstream: 'serverless' as const,
      startedAfterUs: 61_000,
      status: 200,
      outcome: 'ok' as const,
      firstByteUs: 9_000,
      durationUs: 10_000,
    };
    const given = [
      refused,
      makeCall(2, { repeatOfUs: refused.arrivedAtUs, model: null, role: null, isEligible: false, hasNoToken: true }),
      makeCall(3, {
        agent: 'agent-1',
        isAgentDerived: true,
        hasClientLeft: true,
        firstByteUs: null,
        firstTokenUs: null,
      }),
      makeCall(4, { promptTokens: null, outputTokens: null, attempts: [...makeCall(4).attempts, second] }),
      makeCall(5, { rolloutId: null, outcome: 'gateway_error', attempts: [] }),
      makeCall(6, { isBypass: true, rolloutId: null, role: null, isEligible: false }),
      ...INELIGIBLE_REASONS.map((reason, i) =>
        makeCall(7 + i, { role: null, isEligible: false, ineligibleReason: reason }),
      ),
    ];
    await Promise.all(given.map((call) => record(ledger.calls, call)));
    const calls: LoggedCall[] = [];
    for await (const page of ledger.journal.recentCalls(0)) calls.push(...page);
    calls.sort((a, b) => a.arrivedAtUs - b.arrivedAtUs);
    given.forEach((call, i) => {
      const { isRepeat, isBypass, endedAtUs, ...found } = calls[i] as (typeof calls)[0];
      for (const key of Object.keys(found) as (keyof typeof found)[]) assert.equal(found[key], call[key], key);
      assert.equal(isRepeat, call.repeatOfUs !== null);
      assert.equal(isBypass, call.isBypass ?? false);
      assert.equal(endedAtUs, call.arrivedAtUs + call.durationUs);
    });
    const db = openForReading(path);
    const attempts = db.prepare('SELECT * FROM attempt_log WHERE attempt = 2').all() as Record<string, unknown>[];
    assert.equal(attempts.length, 1);
    assert.equal(attempts[0]?.['started_after_ms'], 61);
    const shown = db
      .prepare('SELECT arrived, repeats_call_of FROM call_log ORDER BY arrived')
      .raw()
      .all() as string[][];
    assert.equal(shown[1]?.[1], shown[0]?.[0]);
    const reasons = db.prepare('SELECT ineligible_reason FROM call_log ORDER BY arrived').pluck().all();
    assert.deepEqual(
      reasons,
      given.map(({ ineligibleReason }) => ineligibleReason ?? null),
    );
    db.close();
    await ledger.close();
  });

  it('finds the exact arrival of calls that ended in the same microsecond', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { minLength: 1 }), async (offsets) => {
        const log = new CallLog(path, { catchUp: noCatchUp });
        const before = arrivals(path).length;
        const base = START_MS * 1_000 + before * 1_000;
        const given = offsets.map((offset) => base + offset);
        await Promise.all(given.map((us) => record(log, makeCall(0, { arrivedAtUs: us, durationUs: base + 99 - us }))));
        await log.close();
        assert.deepEqual(
          arrivals(path).slice(before),
          [...given].sort((a, b) => a - b),
        );
      }),
      { numRuns: 20 },
    );
  });

  it('keeps calls apart where a former process had been ahead in time', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    for (const arrivedAtUs of [START_MS * 1_000 + 10, START_MS * 1_000 + 7, START_MS * 1_000 + 4]) {
      const log = new CallLog(path, { catchUp: noCatchUp });
      await record(log, makeCall(0, { arrivedAtUs, durationUs: START_MS * 1_000 + 100 - arrivedAtUs }));
      await log.close();
    }
    assert.deepEqual(
      arrivals(path).map((us) => us - START_MS * 1_000),
      [4, 7, 10],
    );
  });

  it('has every released call in the file after SIGKILL', async (context) => {
    const path = temporaryPath(context);
    for (let round = 0; round < 2; round++) {
      const { child, line, ended } = startChild(context, 'record', `${path}${round}`);
      const released: number[] = [];
      for (let text = await line(); text !== undefined; text = await line()) {
        released.push(Number(text));
        if (released.length === 3_000 + round * 777) child.kill('SIGKILL');
      }
      await ended;
      const ledger = await openFor(context, `${path}${round}`);
      await ledger.close();
      const found = new Set(arrivals(`${path}${round}`));
      assert.ok(released.length >= 3_000);
      assert.deepEqual(
        released.filter((us) => !found.has(us)),
        [],
      );
    }
  });

  it('releases in time and loses nothing while another program holds the file', async (context) => {
    const path = temporaryPath(context);
    const { journal } = await openFor(context, path);
    const time = new HandTime();
    const log = new CallLog(path, { time, catchUp: (rows, shadows) => journal.writeCalls(rows, shadows) });
    // Let go only after the calls have ended: had the log waited for the lock, they never would.
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    const count = 500;
    const waits: number[] = [];
    for (let n = 0; n < count; n++) {
      const at = time.now();
      log.record(makeCall(n), () => waits.push(time.now() - at));
      await nextTurn();
      time.advance(1);
    }
    assert.equal(waits.length, count);
    assert.equal(Math.max(...waits), PATIENCE_MS);
    assert.deepEqual([log.pending, log.isDegraded], [count, true]);
    other.exec('COMMIT');
    other.close();
    await until(() => {
      time.toNextTimer();
      return !log.isDegraded;
    });
    await record(log, makeCall(count));
    assert.deepEqual([log.pending, log.lost, log.problem], [0, 0, null]);
    assert.deepEqual(
      arrivals(path),
      Array.from({ length: count + 1 }, (_, n) => makeCall(n).arrivedAtUs),
    );
    await log.close();
  });

  it('waits for a lock that is gone within the patience, and does not degrade', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const time = new HandTime();
    const log = new CallLog(path, { catchUp: noCatchUp, time });
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    let isReleased = false;
    log.record(makeCall(0, { agent: 'new' }), () => (isReleased = true));
    await until(() => log.problem !== null);
    time.advance(PATIENCE_MS - 1);
    assert.equal(isReleased, false);
    // A name that was taken while the transaction failed belongs to somebody else now.
    other.exec("INSERT INTO agents (name, is_derived) VALUES ('other', 0); COMMIT");
    time.toNextTimer();
    assert.equal(isReleased, true);
    assert.equal(log.isDegraded, false);
    assert.equal(other.prepare('SELECT agent FROM call_log').pluck().get(), 'new');
    other.close();
    await log.close();
  });

  it('never writes a call twice, however often it is handed over', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    const rows: CallRow[] = Array.from({ length: 50 }, (_, n) => {
      const call = makeCall(n);
      return { endedAtUs: call.arrivedAtUs + call.durationUs, call };
    });
    for (let i = 0; i < 3; i++) assert.equal(await ledger.journal.writeCalls(rows), 0);
    await ledger.close();
    assert.equal(arrivals(path).length, 50);
  });

  it('writes a batch as it would have written each of its calls alone', () => {
    const call = fc.record({
      isImpossible: fc.oneof({ weight: 9, arbitrary: fc.constant('') }, fc.constantFrom('call', 'attempt')),
      attempts: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 3 })),
      isTaken: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
    });
    const rowOf = ({ isImpossible, attempts }: { isImpossible: string; attempts: number }, n: number): CallRow => {
      const {
        arrivedAtUs,
        durationUs,
        attempts: [one],
      } = makeCall(n);
      const attempt = { ...(one as AttemptRecord), ...(isImpossible === 'attempt' ? { durationUs: Number.NaN } : {}) };
      const requestBytes = isImpossible === 'call' ? Number.NaN : 1_000;
      const made = makeCall(n, { requestBytes, attempts: Array.from({ length: attempts }, () => attempt) });
      return { endedAtUs: arrivedAtUs + durationUs, call: made };
    };
    fc.assert(
      fc.property(fc.array(call, { maxLength: 40 }), (kinds) => {
        const rows = kinds.map(rowOf);
        const write = (batches: readonly (readonly CallRow[])[]) => {
          const db = new Database(':memory:');
          for (const { sql } of readMigrations()) db.exec(sql);
          const writer = new CallWriter(db);
          // Another call stands where these want to be.
          kinds.forEach(({ isTaken }, n) => {
            if (isTaken) writer.write([{ endedAtUs: (rows[n] as CallRow).endedAtUs, call: makeCall(1_000 + n) }]);
          });
          const refused = batches.reduce((sum, batch) => sum + writer.write(batch), 0);
          const all = (table: string) => db.prepare(`SELECT * FROM ${table}`).all();
          const found = { refused, calls: all('calls'), attempts: all('attempts') };
          db.close();
          return found;
        };
        assert.deepEqual(write([rows]), write(rows.map((row) => [row])));
      }),
      { numRuns: 60 },
    );
  });

  it('gives up the oldest beyond the bound, and counts them', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const catchUp = Promise.withResolvers<number>();
    const handed: CallRow[] = [];
    const log = new CallLog(path, {
      patienceMs: 10,
      mostPending: 300,
      catchUp: (rows) => {
        handed.push(...rows);
        return catchUp.promise;
      },
    });
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    await record(log, makeCall(0));
    assert.equal(log.isDegraded, true);
    for (let n = 1; n < 1_000; n++) log.record(makeCall(n), () => undefined);
    assert.ok(log.pending <= 300);
    assert.equal(log.pending + log.lost, 1_000);
    catchUp.resolve(0);
    await log.flush();
    assert.equal(log.pending, 0);
    assert.equal(handed.at(-1)?.call.arrivedAtUs, makeCall(999).arrivedAtUs);
    assert.equal(handed.length + log.lost, 1_000);
    other.close();
    await log.close();
  });

  it('does not let one impossible value hold up the others', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const log = new CallLog(path, { catchUp: noCatchUp });
    await Promise.all([
      record(log, makeCall(0)),
      record(log, makeCall(1, { requestBytes: Number.NaN })),
      record(log, makeCall(2)),
    ]);
    assert.equal(log.lost, 1);
    await log.close();
    assert.equal(arrivals(path).length, 2);
  });

  it('goes on answering when the disk is full', { skip: process.platform === 'win32' }, (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const child = fileURLToPath(new URL('../children/fill.ts', import.meta.url));
    const run = spawnSync('sh', ['-c', 'ulimit -f 1024; exec "$0" "$1" "$2"', process.execPath, child, path], {
      encoding: 'utf8',
    });
    const told = JSON.parse(run.stdout) as Record<string, number | boolean | string>;
    assert.equal(told['released'], 10_000);
    assert.equal(told['longest'], PATIENCE_MS);
    assert.equal(told['isDegraded'], true);
    assert.ok((told['pending'] as number) <= 2_000 && (told['lost'] as number) > 0, run.stdout);
    const inFile = arrivals(path).length;
    assert.ok(inFile > 0);
    assert.equal(inFile + (told['pending'] as number) + (told['lost'] as number), 10_000);
  });

  it('goes on answering when the file is damaged', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const time = new HandTime();
    const log = new CallLog(path, { catchUp: noCatchUp, time });
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(size - 4_096, 0x5a), 0, size - 4_096, 4_096);
    await file.close();
    const both = Promise.all([record(log, makeCall(0)), record(log, makeCall(1))]);
    await until(() => {
      time.toNextTimer();
      return log.isDegraded;
    });
    await both;
    assert.ok(time.now() <= PATIENCE_MS);
    assert.equal(log.isDegraded, true);
    assert.equal(log.pending, 2);
    assert.match((log.problem as Error).message, /nobody catches up|malformed/);
    await log.close(20);
    assert.equal(log.lost, 2);
  });

  it('takes at most 120 bytes a call, indexes included', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    const db = openForReading(path);
    const pages = () => db.pragma('page_count', { simple: true }) as number;
    const before = pages();
    const count = 20_000;
    const given = Array.from({ length: count }, (_, n) => makeCall(n));
    given.sort((a, b) => a.arrivedAtUs + a.durationUs - b.arrivedAtUs - b.durationUs);
    for (let n = 0; n < count;) {
      for (let i = 0; i < 100; i++) ledger.calls.record(given[n++] as (typeof given)[0], () => undefined);
      await nextTurn();
    }
    await ledger.calls.flush();
    assert.equal(countCalls(db), count);
    const bytes = (pages() - before) * 4_096;
    context.diagnostic(`${(bytes / count).toFixed(1)} bytes a call`);
    assert.ok(bytes / count <= 120, `${bytes / count} bytes a call`);
    db.close();
    await ledger.close();
  });
});
