import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import type { Call } from '../../src/core/call.ts';
import type { MetricVerdict, Verdict } from '../../src/core/judge/verdict.ts';
import { priceBook } from '../../src/core/money/price-book.ts';
import { costReport } from '../../src/core/money/report.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import { NO_FIGURES } from '../../src/core/rollout/step-figures.ts';
import type { StepFigures } from '../../src/core/rollout/step-figures.ts';
import { DAY_MS, HOUR_MS } from '../../src/core/time.ts';
import { CallWriter } from '../../src/ledger/calls/call-writer.ts';
import { measuredShares } from '../../src/ledger/journal/rollouts.ts';
import { readMigrations } from '../../src/ledger/migrate.ts';
import { usageBetween } from '../../src/ledger/money/costs.ts';
import { bookPrices, listPrices } from '../../src/ledger/money/prices.ts';
import { START_MS, makeCall } from './rig.ts';

const ROLLOUT = 'abcdefgh';
const ISO = '2025-10-09T08:53:20.000Z';

function open(): Database.Database {
  const db = new Database(':memory:');
  for (const { sql } of readMigrations()) db.exec(sql);
  return db;
}

const METRIC: MetricVerdict = {
  metric: 'speed',
  judge: 'act',
  status: 'pass',
  stable: 900,
  canary: 800,
  effect: -0.11,
  low: -0.2,
  high: -0.02,
  margin: 0.15,
  passOdds: 400,
  passAt: 20,
  stepOdds: 90,
  stepAt: 4,
  failOdds: 0.01,
  failAt: 100,
};
const VERDICT: Verdict = {
  status: 'pass',
  cause: null,
  summary: 'p95 is fine',
  step: 1,
  stableCalls: 300,
  canaryCalls: 100,
  metrics: [METRIC, { ...METRIC, metric: 'faults', stable: 0.01, canary: 0 }],
  taken: { early: 1, full: 1, pairs: 0 },
};
const FIGURES: StepFigures = {
  step: 1,
  stable: { ...NO_FIGURES, decided: 290, faults: 3, p50: 700, p95: 2_000, refused: 4 },
  canary: { ...NO_FIGURES, decided: 98, faults: 1, p50: 600, p95: 1_800 },
};

/** A rollout whose first question ann and bob answered; the policy approved the next step. */
function openApproved(): Database.Database {
  const db = open();
  db.exec(`
    INSERT INTO routes (id, model) VALUES (1, 'org/model');
    INSERT INTO policies VALUES ('hash', 'parsed', 'policies/mine.yaml', '', '{}', ${START_MS});
    INSERT INTO rollouts VALUES ('${ROLLOUT}', 1, 'hash', 'dedicated', 'stepping', '{}', ${START_MS}, ${START_MS});`);
  const decide = db.prepare(
    `INSERT INTO decisions (id, decided_at_ms, model, rollout_id, core_version, policy_hash, action, reason, ticks, input, output)
     VALUES (?, ?, 'org/model', '${ROLLOUT}', 1, 'hash', 'enter_step', ?, 1, ?, ?)`,
  );
  const note = db.prepare(
    'INSERT INTO events (decision_id, rollout_id, happened_at_ms, type, data) VALUES (?, ?, ?, ?, ?)',
  );
  const happen = (decision: number, event: RolloutEvent) =>
    note.run(decision, ROLLOUT, START_MS, event.type, JSON.stringify(event));
  const seen = JSON.stringify({ rollout: null, observation: { figures: FIGURES } });
  decide.run(1, START_MS, 'needs_approval', '{}', '{}');
  decide.run(2, START_MS, 'needs_approval', '{}', JSON.stringify({ detail: 'counted', verdict: null }));
  decide.run(3, START_MS, 'approved', '{}', JSON.stringify({ detail: 'step 1 approved', verdict: null }));
  decide.run(4, START_MS, 'approved_by_policy', seen, JSON.stringify({ detail: 'step 2', verdict: VERDICT }));
  db.prepare(`INSERT INTO asks VALUES (1, 1, '${ROLLOUT}', 1, 'hash', 'pass', ?, ${START_MS})`).run(
    JSON.stringify({ detail: 'all is well', verdict: VERDICT, figures: FIGURES }),
  );
  db.exec(`
    INSERT INTO requests VALUES
      (1, 'approve', '${ROLLOUT}', NULL, 1, 'digest', 1, 'fine', 'ann', 'desk', 1001, 'word-1', ${START_MS}),
      (2, 'approve', '${ROLLOUT}', NULL, 1, 'digest', 1, NULL, 'bob', 'desk', 1002, 'word-2', ${START_MS});
    INSERT INTO request_outcomes VALUES (1, 2, 'counted', '', ${START_MS}), (2, 3, 'done', '', ${START_MS});`);
  happen(2, { type: 'approval_added', step: 1, uid: 1001, by: 'ann@desk', reason: 'fine' });
  happen(3, { type: 'approved', step: 1, by: 'bob@desk', reason: null });
  happen(3, { type: 'step_entered', step: 1, weight: 0.1, phase: 'stepping' });
  happen(4, { type: 'approved', step: 2, by: 'policy', reason: null });
  return db;
}

