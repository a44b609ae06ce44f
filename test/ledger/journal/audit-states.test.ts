import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { changedBy, NO_ROLLOUTS } from '../../../src/core/rollout/route-state.ts';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { Fold, rowOf } from '../../../src/ledger/journal/fold.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { promotedRollout, PROPOSED, rolloutAfter, START, TO_PROMOTED, TO_WARM } from '../../support/samples.ts';
import { wayBackAfter, wayBackProposed } from '../../support/samples.ts';
import { makeDecision, openFor, POLICY, POLICY_HASH, temporaryPath } from '../rig.ts';

const { id: ID, model: MODEL } = promotedRollout();
const BACK = wayBackAfter().id;
const DRAINING: RolloutEvent = { type: 'draining', outcome: 'aborted', reason: 'x', hint: null };

/** A stored decision: the rollout that it was made on, and the events that it led to. */
interface Made {
  readonly on: Rollout | null;
  readonly events?: readonly RolloutEvent[];
  /** Of its events. */
  readonly rolloutId?: string;
  readonly coreVersion?: number;
}

/** What the audit finds in a ledger with these decisions, each of which comes out the same again. */
async function found(context: TestContext, all: readonly Made[]): Promise<string[]> {
  const path = temporaryPath(context);
  const { journal, close } = await openFor(context, path);
  const fold = new Fold();
  let n = 0;
  for (const { on, events = [], rolloutId = ID, coreVersion = 1 } of all) {
    const told = events.map((event) => ({ rolloutId, at: START, type: event.type, data: JSON.stringify(event) }));
    const input = JSON.stringify({ rollout: on, observation: {} });
    const output = JSON.stringify({ events, outcome: null });
    const before = { ...NO_ROLLOUTS, ...fold.routes.get(MODEL) };
    const after = changedBy(
      before,
      events.map((event) => ({ rolloutId, event, at: START })),
    ).get(rolloutId);
    await journal.commit({
      policy: { hash: POLICY_HASH, ...POLICY },
      decision: makeDecision(++n, { model: MODEL, rolloutId, input, output, coreVersion }),
      ...(after !== undefined && {
        rollout: rowOf({ rollout: { ...after, policyHash: POLICY_HASH }, updatedAt: START }),
      }),
      events: told,
      outcomes: [],
    });
    try {
      for (const row of told) fold.take({ ...row, id: n, decisionId: n });
    } catch {
      // The audit has to find it.
    }
  }
  await close();
  const db = openForReading(path);
  context.after(() => db.close());
  const outputs = all.map(({ events = [] }) => JSON.stringify({ events, outcome: null }));
  return verifyAudit(db, () => outputs.shift() ?? '', 1)
    .problems.map(({ decisionId, what }) => `${decisionId}: ${what}`)
    .filter((what) => !/columns differ|does not follow/.test(what));
}

const toPromoted: readonly Made[] = [
  { on: null, events: [PROPOSED] },
  { on: rolloutAfter(), events: TO_PROMOTED.slice(1) },
];
const OTHER_STATE = /it was made on another state of its rollout than the events before it make/;

describe('the audit of what decisions were made on', () => {
  it('finds nothing where it follows from the events, also on a way back', async (context) => {
    const ended = (outcome: 'aborted'): RolloutEvent => ({ type: 'ended', outcome, reason: 'x', hint: null });
    const all: Made[] = [
      ...toPromoted,
      { on: promotedRollout(), events: [wayBackProposed()], rolloutId: BACK },
      { on: wayBackAfter(), events: [ended('aborted')], rolloutId: BACK },
      { on: promotedRollout() },
    ];
    assert.deepEqual(await found(context, all), []);
  });

  it('names a decision on another state', async (context) => {
    const [what, ...rest] = await found(context, [...toPromoted, { on: rolloutAfter(...TO_WARM) }]);
    assert.match(what ?? '', /^3: /);
    assert.match(what ?? '', OTHER_STATE);
    assert.deepEqual(rest, []);
  });

  it('allows the state before the last change to a rollback only', async (context) => {
    const late: Made = { on: rolloutAfter() };
    assert.match((await found(context, [...toPromoted, late])).join(), OTHER_STATE);
    assert.deepEqual(await found(context, [...toPromoted, { ...late, events: [DRAINING] }]), []);
  });

  it('leaves out what another version of the core has decided about', async (context) => {
    const other: Made = { on: rolloutAfter(...TO_WARM), coreVersion: 0 };
    assert.deepEqual(await found(context, [...toPromoted, other]), []);
  });

  it('names an event that cannot have happened on its route', async (context) => {
    assert.ok(PROPOSED.type === 'proposed');
    const second: RolloutEvent = { ...PROPOSED, rollout: { ...PROPOSED.rollout, id: 'ccccdddd' } };
    const all: Made[] = [...toPromoted, { on: promotedRollout(), events: [second], rolloutId: 'ccccdddd' }];
    assert.match((await found(context, all)).join(), /null: event \d+: rollout ccccdddd cannot be proposed/);
  });
});
