import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { decidePromoted } from '../../../src/core/decide/promoted.ts';
import { decideShadowing, decideStopped } from '../../../src/core/decide/stepping.ts';
import type { Verdict } from '../../../src/core/judge/verdict.ts';
import {
  atStep,
  observation,
  promotedRollout,
  routePolicy,
  shadowingRollout,
  NO_REPLICAS,
} from '../../support/samples.ts';
import { START, verdictOn } from '../../support/samples.ts';

const MINUTE = 60_000;
const STEP = atStep(1);
const BACK = { ...STEP, toward: 'serverless' as const };
const AUTOMATIC = routePolicy({ approval: 'automatic' });
const REFUSING = { attempts: 20, faults: 20, connectFailures: 20 };
const SICK = { attempts: 20, faults: 10, connectFailures: 0 };

/** What is seen at a step, `minutes` after it was entered: by default with a verdict that is a pass. */
function at(
  step: number,
  minutes: number,
  changes: Partial<Observation> = {},
  verdict: Partial<Verdict> = {},
): Observation {
  return observation({ now: START + minutes * MINUTE, verdict: verdictOn(step, verdict), ...changes });
}

const OPEN: Partial<Verdict> = { status: 'inconclusive', summary: 'errors are not known well enough' };

function endpoint(state: EndpointSeen['state'], atMs = START + MINUTE): EndpointSeen {
  return { at: atMs, state, url: null, isHealthy: false, badReadings: 0, isOurs: true, message: null, ...NO_REPLICAS };
}

const types = (events: readonly RolloutEvent[]) => events.map((event) => event.type);

