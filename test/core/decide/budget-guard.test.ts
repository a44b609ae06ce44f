import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decide } from '../../../src/core/decide/decide.ts';
import { decideAgain } from '../../../src/core/decide-again.ts';
import type { Decision } from '../../../src/core/decide/decision.ts';
import { budgetNotes } from '../../../src/core/decide/budget-guard.ts';
import { costOf } from '../../../src/core/money/budget-limits.ts';
import type { BudgetPolicy } from '../../../src/core/policy/budget.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Spending } from '../../../src/core/money/spending.ts';
import {
  atStep,
  observation,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  shadowingRollout,
  START,
  TO_WARM,
} from '../../support/samples.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** START is 08:00 UTC, and the endpoint of the samples costs $1.30 an hour. */
const PRICE = 1_300_000;

const spent = (dollars: number, changes: Partial<Spending> = {}): Spending => ({
  hourMicros: 0,
  dayMicros: dollars * 1_000_000,
  rolloutMicros: dollars * 1_000_000,
  ratePerHourMicros: PRICE,
  at: START,
  ...changes,
});

/** An observation at START of a route with this budget, whose rollback takes five minutes. */
function seeing(budget: Partial<BudgetPolicy>, changes: Partial<Observation> = {}, file: Partial<BudgetPolicy> = {}) {
  return observation({
    policy: routePolicy({ budget: { ...NO_BUDGET, ...budget } }),
    budget: { file: { ...NO_BUDGET, ...file }, rollbackMs: 5 * MINUTE },
    ...changes,
  });
}

const after = (rollout: Rollout, { events }: Decision, now = START): Rollout =>
  events.reduce<Rollout>((state, event) => evolve(state, event, now), rollout);

const RUNNING: readonly (readonly [string, Rollout])[] = [
  ['provisioning', rolloutAfter(...TO_WARM.slice(0, 3))],
  ['warming', rolloutAfter(...TO_WARM.slice(0, 4))],
  ['shadowing', shadowingRollout()],
  ['stepping without traffic', atStep(0)],
  ['stepping', atStep(3)],
  ['holding', atStep(5)],
  ['promoted', promotedRollout()],
];

describe('a budget that runs low', () => {
  for (const [phase, rollout] of RUNNING) {
    it(`is warned about, asked about and kept in a rollout that is ${phase}, paused by an operator or not`, () => {
      for (const isPaused of [false, true]) {
        const begun = { ...rollout, isPaused };
        const warned = decide(begun, seeing({ perDay: 5 }, { spending: spent(4.01) }));
        assert.deepEqual([warned.action, warned.reason], ['warn', 'budget_low']);
        assert.equal(warned.detail, '$4.01 of $5.00 are spent today (80 %); at $1.30/h the rest lasts 46 min');
        const known = after(begun, warned);
        assert.notEqual(decide(known, seeing({ perDay: 5 }, { spending: spent(4.02) })).action, 'warn', 'once');
        const asked = decide(known, seeing({ perDay: 5 }, { spending: spent(4.51) }));
        assert.deepEqual([asked.action, asked.reason], ['ask', 'budget_nearly_used']);
        const asking = after(known, asked);
        assert.equal(asking.ask?.about, 'budget');
        assert.notEqual(decide(asking, seeing({ perDay: 5 }, { spending: spent(4.52) })).action, 'ask', 'once');
        const kept = decide(asking, seeing({ perDay: 5 }, { spending: spent(4.88) }));
        assert.deepEqual([kept.action, kept.reason], ['roll_back', 'over_budget']);
        assert.deepEqual(kept.events[0]?.type, 'draining');
      }
    });
  }

  it('is not asked about again after a no', () => {
    const asking = [spent(4.01), spent(4.51)].reduce<Rollout>(
      (rollout, spending) => after(rollout, decide(rollout, seeing({ perDay: 5 }, { spending }))),
      promotedRollout(),
    );
    const no = decide(asking, answer('reject', { perDay: 5 }, 4.6));
    assert.deepEqual([no.action, no.reason], ['withdraw_ask', 'rejected']);
    const waiting = decide(after(asking, no), seeing({ perDay: 5 }, { spending: spent(4.7) }));
    assert.deepEqual([waiting.action, waiting.reason], ['wait', 'promoted']);
  });

  it('causes nothing if the day ends before it is used up', () => {
    const seen = seeing({ perDay: 21 }, { now: START + 15 * HOUR, spending: spent(19, { at: START + 15 * HOUR }) });
    assert.deepEqual(decide(promotedRollout(), seen).reason, 'promoted');
    assert.deepEqual(budgetNotes(promotedRollout(), seen), []);
  });

  it('is shown in the status, with the time until the rollback', () => {
    const notes = budgetNotes(promotedRollout(), seeing({ perDay: 5 }, { spending: spent(4.6) }));
    assert.deepEqual(notes, [
      'budget: $4.60 of $5.00 are spent today (92 %); at $1.30/h the rest lasts 18 min; upshift rolls back to serverless in about 12 min',
    ]);
  });

  it('is kept for each budget separately', () => {
    for (const budget of [{ perDay: 5 }, { perRollout: 5 }]) {
      const decided = decide(promotedRollout(), seeing(budget, { spending: spent(4.95) }));
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'over_budget']);
    }
    const hour = seeing({ perHour: 1 }, { spending: spent(9, { hourMicros: 900_000 }) });
    assert.equal(decide(promotedRollout(), hour).reason, 'over_budget');
    const fine = seeing({ perHour: 1.3 }, { spending: spent(9, { hourMicros: 1_300_000 }) });
    assert.equal(decide(promotedRollout(), fine).reason, 'promoted', 'a rate within the budget never breaks it');
  });
});

