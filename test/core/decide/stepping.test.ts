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

/** An observation at a step, `minutes` after it was entered; its verdict is a pass unless changed. */
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
  return { at: atMs, state, url: null, isHealthy: false, badReadings: 3, isOurs: true, message: null, ...NO_REPLICAS };
}

const types = (events: readonly RolloutEvent[]) => events.map((event) => event.type);

describe('decideStopped', () => {
  it('asks for the first step as soon as the endpoint is warm', () => {
    const decided = decideStopped(atStep(0), at(0, 0, {}, { status: 'no data' }));
    assert.equal(decided.action, 'ask');
    const [event] = decided.events;
    assert.deepEqual([types(decided.events), event?.type === 'asked' && event.verdict], [['asked'], null]);
    assert.match(decided.detail, /step 1 of 5: 10 % to the endpoint/);
  });

  it('waits until the bake time is over, whatever the figures say', () => {
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

  it('enters the next step automatically with approval: automatic, one at a time, and says who approved', () => {
    const decided = decideStopped(atStep(2), at(2, 5, { policy: AUTOMATIC }));
    assert.equal(decided.action, 'enter_step');
    assert.deepEqual(decided.events, [
      { type: 'approved', step: 3, by: 'policy', reason: null },
      { type: 'step_entered', step: 3, weight: 0.5, phase: 'stepping' },
    ]);
  });

  it('enters the last step with a control group, and stays there as long as the policy says', () => {
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
    it(`waits if ${why}, also with approval: automatic`, () => {
      for (const approval of ['manual', 'automatic'] as const) {
        const decided = decideStopped(atStep(1), at(1, 10, { policy: routePolicy({ approval }) }, verdict));
        assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', reason, []]);
      }
    });
  }

  it('rolls back at once if the verdict fails, whether paused or not, and with either kind of approval', () => {
    const paused: RolloutEvent = { type: 'paused', by: 'ann@desk', reason: null };
    // Also before the first step, because the last copies of the shadow stage may end after it.
    for (const rollout of [atStep(0), atStep(1), atStep(3, paused), atStep(5)]) {
      for (const policy of [routePolicy(), AUTOMATIC]) {
        const failed: Partial<Verdict> = { status: 'fail', cause: 'faults', summary: '9 % failed' };
        const decided = decideStopped(rollout, at(rollout.step, 0.1, { policy }, failed));
        assert.deepEqual([decided.action, decided.reason], ['roll_back', 'verdict_fail']);
        assert.deepEqual(types(decided.events), ['draining']);
      }
    }
  });

  it('says that an endpoint that was slow at the beginning may have been cold', () => {
    const slow: Partial<Verdict> = { status: 'fail', cause: 'speed', summary: '400 % slower' };
    assert.match(decideStopped(atStep(1), at(1, 3, {}, slow)).detail, /may still have been cold/);
    assert.doesNotMatch(decideStopped(atStep(1), at(1, 30, {}, slow)).detail, /cold/);
    // The copies of the shadow stage have warmed the endpoint.
    assert.doesNotMatch(decideStopped(atStep(0), at(0, 1, {}, slow)).detail, /cold/);
    assert.doesNotMatch(decideStopped(atStep(3), at(3, 3, {}, slow)).detail, /cold/);
  });

  it('calls an endpoint cold only if most of its calls are slow, not if a few are', () => {
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

  it('ignores a verdict on another step', () => {
    assert.equal(decideStopped(atStep(2), at(1, 10)).reason, 'gathering');
  });

  it('withdraws its question when the verdict is no longer a pass', () => {
    const asked = atStep(1, { type: 'asked', step: 2, verdict: null });
    const decided = decideStopped(asked, at(1, 10, {}, OPEN));
    assert.equal(decided.action, 'withdraw_ask');
    assert.deepEqual(types(decided.events), ['ask_withdrawn']);
  });

  it('enters no step while paused, and says so', () => {
    const paused = atStep(1, { type: 'paused', by: 'ann@desk', reason: null });
    const decided = decideStopped(paused, at(1, 10, { policy: AUTOMATIC }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'paused']);
  });

  it('waits and says so if a step is overdue', () => {
    const decided = decideStopped(atStep(1), at(1, 121, {}, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'step_overdue']);
    assert.match(decided.detail, /^the step is older than 2\.0 h; no calls for 2\.0 h; errors are not known/);
  });

  it('waits and says so if the whole rollout is overdue', () => {
    const decided = decideStopped(atStep(1), at(1, 1441, {}, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'rollout_overdue']);
  });

  it('rolls back if a step is overdue with approval: automatic', () => {
    const decided = decideStopped(atStep(1), at(1, 121, { policy: AUTOMATIC }, OPEN));
    assert.deepEqual([decided.action, decided.reason], ['roll_back', 'step_overdue']);
    assert.deepEqual(types(decided.events), ['draining']);
  });

  it('continues an overdue way back with approval: automatic, because the endpoint costs too much', () => {
    const decided = decideStopped(BACK, at(1, 121, { policy: AUTOMATIC }, OPEN));
    assert.deepEqual([decided.action, decided.reason, decided.events], ['wait', 'step_overdue', []]);
  });

  it('needs as many calls as limits.minCalls says, or in a way back as back.minCalls says', () => {
    const reasonAt = (rollout: typeof STEP, calls: number) =>
      decideStopped(rollout, at(1, 10, {}, { canaryCalls: calls })).reason;
    assert.deepEqual([reasonAt(STEP, 199), reasonAt(STEP, 200)], ['gathering', 'needs_approval']);
    assert.deepEqual([reasonAt(BACK, 29), reasonAt(BACK, 30)], ['gathering', 'needs_approval']);
  });

  it('does not roll back an overdue step while serverless refuses connections', () => {
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
  describe(`${name}, rolling back`, () => {
    it('rolls back after the given number of faults in a row, not before', () => {
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 4 })).action, 'wait');
      const decided = decide(at(3, 1, { canaryFaultsInRow: 5 }));
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'consecutive_faults']);
      assert.deepEqual(types(decided.events), ['draining']);
    });

    it('waits if serverless fails, too', () => {
      const decided = decide(at(3, 1, { canaryFaultsInRow: 9, stableRecent: SICK }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'both_unhealthy']);
    });

    it('rolls back if serverless only answers 429', () => {
      const stableRecent = { attempts: 100, faults: 0, connectFailures: 0 };
      assert.equal(decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent })).action, 'roll_back');
    });

    it('waits if serverless refuses connections', () => {
      for (const seen of [{ canaryFaultsInRow: 5 }, { endpoint: endpoint('paused') }]) {
        const decided = decide(at(3, 1, { ...seen, stableRecent: REFUSING }));
        assert.deepEqual([decided.action, decided.reason], ['wait', 'stable_unable']);
      }
    });

    it('waits if serverless denies more than half of those who call it, and of at least three', () => {
      const calls = { attempts: 100, faults: 0, connectFailures: 0 };
      const reasons = [
        [20, 20],
        [20, 11],
        [20, 10],
        [3, 2],
        [2, 2],
      ].map(([callers = 0, denied = 0]) => {
        const decided = decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent: { ...calls, callers, denied } }));
        return decided.reason;
      });
      const [stays, leaves] = ['stable_unable', 'consecutive_faults'];
      assert.deepEqual(reasons, [stays, stays, leaves, stays, leaves]);
      const told = decide(at(3, 1, { canaryFaultsInRow: 5, stableRecent: { ...calls, callers: 20, denied: 19 } }));
      assert.match(told.detail, /serverless answers 19 of 20 callers with 402 or 401: the traffic stays where it is$/);
    });

    it('needs more than two refused connections to conclude that serverless refuses them', () => {
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
      it(`rolls back if the endpoint is ${state}, whether serverless fails or not`, () => {
        for (const stableRecent of [SICK, { attempts: 0, faults: 0, connectFailures: 0 }]) {
          const decided = decide(at(3, 1, { endpoint: endpoint(state), stableRecent }));
          assert.deepEqual([decided.action, decided.reason], ['roll_back', reason]);
        }
      });
    }

    it('rolls back if the endpoint runs but was unhealthy in three readings in a row', () => {
      const readings = (badReadings: number) => ({ endpoint: { ...endpoint('running'), badReadings } });
      assert.equal(decide(at(3, 1, readings(2))).action, 'wait');
      const decided = decide(at(3, 1, readings(3)));
      assert.deepEqual([decided.action, decided.reason], ['roll_back', 'endpoint_unhealthy']);
    });

    it('rolls back if the endpoint is absent only once it is so in three readings in a row', () => {
      for (const badReadings of [1, 2]) {
        const decided = decide(at(3, 1, { endpoint: { ...endpoint('absent'), badReadings } }));
        assert.equal(decided.action, 'wait');
      }
    });

    it('does not roll back because of a reading from before this endpoint existed', () => {
      assert.equal(decide(at(3, 1, { endpoint: endpoint('absent', START - 1) })).action, 'wait');
    });
  });
}

