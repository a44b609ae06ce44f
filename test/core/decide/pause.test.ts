import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import { MINUTE_MS } from '../../../src/core/time.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import {
  atStep,
  backAtStep,
  NO_REPLICAS,
  observation,
  rolloutAfter,
  routePolicy,
  shadowingRollout,
  START,
  TO_WARM,
  verdictOn,
} from '../../support/samples.ts';

const { limits } = POLICY_DEFAULTS;
const LONG = 30 * 24 * 60 * MINUTE_MS;
const automatic = routePolicy({ approval: 'automatic' });
const few = verdictOn(2, { canaryCalls: 1 });

function paused(rollout: Rollout, from: number): Rollout {
  return evolve(rollout, { type: 'paused', by: 'ann@desk', reason: null }, from);
}

function resumed(rollout: Rollout, at: number): Rollout {
  return evolve(rollout, { type: 'resumed', by: 'ann@desk', reason: null }, at);
}

/** A rollout, the deadline that ends it if it is not paused, and what else is seen. */
const DEADLINES = [
  ['provisioning', rolloutAfter(...TO_WARM.slice(0, 3)), limits.provisionWithin, observation(), 'provision_timeout'],
  ['warming', rolloutAfter(...TO_WARM.slice(0, 4)), limits.provisionWithin, observation(), 'provision_timeout'],
  ['an automatic step', atStep(2), limits.stepWithin, observation({ policy: automatic, verdict: few }), 'step_overdue'],
] as const;

describe('a pause', () => {
  for (const [what, rollout, within, seen, reason] of DEADLINES) {
    const since = Math.max(rollout.since, 'startedAt' in rollout ? rollout.startedAt : 0);

    it(`stops the deadline of ${what}: nothing ends it, however long it lasts`, () => {
      assert.equal(decide(rollout, { ...seen, now: since + within + 1 }).reason, reason);
      const still = decide(paused(rollout, since + MINUTE_MS), { ...seen, now: since + LONG });
      assert.deepEqual([still.action, still.events, still.effect], ['wait', [], null]);
    });

    it(`of ${what} leaves as much time as there was, to the millisecond`, () => {
      const after = resumed(paused(rollout, since + MINUTE_MS), since + LONG);
      const rest = since + LONG + within - MINUTE_MS;
      assert.notEqual(decide(after, { ...seen, now: rest }).reason, reason);
      assert.equal(decide(after, { ...seen, now: rest + 1 }).reason, reason);
    });
  }

  it('does not count to the time of the shadow stage, because no copy is made meanwhile', () => {
    const rollout = shadowingRollout();
    const { time } = POLICY_DEFAULTS.shadow;
    const after = resumed(paused(rollout, rollout.since), rollout.since + LONG);
    const at = (now: number) => decide(after, observation({ now })).action;
    assert.equal(at(rollout.since + LONG + time - 1), 'wait');
    assert.equal(at(rollout.since + LONG + time), 'finish_shadow');
  });

  it('keeps an endpoint that becomes ready where it is until somebody resumes', () => {
    const rollout = rolloutAfter(...TO_WARM.slice(0, 3));
    const reading = {
      state: 'running' as const,
      url: 'https://e.example',
      isHealthy: true,
      badReadings: 0,
      isOurs: true,
    };
    const seen = observation({ endpoint: { at: START, ...reading, message: null, ...NO_REPLICAS } });
    assert.equal(decide(rollout, seen).action, 'start_warming');
    assert.equal(decide(paused(rollout, START), seen).action, 'note_endpoint');
    assert.equal(decide(paused({ ...rollout, isMade: true } as Rollout, START), seen).reason, 'paused');
  });

  it('does not stop a proposal from expiring, because its figures get old all the same', () => {
    const rollout = paused(rolloutAfter({ type: 'asked', step: 0, verdict: null }), START);
    const at = (now: number) => decide(rollout, observation({ now }));
    assert.equal(at(rollout.since + limits.proposalOpen).action, 'wait');
    const expired = at(rollout.since + limits.proposalOpen + 1);
    assert.deepEqual([expired.action, expired.reason], ['end', 'proposal_expired']);
  });

  it('does not stop a rollback', () => {
    for (const rollout of [atStep(2), backAtStep(2)]) {
      const seen = observation({ verdict: verdictOn(2, { status: 'fail' }), now: START + LONG });
      assert.equal(decide(paused(rollout, START), seen).action, 'roll_back');
    }
  });
});