describe('the lower of the pinned budget and the file’s', () => {
  it('counts, whichever of the two it is', () => {
    const spending = spent(4.9);
    for (const [pinned, file] of [
      [5, 100],
      [100, 5],
      [5, null],
      [null, 5],
    ] as const) {
      const decided = decide(promotedRollout(), seeing({ perDay: pinned }, { spending }, { perDay: file }));
      assert.equal(decided.reason, 'over_budget', `${pinned} ${file}`);
    }
    assert.equal(decide(promotedRollout(), seeing({}, { spending })).reason, 'promoted');
  });
});

describe('an endpoint whose costs are not known', () => {
  it('is assumed to have cost its full price since upshift began to create it', () => {
    for (const spending of [null, undefined]) {
      const seen = seeing({ perRollout: 2 }, { now: START + 2 * HOUR });
      const decided = decide(promotedRollout(), { ...seen, ...(spending === null && { spending }) });
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'over_budget']);
    }
  });

  it('is assumed to cost its full price since the last cost record', () => {
    const old = spent(4, { at: START - HOUR });
    assert.equal(decide(promotedRollout(), seeing({ perDay: 5 }, { spending: old })).reason, 'over_budget');
  });
});

describe('an approval to exceed a budget', () => {
  const asked = (dollars: number) =>
    [dollars * 0.85, dollars * 0.91].reduce<Rollout>(
      (rollout, sum) => after(rollout, decide(rollout, seeing({ perDay: dollars }, { spending: spent(sum) }))),
      promotedRollout(),
    );

  it('adds the same amount again, and later warns and asks again', () => {
    const yes = decide(asked(5), answer('approve', { perDay: 5 }, 4.6));
    assert.deepEqual([yes.action, yes.reason, yes.outcome?.message], ['grant', 'approved', '$5.00 more for today']);
    const extended = after(asked(5), yes);
    assert.equal(extended.ask, null);
    const at = (sum: number) => decide(extended, seeing({ perDay: 5 }, { spending: spent(sum) })).reason;
    assert.deepEqual([at(4.9), at(7.9), at(8.1), at(9.95)], ['promoted', 'promoted', 'budget_low', 'over_budget']);
  });

  it('is valid only for that day: when it is over, the question is withdrawn and the extension ends', () => {
    const tomorrow = START + 17 * HOUR;
    const next = { now: tomorrow, spending: spent(4.51, { at: tomorrow, rolloutMicros: 9_000_000 }) };
    const withdrawn = decide(asked(5), seeing({ perDay: 5 }, next));
    assert.deepEqual([withdrawn.action, withdrawn.reason], ['withdraw_ask', 'budget_renewed']);
    const late = decide(asked(5), { ...answer('approve', { perDay: 5 }, 0), ...next });
    assert.deepEqual([late.action, late.reason], ['refuse', 'stale_request']);
    const extended = after(asked(5), decide(asked(5), answer('approve', { perDay: 5 }, 4.6)));
    assert.equal(decide(extended, seeing({ perDay: 5 }, next)).reason, 'budget_low', 'of $5 again');
  });

  it('counts before a rollback in the same tick', () => {
    const decided = decide(asked(5), answer('approve', { perDay: 5 }, 4.99));
    assert.equal(decided.action, 'grant');
  });
});

