import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { budgetNotes } from '../../src/core/decide/budget-guard.ts';
import { decide } from '../../src/core/decide/decide.ts';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import type { Policy } from '../../src/core/policy/policy.ts';
import type { AppError } from '../../src/core/errors.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import type { Log } from '../../src/daemon/log.ts';
import type { RouteWatch } from '../../src/daemon/route/watch.ts';
import { BookedSpending } from '../../src/daemon/money/spending.ts';
import { reportRoute } from '../../src/daemon/report.ts';
import { LearnedRows } from '../../src/daemon/learned.ts';
import { restore } from '../../src/daemon/restore.ts';
import { Routes } from '../../src/daemon/route/routes.ts';
import { advance } from '../../src/daemon/tick/advance.ts';
import type { ObserveContext } from '../../src/daemon/tick/observe.ts';
import { observe } from '../../src/daemon/tick/observe.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { forge } from '../support/forge.ts';
import {
  ENDPOINT_POLICY,
  enteredUpTo,
  MODEL,
  PROPOSED,
  rolloutAfter,
  START,
  TO_PROMOTED,
  TO_WARM,
} from '../support/samples.ts';
import { storedRollout } from '../support/stored-rollout.ts';

const NOW = START + 60_000;
const CLOCK = { now: () => NOW, sleep: () => Promise.resolve(), scale: 1 };
const MEMORY = { decision: null, notes: [], decidedAt: 0, key: '', writtenAt: 0, ticks: 0 };
const GATEWAY = {
  inFlight: () => [],
  lanes: () => [],
  shadowCounts: () => ({ sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 }),
  endpointLoad: () => null,
};

function policy(): Policy {
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY }] });
  assert.ok(parsed.ok);
  return parsed.policy;
}

const silent = () => undefined;

/** A ledger as a daemon leaves it in the midst of a rollout. */
async function leftLedger(context: TestContext, events: readonly RolloutEvent[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-restore-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'upshift.db');
  const ledger = await openLedger(path, { clock: CLOCK });
  await ledger.journal.commit(storedRollout([PROPOSED, ...events], policy()));
  await ledger.close();
  return path;
}

/** Restores the routes of a ledger as a new process does. */
async function restored(context: TestContext, path: string, log: Log = silent) {
  const ledger = await openLedger(path, { clock: CLOCK });
  context.after(() => ledger.close());
  const routes = new Routes(policy(), CLOCK, silent);
  const learned = await LearnedRows.read(ledger.journal, silent);
  await restore(routes, ledger.journal, CLOCK, { learned, log });
  return { ledger, watch: routes.watch(MODEL) as RouteWatch };
}

const [draining, aborted] = (['draining', 'ended'] as const).map((type): RolloutEvent[] => [
  ...TO_WARM,
  { type, outcome: 'aborted', reason: 'operator', hint: null },
]) as [RolloutEvent[], RolloutEvent[]];

const CASES: readonly (readonly [events: readonly RolloutEvent[], phase: string, expected: string])[] = [
  [[], 'proposed', 'ask needs_approval'],
  [TO_WARM.slice(0, 3), 'provisioning', 'ensure_endpoint endpoint_missing'],
  [TO_WARM.slice(0, 4), 'warming', 'warm warming_up'],
  [TO_WARM.slice(0, 5), 'shadowing', 'wait shadowing'],
  [TO_WARM, 'stepping', 'ask needs_approval'],
  [[...TO_WARM, ...enteredUpTo(1)], 'stepping', 'wait baking'],
  [[...TO_WARM, ...enteredUpTo(5)], 'holding', 'wait baking'],
  [TO_PROMOTED.slice(1), 'promoted', 'wait promoted'],
  [draining, 'draining', 'pause_endpoint traffic_first'],
  [aborted, 'watching', 'wait criteria_not_met'],
];

for (const [events, phase, expected] of CASES) {
  test(`a rollout with ${events.length + 1} events goes on after a restart: ${phase}, ${expected}`, async (context) => {
    const { ledger, watch } = await restored(context, await leftLedger(context, events));
    const spending = new BookedSpending(ledger.journal);
    await spending.refresh(watch, NOW);
    advance(watch, { clock: CLOCK, gateway: GATEWAY, costs: () => null });
    const seen = observe(watch, null, {
      clock: CLOCK,
      gateway: GATEWAY,
      account: 'ok',
      policyHash: 'hash',
      filePolicyHash: 'newer',
      spending: spending.of(watch),
      newRolloutId: 'cccccccc',
      costs: null,
      frozen: null,
    });
    const { action, reason } = decide(watch.rollout, seen);
    assert.equal(`${action} ${reason}`, expected);
    assert.deepEqual(budgetNotes(watch.rollout, seen), []);
    const gateway = GATEWAY as unknown as ObserveContext['gateway'];
    assert.equal(reportRoute(watch, MEMORY, { gateway, filePolicyHash: 'newer' }).phase, phase);
  });
}