describe('the view approvals', () => {
  it('says who approved, how that is known, when, and what they saw; the policy is named where it approved', () => {
    const db = openApproved();
    const figures = {
      stable_calls: 290,
      canary_calls: 98,
      stable_faults: 3,
      canary_faults: 1,
      stable_p95_ms: 2_000,
      canary_p95_ms: 1_800,
    };
    const every = {
      rollout: ROLLOUT,
      model: 'org/model',
      approved: ISO,
      about: 'step',
      verdict: 'pass',
      ...figures,
      policy_hash: 'hash',
      policy_path: 'policies/mine.yaml',
    };
    const person = {
      ...every,
      step: 1,
      is_automatic: 0,
      proven_by: 'owner of a file',
      said: ISO,
      question: 1,
      asked: ISO,
      saw: 'all is well',
      saw_digest: 'digest',
    };
    const ann = { is_last: 0, approved_by: 'ann@desk', uid: 1001, word: 'word-1', reason: 'fine', decision: 2 };
    const bob = { is_last: 1, approved_by: 'bob@desk', uid: 1002, word: 'word-2', reason: null, decision: 3 };
    const policy = {
      is_automatic: 1,
      is_last: 1,
      approved_by: 'policy',
      proven_by: 'policy',
      saw: 'step 2',
      decision: 4,
    };
    const none = { uid: null, word: null, said: null, reason: null, question: null, asked: null, saw_digest: null };
    assert.deepEqual(db.prepare('SELECT * FROM approvals').all(), [
      { ...person, ...ann },
      { ...person, ...bob },
      { ...every, step: 2, ...policy, ...none },
    ]);
    db.close();
  });
});

describe('the view step_evidence', () => {
  it('has a row for each metric of what was asked, or approved by the policy', () => {
    const db = openApproved();
    const sql = `SELECT step, question, decision, verdict, summary, stable_judged_calls AS judged, stable_calls AS calls,
      canary_p50_ms AS p50, metric, unit, stable_level AS level, effect_high_share AS high, pass_odds AS odds FROM step_evidence`;
    const every = {
      verdict: 'pass',
      summary: 'p95 is fine',
      judged: 300,
      calls: 290,
      p50: 600,
      high: -0.02,
      odds: 400,
    };
    const speed = { ...every, metric: 'speed', unit: 'ms', level: 900 };
    const faults = { ...every, metric: 'faults', unit: 'share', level: 0.01 };
    const [asked, automatic] = [
      { step: 1, question: 1, decision: 1 },
      { step: 2, question: null, decision: 4 },
    ];
    assert.deepEqual(db.prepare(sql).all(), [
      { ...speed, ...asked },
      { ...faults, ...asked },
      { ...speed, ...automatic },
      { ...faults, ...automatic },
    ]);
    db.exec(
      `INSERT INTO asks VALUES (2, NULL, '${ROLLOUT}', 0, 'hash', 'none', '{"detail":"create it?","verdict":null,"figures":null}', 1)`,
    );
    const bare = db.prepare('SELECT step, verdict, metric, unit FROM step_evidence WHERE question = 2').all();
    assert.deepEqual(bare, [{ step: 0, verdict: null, metric: null, unit: null }]);
    db.close();
  });
});

interface Share {
  readonly step: number;
  readonly calls: number;
  readonly measured: number;
  readonly served: number;
}