describe('decideShadowing', () => {
  const shadow = { sent: 240, ended: 238, faults: 1, dropped: 4 };
  const policy = routePolicy();

  it('copies calls for the whole stage, and then asks for the first step without needing more evidence', () => {
    const during = decideShadowing(shadowingRollout(), at(0, 9.9, { shadow, policy }, OPEN));
    assert.deepEqual([during.action, during.reason], ['wait', 'shadowing']);
    assert.match(
      during.detail,
      /1 of 238 copies failed \(0\.4 %\), 0 pairs compared, 2 not ended yet, 4 calls were not copied/,
    );
    const one = decideShadowing(shadowingRollout(), at(0, 9.9, { shadow: { ...shadow, dropped: 1 }, policy }, OPEN));
    assert.match(one.detail, /, 1 call was not copied/);
    const after = decideShadowing(shadowingRollout(), at(0, 10, { shadow, policy }, OPEN));
    assert.deepEqual([after.action, types(after.events)], ['finish_shadow', ['shadow_ended']]);
  });

  it('gives an endpoint that is slow at the beginning the whole stage, and rolls back only then', () => {
    const failed: Partial<Verdict> = { status: 'fail', cause: 'speed' };
    assert.equal(decideShadowing(shadowingRollout(), at(0, 5, { shadow, policy }, failed)).action, 'wait');
    const decided = decideShadowing(shadowingRollout(), at(0, 10, { shadow, policy }, failed));
    assert.deepEqual([decided.action, decided.reason], ['roll_back', 'verdict_fail']);
  });

  it('does not end while paused', () => {
    const paused = shadowingRollout({ type: 'paused', by: 'ann@desk', reason: null });
    assert.equal(decideShadowing(paused, at(0, 60, { shadow, policy })).reason, 'paused');
  });
});

describe('decidePromoted', () => {
  it('does nothing if there is nothing to do', () => {
    assert.equal(decidePromoted(promotedRollout(), at(6, 999)).reason, 'promoted');
  });
});