describe('decideStopped', () => {
  it('asks for the first step as soon as the endpoint is warm', () => {
    const decided = decideStopped(atStep(0), at(0, 0));
    assert.equal(decided.action, 'ask');
    assert.deepEqual(decided.events, [{ type: 'asked', step: 1, verdict: null }]);
    assert.match(decided.detail, /step 1 of 5: 10 % to the endpoint/);
  });

  it('holds while the bake time runs, whatever the figures say', () => {
    for (const approval of ['manual', 'automatic'] as const) {
      const decided = decideStopped(atStep(1), at(1, 4.99, { policy: routePolicy({ approval }) }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'baking']);
    }
  });

  it('asks once the bake time is over and the verdict is a pass', () => {
    const decided = decideStopped(atStep(1), at(1, 5));
    assert.equal(decided.action, 'ask');
    assert.equal(decided.verdict?.status, 'pass');
  });

  it('waits for the answer without asking twice', () => {
    const asked = atStep(1, { type: 'asked', step: 2, verdict: null });
    assert.deepEqual(decideStopped(asked, at(1, 6)).reason, 'awaiting_approval');
  });

  it('goes on by itself under approval: automatic, one step at a time, and says who approved', () => {
    const decided = decideStopped(atStep(2), at(2, 5, { policy: AUTOMATIC }));
    assert.equal(decided.action, 'enter_step');
    assert.deepEqual(decided.events, [
      { type: 'approved', step: 3, by: 'policy', reason: null },
      { type: 'step_entered', step: 3, weight: 0.5, phase: 'stepping' },
    ]);
  });

  it('enters the last step with its control group, and holds it as long as the policy says', () => {
    const entered = decideStopped(atStep(4), at(4, 5, { policy: AUTOMATIC }));
    assert.deepEqual(entered.events.at(-1), { type: 'step_entered', step: 5, weight: 0.97, phase: 'holding' });
    assert.deepEqual(decideStopped(atStep(5), at(5, 29, { policy: AUTOMATIC })).reason, 'baking');
  });

  it('promotes after the last step', () => {
    const decided = decideStopped(atStep(5), at(5, 30, { policy: AUTOMATIC }));
    assert.equal(decided.action, 'promote');
    assert.deepEqual(types(decided.events), ['approved', 'promoted']);
  });

  const holds: readonly [why: string, verdict: Partial<Verdict>, reason: string][] = [
    ['there is no data', { status: 'no data', canaryCalls: 0 }, 'gathering'],
    ['calls are too few, though the verdict is a pass', { canaryCalls: 199 }, 'gathering'],
    ['nothing is certain yet', OPEN, 'gathering'],
    ['the split is wrong', { status: 'unhealthy', cause: 'split' }, 'unhealthy'],
  ];
  for (const [why, verdict, reason] of holds) {
    it(`holds where ${why}, hands-off too`, () => {
      for (const approval of ['manual', 'automatic'] as const) {
        const decided = decideStopped(atStep(1), at(1, 10, { policy: routePolicy({ approval }) }, verdict));
        assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', reason, []]);
      }
    });
  }

  it('goes back where the verdict fails, at once, paused or not, by hand or not', () => {
    const paused: RolloutEvent = { type: 'paused', by: 'ann@desk', reason: null };
    // Before the first step too: the last copies of the shadow stage may tell after its end.
    for (const rollout of [atStep(0), atStep(1), atStep(3, paused), atStep(5)]) {
      for (const policy of [routePolicy(), AUTOMATIC]) {
        const failed: Partial<Verdict> = { status: 'fail', cause: 'faults', summary: '9 % failed' };
        const decided = decideStopped(rollout, at(rollout.step, 0.1, { policy }, failed));
        assert.deepEqual([decided.action, decided.reason], ['roll_back', 'verdict_fail']);
        assert.deepEqual(types(decided.events), ['draining']);
      }
    }
  });

  it('says of a slow beginning that the endpoint may have been cold', () => {
    const slow: Partial<Verdict> = { status: 'fail', cause: 'speed', summary: '400 % slower' };
    assert.match(decideStopped(atStep(1), at(1, 3, {}, slow)).detail, /may still have been cold/);
    assert.doesNotMatch(decideStopped(atStep(1), at(1, 30, {}, slow)).detail, /cold/);
    // Its copies have warmed it for a whole stage.
    assert.doesNotMatch(decideStopped(atStep(0), at(0, 1, {}, slow)).detail, /cold/);
    assert.doesNotMatch(decideStopped(atStep(3), at(3, 3, {}, slow)).detail, /cold/);
  });

  it('does not take a few slow calls for a cold endpoint, but slowness in all it does', () => {
    const detailAt = (canary: number, slowShare = 0.05) => {
      const metrics = [
        { metric: 'speed', stable: 3_000, canary, margin: 0.15 },
        { metric: 'tail', stable: 0, canary: slowShare, margin: 0.01 },
      ] as unknown as Verdict['metrics'];
      return decideStopped(atStep(1), at(1, 3, {}, { status: 'fail', cause: 'tail', metrics })).detail;
    };
    assert.match(detailAt(9_000), /may still have been cold/);
    assert.doesNotMatch(detailAt(2_200), /cold/);
    assert.match(detailAt(3_300, 0.29), /may still have been cold/);
  });

  it('does not take the verdict on another step for its own', () => {
    assert.equal(decideStopped(atStep(2), at(1, 10)).reason, 'gathering');
  });

  it('withdraws its question when the verdict is no longer a pass', () => {
    const asked = atStep(1, { type: 'asked', step: 2, verdict: null });
    const decided = decideStopped(asked, at(1, 10, {}, OPEN));
    assert.equal(decided.action, 'withdraw_ask');
    assert.deepEqual(types(decided.events), ['ask_withdrawn']);
  });

  it('does not go on while paused, and says so', () => {
    const paused = atStep(1, { type: 'paused', by: 'ann@desk', reason: null });
    const decided = decideStopped(paused, at(1, 10, { policy: AUTOMATIC }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'paused']);
  });

  it('holds and says so where a step is overdue', () => {
    const decided = decideStopped(atStep(1), at(1, 121, {}, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'step_overdue']);
    assert.match(decided.detail, /^the step is older than 2\.0 h; errors are not known/);
  });

  it('holds and says so where the whole rollout is overdue', () => {
    const decided = decideStopped(atStep(1), at(1, 1441, {}, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'rollout_overdue']);
  });

  it('aborts where a step is overdue under approval: automatic', () => {
    const decided = decideStopped(atStep(1), at(1, 121, { policy: AUTOMATIC }, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['roll_back', 'step_overdue']);
    assert.deepEqual(types(decided.events), ['draining']);
  });

  it('goes on with an overdue way back under approval: automatic: the endpoint is what is too dear', () => {
    const decided = decideStopped(BACK, at(1, 121, { policy: AUTOMATIC }, OPEN));
    assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', 'step_overdue', []]);
  });

  it('needs as many calls as the policy says, fewer on a way back', () => {
    const told = (rollout: typeof STEP, calls: number) =>
      decideStopped(rollout, at(1, 10, {}, { canaryCalls: calls })).reason;
    assert.deepEqual([told(STEP, 199), told(STEP, 200)], ['gathering', 'needs_approval']);
    assert.deepEqual([told(BACK, 29), told(BACK, 30)], ['gathering', 'needs_approval']);
  });

  it('keeps an overdue step where it is while serverless refuses connections', () => {
    const seen = at(1, 121, { policy: AUTOMATIC, stableRecent: REFUSING }, OPEN);
    const decided = decideStopped(atStep(1), seen);
    assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', 'stable_unable', []]);
  });
});

for (const [name, decide] of [
  ['decideShadowing', (seen: Observation) => decideShadowing(shadowingRollout(), seen)],
  ['decideStopped', (seen: Observation) => decideStopped(atStep(3), seen)],
  ['decidePromoted', (seen: Observation) => decidePromoted(promotedRollout(), seen)],
] as const) {
  describe(`${name}, going back`, () => {
    it('goes back after the given number of faults in a row, not before', () => {
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 4 })).action, 'wait');
      const decided = decide(at(3, 1, { canaryFaultsInRow: 5 }));
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'consecutive_faults']);
      assert.deepEqual(types(decided.events), ['draining']);
    });

    it('holds where serverless fails too', () => {
      const decided = decide(at(3, 1, { canaryFaultsInRow: 9, stableRecent: SICK }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'both_unhealthy']);
    });

    it('goes back where serverless merely answers 429', () => {
      const stableRecent = { attempts: 100, faults: 0, connectFailures: 0 };
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent })).action, 'roll_back');
    });

    it('holds where serverless refuses connections', () => {
      for (const seen of [{ canaryFaultsInRow: 5 }, { endpoint: endpoint('paused') }]) {
        const decided = decide(at(3, 1, { ...seen, stableRecent: REFUSING }));
        assert.deepEqual([decided.action, decided.reason], ['wait', 'stable_unable']);
      }
    });

    it('needs more than two refused connections to believe that serverless is gone', () => {
      const stableRecent = { attempts: 2, faults: 2, connectFailures: 2 };
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent })).action, 'roll_back');
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
          assert.deepEqual([decided.action, decided.reason], ['roll_back', reason]);
        }
      });
    }

    it('goes back where the endpoint runs but was not healthy three readings in a row', () => {
      const readings = (badReadings: number) => ({ endpoint: { ...endpoint('running'), badReadings } });
      assert.equal(decide(at(3, 1, readings(2))).action, 'wait');
      const decided = decide(at(3, 1, readings(3)));
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'endpoint_unhealthy']);
    });

    it('does not go back on what was seen before this endpoint existed', () => {
      assert.equal(decide(at(3, 1, { endpoint: endpoint('absent', START - 1) })).action, 'wait');
    });
  });
}