/** What is done to a ledger, and what the refusal to run names. */
const FORGERIES: readonly (readonly [what: string, sql: string, named: RegExp])[] = [
  [
    'an event that names another endpoint',
    "UPDATE events SET data = replace(data, ':9/', ':8/') WHERE type = 'endpoint_ready'",
    /event 5 of rollout aaaabbbb was changed/,
  ],
  ['an event of another time', 'UPDATE events SET happened_at_ms = 1 WHERE id = 3', /event 3 of rollout aaaabbbb/],
  ['a missing event', 'DELETE FROM events WHERE id = 3', /list of what happened to rollout aaaabbbb/],
  [
    'events of the end that are missing',
    'DELETE FROM events WHERE id > 4',
    /list of what happened to rollout aaaabbbb was changed/,
  ],
  ['a rollout that is gone', 'DELETE FROM events; DELETE FROM rollouts', /list of what happened to rollout aaaabbbb/],
  [
    'an event without a seal',
    `INSERT INTO events (rollout_id, happened_at_ms, type, data) VALUES ('aaaabbbb', 1, 'promoted', '{"type":"promoted"}')`,
    /list of what happened to rollout aaaabbbb was changed/,
  ],
  [
    'a rollout without a seal',
    `INSERT INTO rollouts SELECT 'ccccdddd', route_id, policy_hash, toward, phase, snapshot, created_at_ms, updated_at_ms
       FROM rollouts`,
    /rollout ccccdddd was never sealed/,
  ],
  [
    'events that another rollout had',
    "UPDATE events SET rollout_id = 'ccccdddd' WHERE id > 4",
    /list of what happened to rollout \w+ was/,
  ],
  ['a policy with other values', `UPDATE policies SET parsed = replace(parsed, '"acme"', '"evil"')`, /policy hash was/],
  ['a policy with another text', "UPDATE policies SET text = 'x'", /policy hash was changed/],
  ['a missing policy', 'DELETE FROM policies', /policy hash was changed/],
  ['a question that was changed', "UPDATE asks SET figures = '{}'", /question 1 of rollout aaaabbbb was changed/],
  ['a missing seal', 'DELETE FROM seals WHERE id = 2', /seal 2 is missing/],
  ['a changed seal', 'UPDATE seals SET sealed_at_ms = 1 WHERE id = 2', /seal 2 was changed/],
  [
    'a newest seal of another hand',
    "UPDATE seals SET signature = 'AAAA' WHERE id = (SELECT max(id) FROM seals)",
    /the newest, was not signed with the key/,
  ],
];

for (const [what, sql, named] of FORGERIES) {
  test(`a daemon does not run on ${what}`, async (context) => {
    const path = await leftLedger(context, TO_WARM);
    const left = await openLedger(path, { clock: CLOCK });
    const ask = { rolloutId: 'aaaabbbb', step: 1, policyHash: 'hash', verdict: 'pass', figures: '{"detail":"x"}' };
    const asked = { type: 'asked', step: 1, verdict: null };
    await left.journal.commit({
      ask: { ...ask, at: START },
      events: [{ rolloutId: 'aaaabbbb', at: START, type: 'asked', data: JSON.stringify(asked) }],
      outcomes: [],
    });
    await left.close();
    forge(path, (db) => db.exec(sql));
    await assert.rejects(restored(context, path), (error: AppError) => {
      assert.equal(error.code, 'conflict');
      assert.match(error.message, named);
      assert.match(error.hint ?? '', /nobody manages their endpoints.*upshift endpoints/);
      return true;
    });
  });
}

test('events hold against a state that says something else, which is replaced and told', async (context) => {
  const path = await leftLedger(context, TO_WARM);
  forge(path, (db) =>
    db.exec(`UPDATE rollouts SET phase = 'promoted',
      snapshot = json_set(snapshot, '$.endpoint.url', 'http://127.0.0.1:8', '$.phase', 'promoted', '$.step', 6)`),
  );
  const told: string[] = [];
  const log: Log = (level, message, facts) => void told.push(`${level} ${message} ${JSON.stringify(facts)}`);
  const { ledger, watch } = await restored(context, path, log);
  assert.deepEqual(watch.rollout, rolloutAfter(...TO_WARM));
  assert.deepEqual(told, [
    'error the stored state of a rollout does not follow from its events: the events hold {"rollout":"aaaabbbb","what":"state"}',
  ]);
  const row = await ledger.journal.rollout('aaaabbbb');
  assert.deepEqual(JSON.parse(row?.snapshot ?? ''), watch.rollout);
});
