import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoleFigures } from '../../src/core/figures.ts';
import { NO_FIGURES } from '../../src/core/figures.ts';
import type { EndpointSeen, Observation } from '../../src/core/observation.ts';
import type { RolloutEvent } from '../../src/core/rollout.ts';
import { decidePromoted, decideStepping } from '../../src/core/stepping.ts';
import { atStep, observation, promotedRollout, roleFigures, routePolicy, START } from '../support/samples.ts';

const MINUTE = 60_000;
const AUTOMATIC = routePolicy({ approval: 'automatic' });
const REFUSING = { attempts: 20, faults: 20, connectFailures: 20 };
const SICK = { attempts: 20, faults: 10, connectFailures: 0 };

/** What is seen at a step, `minutes` after it was entered: by default alike on both sides. */
function at(
  step: number,
  minutes: number,
  changes: Partial<Observation> = {},
  canary: Partial<RoleFigures> = {},
): Observation {
  const stable = step === 5 ? NO_FIGURES : roleFigures();
  return observation({
    now: START + minutes * MINUTE,
    figures: { step, stable, canary: roleFigures(canary) },
    ...changes,
  });
}

function endpoint(state: EndpointSeen['state'], atMs = START + MINUTE): EndpointSeen {
  return { at: atMs, state, url: null, isHealthy: false, badLooks: 0, isOurs: true, message: null };
}

const types = (events: readonly RolloutEvent[]) => events.map((event) => event.type);

describe('decideStepping', () => {
  it('asks for the first step as soon as the endpoint is warm', () => {
    const decided = decideStepping(atStep(0), at(0, 0));
    assert.equal(decided.action, 'ask');
    assert.deepEqual(decided.events, [{ type: 'asked', step: 1, verdict: null }]);
    assert.match(decided.detail, /step 1 of 5: 10 % to the endpoint/);
  });

  it('holds while the bake time runs, whatever the figures say', () => {
    for (const approval of ['manual', 'automatic'] as const) {
      const decided = decideStepping(atStep(1), at(1, 4.99, { policy: routePolicy({ approval }) }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'baking']);
    }
  });

  it('asks once the bake time is over and the verdict is a pass', () => {
    const decided = decideStepping(atStep(1), at(1, 5));
    assert.equal(decided.action, 'ask');
    assert.equal(decided.verdict?.status, 'pass');
  });

  it('waits for the answer without asking twice', () => {
    const asked = atStep(1, { type: 'asked', step: 2, verdict: null });
    assert.deepEqual(decideStepping(asked, at(1, 6)).reason, 'awaiting_approval');
  });

  it('goes on by itself under approval: automatic, one step at a time, and says who approved', () => {
    const decided = decideStepping(atStep(2), at(2, 5, { policy: AUTOMATIC }));
    assert.equal(decided.action, 'enter_step');
    assert.deepEqual(decided.events, [
      { type: 'approved', step: 3, by: 'policy', reason: null },
      { type: 'step_entered', step: 3, weight: 0.5, stable: roleFigures() },
    ]);
  });

  it('promotes after the last step', () => {
    const decided = decideStepping(atStep(5), at(5, 5, { policy: AUTOMATIC }));
    assert.equal(decided.action, 'promote');
    assert.deepEqual(types(decided.events), ['approved', 'promoted']);
    assert.match(decided.verdict?.summary ?? '', /stable as of step 4/);
  });

  const holds: readonly [why: string, canary: Partial<RoleFigures>, reason: string][] = [
    ['there is no data', NO_FIGURES, 'gathering'],
    ['calls are too few', { decided: 199 }, 'gathering'],
    ['errors are over their limit', { faults: 30 }, 'over_limits'],
    ['the p95 is over its limit', { p95: 5000 }, 'over_limits'],
  ];
  for (const [why, canary, reason] of holds) {
    it(`holds where ${why}, hands-off too`, () => {
      for (const approval of ['manual', 'automatic'] as const) {
        const decided = decideStepping(atStep(1), at(1, 10, { policy: routePolicy({ approval }) }, canary));
        assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', reason, []]);
      }
    });
  }

  it('does not take the figures of another step for its own', () => {
    const figures = { step: 1, stable: roleFigures(), canary: roleFigures() };
    assert.equal(decideStepping(atStep(2), at(2, 10, { figures })).reason, 'gathering');
  });

  it('withdraws its question when the verdict is no longer a pass', () => {
    const asked = atStep(1, { type: 'asked', step: 2, verdict: null });
    const decided = decideStepping(asked, at(1, 10, {}, { faults: 30 }));
    assert.equal(decided.action, 'withdraw_ask');
    assert.deepEqual(types(decided.events), ['ask_withdrawn']);
  });

  it('does not go on while paused, and says so', () => {
    const paused = atStep(1, { type: 'paused', by: 'ann@desk', reason: null });
    const decided = decideStepping(paused, at(1, 10, { policy: AUTOMATIC }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'paused']);
  });

  it('holds and says so where a step is overdue', () => {
    const decided = decideStepping(atStep(1), at(1, 121, {}, { faults: 30 }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'step_overdue']);
    assert.match(decided.detail, /^step older than 2\.0 h; errors/);
  });

  it('holds and says so where the whole rollout is overdue', () => {
    const decided = decideStepping(atStep(1), at(1, 1441, {}, { faults: 30 }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'rollout_overdue']);
  });

  it('aborts where a step is overdue under approval: automatic', () => {
    const decided = decideStepping(atStep(1), at(1, 121, { policy: AUTOMATIC }, { faults: 30 }));
    assert.deepEqual([decided.action, decided.reason], ['abort', 'step_overdue']);
    assert.deepEqual(types(decided.events), ['draining']);
  });

  it('keeps an overdue step where it is while serverless refuses connections', () => {
    const seen = at(1, 121, { policy: AUTOMATIC, stableRecent: REFUSING }, { faults: 30 });
    const decided = decideStepping(atStep(1), seen);
    assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', 'stable_unable', []]);
  });
});