describe('decideShadowing', () => {
  const shadow = { sent: 240, ended: 238, faults: 1, dropped: 4 };
  const policy = routePolicy();

  it('lets copies run for their time, and then asks for the first step without asking for more evidence', () => {
    const during = decideShadowing(shadowingRollout(), at(0, 9.9, { shadow, policy }, OPEN));
    assert.deepEqual([during.action, during.reason], ['wait', 'shadowing']);
    assert.match(during.detail, /238 of 240 copies ended, 1 failed, 4 not copied/);
    const after = decideShadowing(shadowingRollout(), at(0, 10, { shadow, policy }, OPEN));
    assert.deepEqual([after.action, types(after.events)], ['finish_shadow', ['shadow_ended']]);
  });

  it('lets an endpoint that begins slowly have the whole time, and goes back only then', () => {
    const failed: Partial<Verdict> = { status: 'fail', cause: 'speed' };
    assert.equal(decideShadowing(shadowingRollout(), at(0, 5, { shadow, policy }, failed)).action, 'wait');
    const decided = decideShadowing(shadowingRollout(), at(0, 10, { shadow, policy }, failed));
    assert.deepEqual([decided.action, decided.reason], ['roll_back', 'verdict_fail']);
  });

  it('stays where it is while paused', () => {
    const paused = shadowingRollout({ type: 'paused', by: 'ann@desk', reason: null });
    assert.equal(decideShadowing(paused, at(0, 60, { shadow, policy })).reason, 'paused');
  });
});

describe('decidePromoted', () => {
  it('stays', () => {
    assert.equal(decidePromoted(promotedRollout(), at(6, 999)).reason, 'promoted');
  });
});