describe('the view served_shares', () => {
  it('counts what explain counts, and turns a way back round', () => {
    const db = open();
    const writer = new CallWriter(db);
    const row = (n: number, changes: Partial<Call>) => {
      const call = makeCall(n, { rolloutId: ROLLOUT, ...changes });
      return { call, endedAtUs: call.arrivedAtUs + call.durationUs };
    };
    // Of those sent to the endpoint, serverless served a few, and nobody some.
    const calls = Array.from({ length: 200 }, (_, n) =>
      row(n, {
        step: 1 + (n % 2),
        ...(n % 20 === 0 ? { servedBy: 'serverless' } : n % 40 === 4 ? { servedBy: null } : {}),
      }),
    );
    const back = Array.from({ length: 40 }, (_, n) => {
      const servedBy = (300 + n) % 4 === 0 ? 'serverless' : 'dedicated';
      return row(300 + n, { rolloutId: 'wayback', isWayBack: true, servedBy });
    });
    writer.write([...calls, row(250, { isEligible: false }), ...back]);
    const rows = db
      .prepare<[string], Share>(
        `SELECT step, calls, assigned_dedicated_share AS measured, dedicated_share AS served
         FROM served_shares WHERE rollout = ?`,
      )
      .all(ROLLOUT);
    for (const { step, calls: count, measured, served } of measuredShares(db, ROLLOUT)) {
      // The view tells models apart.
      const mine = rows.filter((each) => each.step === step);
      const sum = (of: (row: Share) => number) => mine.reduce((total, each) => total + of(each), 0);
      assert.equal(
        sum((each) => each.calls),
        count,
      );
      assert.ok(Math.abs(sum((each) => each.calls * each.measured) / count - measured) < 1e-9);
      assert.ok(Math.abs(sum((each) => each.calls * each.served) / count - served) < 1e-9);
    }
    const all = db
      .prepare('SELECT dedicated_share + serverless_share + unserved_share FROM served_shares')
      .pluck()
      .all();
    for (const share of all) assert.ok(Math.abs((share as number) - 1) < 1e-9);
    const turned = db
      .prepare(
        "SELECT sum(calls) AS calls, is_way_back, wanted_dedicated_share AS wanted, assigned_dedicated_share AS got, dedicated_share AS served FROM served_shares WHERE rollout = 'wayback' AND model = 'org/model'",
      )
      .get() as Record<string, number>;
    assert.deepEqual([turned['is_way_back'], turned['wanted']], [1, 0.75]);
    assert.equal(turned['got'], turned['served']);
    assert.ok((turned['got'] ?? 0) > 0.6);
    db.close();
  });
});

describe('the view serverless_costs', () => {
  const DAY = Math.floor(START_MS / DAY_MS) * DAY_MS;
  const price = (provider: string, dearness: number) => ({
    model: 'org/model',
    provider,
    inputMicros: 100_000 * dearness,
    outputMicros: 300_000 * dearness,
    isFree: false,
    isLive: true,
  });
  const call = fc.record({
    hour: fc.integer({ min: 0, max: 60 }),
    provider: fc.constantFrom('acme', 'ACME', 'zen', 'unlisted', null),
    tokens: fc.option(fc.record({ prompt: fc.nat(5_000), output: fc.nat(900) })),
    upstream: fc.constantFrom('serverless' as const, 'dedicated' as const),
    shape: fc.constantFrom('chat' as const, 'native' as const),
    status: fc.constantFrom(200, 500),
  });

  it('adds up to what the command cost says, day by day', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 25 }), (calls) => {
        const db = open();
        const writer = new CallWriter(db);
        const sign = () => '';
        const changes = [DAY + 10 * HOUR_MS, DAY + 30 * HOUR_MS];
        bookPrices(db, [price('acme', 3), price('zen', 1)], changes[0] ?? 0, sign);
        bookPrices(db, [price('acme', 4), price('zen', 2)], changes[1] ?? 0, sign);
        const rows = calls.map(({ hour, provider, tokens, upstream, shape, status }, n) => {
          const base = makeCall(1, { model: 'org/model', shape, provider, servedBy: upstream, status });
          const endedAtUs = (DAY + hour * HOUR_MS) * 1_000 + n;
          const counted = { promptTokens: tokens?.prompt ?? null, outputTokens: tokens?.output ?? null };
          return { endedAtUs, call: { ...base, ...counted, arrivedAtUs: endedAtUs - base.durationUs } };
        });
        writer.write(rows);
        const now = DAY + 3 * DAY_MS;
        const times = [...new Set([DAY, DAY + DAY_MS, DAY + 2 * DAY_MS, ...changes, now])].sort((a, b) => a - b);
        const usage = usageBetween(db, times, { byAgent: false, model: null });
        const report = costReport({
          from: DAY,
          now,
          begin: DAY,
          usage,
          endpoints: [],
          book: priceBook(listPrices(db)),
          bills: [],
          by: 'day',
        });
        const sums = db
          .prepare(
            `SELECT total(calls) AS calls, total(calls_without_price) AS unpricedCalls, total(prompt_tokens) AS promptTokens,
               total(dollars) * 1e6 AS micros, total(estimated_dollars) * 1e6 AS estimatedMicros FROM serverless_costs`,
          )
          .get() as Record<string, number>;
        for (const [name, value] of Object.entries(sums)) {
          const expected = report.serverless[name as keyof typeof report.serverless] ?? 0;
          assert.ok(Math.abs(value - expected) < 2, `${name}: ${value}, not ${expected}`);
        }
        const days = db.prepare('SELECT day, sum(dollars) * 1e6 AS micros FROM serverless_costs GROUP BY day').all();
        for (const { day, micros } of days as { day: string; micros: number }[]) {
          const line = report.lines.find(({ key }) => key === day);
          assert.ok(Math.abs(micros - (line?.serverlessMicros ?? 0)) < 2, `${day}: ${micros}`);
        }
        db.close();
      }),
      { numRuns: 60 },
    );
  });
});
