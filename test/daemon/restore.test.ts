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
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { BookedSpending } from '../../src/daemon/money/spending.ts';
import { reportRoute } from '../../src/daemon/report.ts';
import { LearnedRows } from '../../src/daemon/learned.ts';
import { restore } from '../../src/daemon/restore.ts';
import { Routes } from '../../src/daemon/route/routes.ts';
import type { ObserveContext } from '../../src/daemon/tick/observe.ts';
import { observe } from '../../src/daemon/tick/observe.ts';
import { openLedger } from '../../src/ledger/open.ts';
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

function policy(): Policy {
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY }] });
  assert.ok(parsed.ok);
  return parsed.policy;
}

/** A ledger as a daemon leaves it in the midst of a rollout. */
async function leftLedger(context: TestContext, rollout: Rollout): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-restore-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'upshift.db');
  const ledger = await openLedger(path, { clock: CLOCK });
  const { id, model, policyHash, toward, phase } = rollout;
  await ledger.journal.commit({
    policy: { hash: policyHash, path: 'policy.yaml', text: '', parsed: JSON.stringify(policy()) },
    rollout: {
      id,
      model,
      policyHash,
      toward,
      phase,
      snapshot: JSON.stringify(rollout),
      createdAt: START,
      updatedAt: START,
    },
    events: [],
    outcomes: [],
  });
  await ledger.close();
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
  test(`a rollout that is ${rollout.phase} goes on after a restart: ${expected}`, async (context) => {
    const ledger = await openLedger(await leftLedger(context, rollout), { clock: CLOCK });
    context.after(() => ledger.close());
    const routes = new Routes(policy(), CLOCK, () => undefined);
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
  });
}
