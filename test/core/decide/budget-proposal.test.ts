import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import { budgetText, overBudget } from '../../../src/core/decide/budget-proposal.ts';
import type { BudgetPolicy } from '../../../src/core/policy/budget.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import type { Observation } from '../../../src/core/decide/observation.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import {
  ENDPOINT_POLICY,
  INSTANCE,
  observation,
  rolloutAfter,
  routePolicy,
  START,
  SURVEY,
} from '../../support/samples.ts';

const HOUR = 3_600_000;

function seeing(budget: Partial<BudgetPolicy>, today = 0, changes: Partial<Observation> = {}): Observation {
  const now = changes.now ?? START;
  const micros = today * 1_000_000;
  return observation({
    policy: routePolicy({ budget: { ...NO_BUDGET, ...budget } }),
    spending: { hourMicros: 0, dayMicros: micros, rolloutMicros: 0, ratePerHourMicros: 0, at: now },
    ...changes,
  });
}

describe('a proposal', () => {
  const cases: readonly (readonly [string, Partial<BudgetPolicy>, number, string | null])[] = [
    ['nothing is set', {}, 100, null],
    ['it costs more an hour', { perHour: 4 }, 0, '$4.50/h exceeds the budget of $4.00 an hour'],
    ['it costs just as much an hour', { perHour: 4.5 }, 0, null],
    [
      'the rest of the day does not pay for an hour',
      { perDay: 5 },
      3.2,
      '$4.50/h: $5.00 a day lasts 67 min, $3.20 are spent today; a rollout takes at least an hour, which costs $4.50',
    ],
    ['the day pays for an hour', { perDay: 5 }, 0.5, null],
    [
      'a rollout may cost less than an hour',
      { perRollout: 4 },
      0,
      '$4.50/h: $4.00 a rollout lasts 53 min; a rollout takes at least an hour, which costs $4.50',
    ],
  ];
  for (const [why, budget, today, problem] of cases) {
    it(`is ${problem === null ? 'made' : 'refused with the figure'} if ${why}`, () => {
      assert.equal(overBudget(seeing(budget, today), 4_500_000), problem);
    });
  }

  it('names the replicas that the price is for, and how much is expected to overflow', () => {
    const instance = { ...INSTANCE, maxReplica: 2, overflowShare: 0.124 };
    const policy = routePolicy({ endpoint: { ...ENDPOINT_POLICY, maxReplica: 8 } });
    const demand = {
      calls: 2_100,
      agents: 64,
      derivedAgents: 0,
      refused: 168,
      refusedShare: 0.08,
      holdsSince: START - 24 * HOUR,
    };
    const { action, detail } = decide(null, observation({ policy, demand, survey: { ...SURVEY, instance } }));
    assert.equal(action, 'propose');
    assert.match(detail, /, up to 2 replicas, about 12 % of the calls overflow to serverless at \$/);
  });

  it('near midnight needs from today’s budget only the rest of the day, and a daily budget that pays for an hour', () => {
    const now = START + 15.75 * HOUR;
    assert.equal(overBudget(seeing({ perDay: 5 }, 3.8, { now }), 4_500_000), null);
    assert.match(overBudget(seeing({ perDay: 4 }, 0, { now }), 4_500_000) ?? '', /lasts 53 min/);
  });

  it('is not made if a budget is set and it is not known what was spent', () => {
    assert.match(overBudget(seeing({ perDay: 50 }, 0, { spending: null }), 4_500_000) ?? '', /not known yet/);
    assert.equal(overBudget(seeing({}, 0, { spending: null }), 4_500_000), null);
  });

  it('says how long each budget lasts', () => {
    assert.equal(
      budgetText(seeing({ perDay: 5, perRollout: 9, perHour: 5 }, 0.5), 4_500_000),
      '; $5.00 a day lasts 67 min, $0.50 are spent today; $9.00 a rollout lasts 2.0 h',
    );
    assert.equal(budgetText(seeing({ perDay: 200 }), 4_500_000), '; $200.00 a day is enough, $0.00 are spent today');
    assert.equal(budgetText(seeing({}), 4_500_000), '');
  });

  it('is not asked about, approved or provisioned if too much was spent while it waited', () => {
    const proposed = rolloutAfter();
    const asked = rolloutAfter({ type: 'asked', step: 0, verdict: null });
    const over = seeing({ perDay: 2 }, 1.5);
    assert.deepEqual([decide(proposed, over).action, decide(proposed, over).reason], ['wait', 'over_budget']);
    assert.deepEqual([decide(asked, over).action, decide(asked, over).reason], ['withdraw_ask', 'over_budget']);
    const request = {
      id: 1,
      kind: 'approve',
      rolloutId: 'aaaabbbb',
      askId: 3,
      step: 0,
      reason: null,
      by: 'a@b',
      uid: 1_001,
    } as const;
    const answered = decide(asked, { ...over, request, openAskId: 3 });
    assert.deepEqual([answered.action, answered.reason], ['refuse', 'over_budget']);
    const automatic = { ...over, policy: { ...over.policy, approval: 'automatic' as const } };
    assert.deepEqual([decide(proposed, automatic).action, decide(proposed, automatic).reason], ['wait', 'over_budget']);
  });
});

describe('the block `budget` of a policy', () => {
  const parsed = (budget: object) => parsePolicy({ defaults: { budget } });
  it('sets no budget if it is left out, and gets defaults if it is there', () => {
    const silent = parsePolicy({});
    assert.deepEqual(silent.ok && silent.policy.watched.budget, NO_BUDGET);
    const given = parsed({ perDay: 5, perHour: 'none', warnAt: '50%' });
    assert.deepEqual(given.ok && given.policy.watched.budget, { ...NO_BUDGET, perDay: 5, warnAt: 0.5 });
  });

  for (const [wrong, issue] of [
    [{ perDay: 0 }, 'expected more than 0, got 0'],
    [{ perDay: '$5' }, 'expected dollars above 0 such as 4.50, or none, got "$5"'],
    [{ perMonth: 5 }, 'unknown key; allowed here: perHour, perDay, perRollout, warnAt, askAt'],
    [{ warnAt: '95%' }, 'expected at most askAt, 0.9: the warning comes before the question'],
  ] as const) {
    it(`refuses ${JSON.stringify(wrong)}`, () => {
      const found = parsed(wrong);
      assert.deepEqual(found.ok ? [] : found.issues.map(({ message }) => message), [issue]);
    });
  }

  it('is not a setting of the judge', () => {
    const found = parsePolicy({ defaults: { judge: { errorRates: { perDay: 1 } } } });
    assert.match(
      found.ok ? '' : (found.issues[0]?.message ?? ''),
      /allowed here: falseRollback, falsePass, falsePassLast/,
    );
  });
});