for (const [name, decide] of [
  ['decideStepping', (seen: Observation) => decideStepping(atStep(3), seen)],
  ['decidePromoted', (seen: Observation) => decidePromoted(promotedRollout(), seen)],
] as const) {
  describe(`${name}, going back`, () => {
    it('goes back after the given number of faults in a row, not before', () => {
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 4 })).action, 'wait');
      const decided = decide(at(3, 1, { canaryFaultsInRow: 5 }));
      assert.deepEqual([decided.action, decided.reason], ['abort', 'consecutive_faults']);
      assert.deepEqual(types(decided.events), ['draining']);
    });

    it('holds where serverless fails too', () => {
      const decided = decide(at(3, 1, { canaryFaultsInRow: 9, stableRecent: SICK }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'both_unhealthy']);
    });

    it('goes back where serverless merely answers 429', () => {
      const stableRecent = { attempts: 100, faults: 0, connectFailures: 0 };
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent })).action, 'abort');
    });

    it('holds where serverless refuses connections', () => {
      for (const seen of [{ canaryFaultsInRow: 5 }, { endpoint: endpoint('paused') }]) {
        const decided = decide(at(3, 1, { ...seen, stableRecent: REFUSING }));
        assert.deepEqual([decided.action, decided.reason], ['wait', 'stable_unable']);
      }
    });

    it('needs more than two refused connections to believe that serverless is gone', () => {
      const stableRecent = { attempts: 2, faults: 2, connectFailures: 2 };
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent })).action, 'abort');
    });

    const states: readonly [EndpointSeen['state'], string][] = [
      ['failed', 'endpoint_failed'],
      ['updateFailed', 'endpoint_failed'],
      ['paused', 'endpoint_paused'],
      ['scaledToZero', 'endpoint_scaled_to_zero'],
      ['absent', 'endpoint_absent'],
    ];
    for (const [state, reason] of states) {
      it(`goes back where the endpoint is ${state}, serverless failing or not`, () => {
        for (const stableRecent of [SICK, { attempts: 0, faults: 0, connectFailures: 0 }]) {
          const decided = decide(at(3, 1, { endpoint: endpoint(state), stableRecent }));
          assert.deepEqual([decided.action, decided.reason], ['abort', reason]);
        }
      });
    }

    it('goes back where the endpoint runs but was not healthy three looks in a row', () => {
      const looks = (badLooks: number) => ({ endpoint: { ...endpoint('running'), badLooks } });
      assert.equal(decide(at(3, 1, looks(2))).action, 'wait');
      const decided = decide(at(3, 1, looks(3)));
      assert.deepEqual([decided.action, decided.reason], ['abort', 'endpoint_unhealthy']);
    });

    it('does not go back on what was seen before this endpoint existed', () => {
      assert.equal(decide(at(3, 1, { endpoint: endpoint('absent', START - 1) })).action, 'wait');
    });
  });
}

describe('decidePromoted', () => {
  it('stays', () => {
    assert.equal(decidePromoted(promotedRollout(), at(6, 999)).reason, 'promoted');
  });
});