describe('a step', () => {
  it('is not entered if the endpoint must be left to keep a budget', () => {
    const rollout = atStep(0, { type: 'asked', step: 1, verdict: null });
    const decided = decide(rollout, answer('approve', { perDay: 5 }, 4.95));
    assert.deepEqual([decided.action, decided.reason], ['refuse', 'over_budget']);
  });
});

describe('a serverless that refuses connections', () => {
  it('keeps the traffic on the endpoint, and the status says that more money is spent', () => {
    const down = { attempts: 100, faults: 100, connectFailures: 100 };
    const seen = seeing({ perDay: 5 }, { spending: spent(5.2), stableRecent: down });
    const decided = decide(promotedRollout(), seen);
    assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', 'stable_unable', []]);
    assert.deepEqual(budgetNotes(promotedRollout(), seen), [
      'budget: $5.20 of $5.00 are spent today (104 %), and the endpoint cannot be left',
    ]);
  });
});

function answer(kind: 'approve' | 'reject', budget: Partial<BudgetPolicy>, sum: number): Observation {
  const request: OperatorRequest = {
    id: 7,
    kind,
    rolloutId: 'aaaabbbb',
    askId: 3,
    step: null,
    reason: null,
    by: 'ann@desk',
    uid: 1_001,
  };
  return seeing(budget, { spending: spent(sum), request, openAskId: 3 });
}

/** Rates that change at any time, never above the price with all replicas, and readings that come early or late. */
const schedules = fc.record({
  startsInDay: fc.integer({ min: 0, max: DAY - 1 }),
  perDay: fc.option(fc.integer({ min: 1_300_000, max: 40_000_000 }), { nil: null }),
  perRollout: fc.option(fc.integer({ min: 1_300_000, max: 60_000_000 }), { nil: null }),
  rollbackMs: fc.integer({ min: 2_000, max: 20 * MINUTE }),
  readings: fc.array(
    fc.record({
      after: fc.double({ min: 0.01, max: 1, noNaN: true }),
      rate: fc.oneof(fc.constant(PRICE), fc.integer({ min: 0, max: PRICE })),
    }),
    { minLength: 50, maxLength: 400, size: 'max' },
  ),
  wayBack: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('with any schedule of rates', () => {
  it('what is spent until the pause stays within every budget', () => {
    let kept = 0;
    fc.assert(
      fc.property(schedules, ({ startsInDay, perDay, perRollout, rollbackMs, readings, wayBack }) => {
        const began = Math.floor(START / DAY) * DAY + startsInDay;
        const dollars = (micros: number | null) => (micros === null ? null : micros / 1_000_000);
        const policy = routePolicy({
          budget: { ...NO_BUDGET, perDay: dollars(perDay), perRollout: dollars(perRollout) },
        });
        const days = new Map<number, number>();
        let now = began;
        /** Bills up to a time, day by day. */
        const bill = (until: number, rate: number) => {
          while (now < until) {
            const day = Math.floor(now / DAY);
            const to = Math.min(until, (day + 1) * DAY);
            days.set(day, (days.get(day) ?? 0) + costOf(rate, to - now));
            now = to;
          }
        };
        const total = () => [...days.values()].reduce((sum, one) => sum + one, 0);
        // At most half of a rollback's time passes before the next reading; calls end and the endpoint is paused in the rest.
        const interval = rollbackMs / 2;
        let rollout: Rollout = promotedRollout();
        for (const { after: share, rate } of readings) {
          bill(now + Math.ceil(interval * share), rate);
          const dayMicros = days.get(Math.floor(now / DAY)) ?? 0;
          const spending = { hourMicros: 0, dayMicros, rolloutMicros: total(), ratePerHourMicros: rate, at: now };
          const seen = observation({ now, policy, spending, budget: { file: NO_BUDGET, rollbackMs } });
          const decided = decide(rollout, seen);
          const before = rollout;
          rollout = after(rollout, decided, now);
          if (rollout.phase !== 'draining') continue;
          const stored = JSON.stringify({ rollout: before, observation: seen });
          assert.equal(decideAgain(stored), JSON.stringify(decided));
          kept++;
          bill(now + Math.floor((rollbackMs - interval) * wayBack), PRICE);
          // A minute is paid if it has begun.
          bill(Math.ceil(now / MINUTE) * MINUTE, PRICE);
          break;
        }
        for (const [, micros] of days) assert.ok(perDay === null || micros <= perDay, `${micros} of ${perDay} a day`);
        assert.ok(perRollout === null || total() <= perRollout, `${total()} of ${perRollout}`);
      }),
      { numRuns: 200 },
    );
    assert.ok(kept > 20, `only ${kept} of these schedules came near a budget`);
  });
});
