import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { decide } from '../../src/core/decide/decide.ts';
import { budgetNotes } from '../../src/core/decide/budget-guard.ts';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import type { ObserveContext } from '../../src/daemon/tick/observe.ts';
import { observe } from '../../src/daemon/tick/observe.ts';
import { reportRoute } from '../../src/daemon/report.ts';
import { LearnedRows } from '../../src/daemon/learned.ts';
import { restore } from '../../src/daemon/restore.ts';
import { Routes } from '../../src/daemon/route/routes.ts';
import { BookedSpending } from '../../src/daemon/money/spending.ts';
import { connect } from '../../src/ledger/database.ts';
import { migrate, readMigrations } from '../../src/ledger/migrate.ts';
import { openForReading, openLedger } from '../../src/ledger/open.ts';
import {
  atStep,
  ENDPOINT_POLICY,
  MODEL,
  promotedRollout,
  rolloutAfter,
  shadowingRollout,
  START,
  TO_WARM,
} from '../support/samples.ts';

const NOW = START + 60_000;
const CLOCK = { now: () => NOW, sleep: () => Promise.resolve(), scale: 1 };
const MEMORY = { decision: null, notes: [], decidedAt: 0, key: '', writtenAt: 0, ticks: 0 };
const GATEWAY = {
  inFlight: () => [],
  lanes: () => [],
  shadowCounts: () => ({ sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 }),
};

/** What schema 4 had no word for. */
const NEW_IN_ROUTE = new Set(['back', 'budget', 'scaling', 'sweep']);
const NEW_IN_ENDPOINT = new Set(['regions', 'deny']);

function without(value: object, keys: ReadonlySet<string>): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.has(key)));
}

function policies() {
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY }] });
  assert.ok(parsed.ok);
  const { watched, routes } = parsed.policy;
  const [route] = routes;
  assert.ok(route !== undefined);
  const old = { ...without(route, NEW_IN_ROUTE), endpoint: without(ENDPOINT_POLICY, NEW_IN_ENDPOINT) };
  return { now: parsed.policy, old: { watched: without(watched, NEW_IN_ROUTE), routes: [old] } };
}

/** A ledger as the version before it left it: one rollout in its midst, and a call. */
function oldLedger(context: TestContext, rollout: Rollout): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-upgrade-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'upshift.db');
  migrate(path, START, readMigrations().slice(0, 4));
  const db = connect(path, { timeout: 1_000 });
  const { id, policyHash, toward, phase } = rollout;
  db.prepare('INSERT INTO routes (id, model) VALUES (1, ?)').run(MODEL);
  db.exec(`INSERT INTO agents (id, name, is_derived) VALUES (1, 'ann', 0);
    INSERT INTO shapes (id, name) VALUES (1, 'chat');
    INSERT INTO rollout_names (id, name) VALUES (1, '${id}');`);
  db.prepare(
    `INSERT INTO policies (hash, parsed_hash, path, text, parsed, first_seen_at) VALUES (?, 'p', 'policy.yaml', '', ?, ?)`,
  ).run(policyHash, JSON.stringify(policies().old), START);
  db.prepare('INSERT INTO rollouts VALUES (?, 1, ?, ?, ?, ?, ?, ?)').run(
    id,
    policyHash,
    toward,
    phase,
    JSON.stringify(rollout),
    START,
    START,
  );
  db.prepare(
    `INSERT INTO calls (id, duration_us, route_id, agent_id, shape_id, rollout_id, step, weight, flags, status, outcome_id,
       final_outcome_id, request_bytes, response_bytes) VALUES (?, 400000, 1, 1, 1, 1, 1, 1000, 31, 200, 0, 0, 9, 9)`,
  ).run((START + 30_000) * 1_000);
  const status = { at: START, lanes: [], routes: [{ model: MODEL }] };
  db.prepare('INSERT INTO daemon_status (id, pid, updated_at, status) VALUES (1, 1, ?, ?)').run(
    START,
    JSON.stringify(status),
  );
  db.close();
  return path;
}

const [draining, aborted] = (['draining', 'ended'] as const).map((type) =>
  rolloutAfter(...TO_WARM, { type, outcome: 'aborted', reason: 'operator', hint: null }),
) as [Rollout, Rollout];

const CASES: readonly (readonly [Rollout, string])[] = [
  [rolloutAfter(), 'ask needs_approval'],
  [rolloutAfter(...TO_WARM.slice(0, 3)), 'ensure_endpoint endpoint_missing'],
  [rolloutAfter(...TO_WARM.slice(0, 4)), 'warm warming_up'],
  [shadowingRollout(), 'wait shadowing'],
  [atStep(0), 'ask needs_approval'],
  [atStep(1), 'wait baking'],
  [atStep(5), 'wait baking'],
  [promotedRollout(), 'wait promoted'],
  [draining, 'pause_endpoint traffic_first'],
  [aborted, 'wait criteria_not_met'],
];

for (const [rollout, expected] of CASES) {
  test(`a rollout of the version before that is ${rollout.phase} goes on: ${expected}`, async (context) => {
    const path = oldLedger(context, rollout);
    const ledger = await openLedger(path, { clock: CLOCK });
    context.after(() => ledger.close());
    const routes = new Routes(policies().now, CLOCK, () => undefined);
    await restore(routes, ledger.journal, CLOCK, await LearnedRows.read(ledger.journal, () => undefined));
    const watch = routes.watch(MODEL);
    assert.ok(watch !== null);
    const spending = new BookedSpending(ledger.journal);
    await spending.refresh(watch, NOW);
    const seen = observe(watch, null, {
      clock: CLOCK,
      gateway: GATEWAY,
      account: 'ok',
      policyHash: () => 'hash',
      filePolicyHash: 'newer',
      spending,
      newRolloutId: () => 'cccccccc',
      costs: () => null,
    });
    const { action, reason } = decide(watch.rollout, seen);
    assert.equal(`${action} ${reason}`, expected);
    assert.deepEqual(budgetNotes(watch.rollout, seen), []);
    const gateway = GATEWAY as unknown as ObserveContext['gateway'];
    assert.equal(
      reportRoute(watch, MEMORY, { gateway, filePolicyHash: 'newer' }).phase,
      watch.rollout?.phase ?? 'watching',
    );
    const db = openForReading(path);
    context.after(() => db.close());
    const row = db.prepare('SELECT role, served_by, provider, bypassed_gateway AS bypassed FROM call_log').get();
    assert.deepEqual(row, { role: 'canary', served_by: 'dedicated', provider: null, bypassed: 0 });
  });
}
