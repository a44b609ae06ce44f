import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { isActive, weights } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  PROFILE,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  shadowingRollout,
  START,
  TO_WARM,
  WARM,
} from '../../support/samples.ts';

const policy = routePolicy();
const DRAINING: RolloutEvent = { type: 'draining', outcome: 'aborted', reason: 'operator', hint: null };

describe('evolve', () => {
  it('accepts only a proposal as the first event', () => {
    assert.throws(() => evolve(null, { type: 'promoted' }, START), /must be "proposed", not "promoted"/);
  });

  it('leads from the proposal through a warm endpoint to its steps and the promotion', () => {
    const phases: string[] = [];
    let rollout: Rollout = rolloutAfter();
    const events: RolloutEvent[] = [
      ...TO_WARM,
      { type: 'step_entered', step: 1, weight: 0.1, phase: 'stepping' },
      { type: 'step_entered', step: 2, weight: 0.97, phase: 'holding' },
      { type: 'promoted' },
      DRAINING,
      { type: 'ended', outcome: 'aborted', reason: 'operator', hint: null },
    ];
    for (const event of events) {
      rollout = evolve(rollout, event, START);
      if (phases.at(-1) !== rollout.phase) phases.push(rollout.phase);
    }
    const way = ['proposed', 'provisioning', 'warming', 'shadowing', 'stepping', 'holding', 'promoted'];
    assert.deepEqual(phases, [...way, 'draining', 'aborted']);
  });

  it('keeps `startedAt`, and sets `since` anew at every phase and step', () => {
    let rollout = rolloutAfter();
    let at = START;
    for (const event of TO_WARM) rollout = evolve(rollout, event, (at += 1_000));
    rollout = evolve(rollout, { type: 'step_entered', step: 1, weight: 0.1, phase: 'stepping' }, (at += 1_000));
    assert.ok(rollout.phase === 'stepping');
    assert.equal(rollout.startedAt, START + 3_000);
    assert.equal(rollout.since, at);
    assert.equal(rollout.createdAt, START);
  });

  it('does not change `since` for asks, approvals and pauses', () => {
    const rollout = atStep(2);
    const events: RolloutEvent[] = [
      { type: 'asked', step: 3, verdict: null },
      { type: 'ask_withdrawn', step: 3, reason: 'over limits' },
      { type: 'approved', step: 3, by: 'ann@desk', reason: null },
      { type: 'paused', by: 'ann@desk', reason: null },
      { type: 'resumed', by: 'ann@desk', reason: null },
    ];
    for (const event of events) assert.equal(evolve(rollout, event, START + 99_000).since, rollout.since, event.type);
  });

  it('leaves no ask open once a step is entered', () => {
    const asked = evolve(atStep(1), { type: 'asked', step: 2, verdict: null }, START);
    assert.equal(asked.ask?.step, 2);
    assert.equal(evolve(asked, { type: 'step_entered', step: 2, weight: 0.25, phase: 'stepping' }, START).ask, null);
    assert.equal(evolve(asked, DRAINING, START).ask, null);
  });

  it('stays paused from phase to phase until resumed', () => {
    const paused = evolve(
      rolloutAfter(...TO_WARM.slice(0, 3)),
      { type: 'paused', by: 'ann@desk', reason: null },
      START,
    );
    const warming = evolve(paused, { type: 'endpoint_ready', url: WARM.url }, START);
    assert.ok(warming.isPaused);
    assert.ok(!evolve(warming, { type: 'resumed', by: 'ann@desk', reason: null }, START).isPaused);
  });

  it('keeps the profile of serverless from the warming to the last step', () => {
    for (const rollout of [shadowingRollout(), atStep(0), atStep(3), atStep(5)]) {
      assert.deepEqual(rollout.profile, PROFILE);
    }
  });

  it('refuses steps and promotions outside of stepping', () => {
    const entered: RolloutEvent = { type: 'step_entered', step: 1, weight: 0.1, phase: 'stepping' };
    assert.throws(
      () => evolve(rolloutAfter(), entered, START),
      /cannot happen to rollout aaaabbbb in phase "proposed"/,
    );
    assert.throws(() => evolve(evolve(atStep(1), DRAINING, START), { type: 'promoted' }, START), /phase "draining"/);
  });

  it('gives snapshots that are the same after JSON.stringify and JSON.parse', () => {
    for (const rollout of [rolloutAfter(), rolloutAfter(...TO_WARM), atStep(3), promotedRollout()]) {
      assert.deepEqual(JSON.parse(JSON.stringify(rollout)), rollout);
    }
  });
});

describe('weights', () => {
  const ended: RolloutEvent = { type: 'ended', outcome: 'failed', reason: 'quota', hint: null };
  const cases: readonly [why: string, rollout: Rollout | null, step: number, weight: number][] = [
    ['no rollout', null, 0, 0],
    ['a proposal', rolloutAfter(), 0, 0],
    ['provisioning', rolloutAfter(...TO_WARM.slice(0, 3)), 0, 0],
    ['warming', rolloutAfter(...TO_WARM.slice(0, 4)), 0, 0],
    ['a warm endpoint before its first step', atStep(0), 0, 0],
    ['step 1', atStep(1), 1, 0.1],
    ['step 4', atStep(4), 4, 0.75],
    ['step 5, where a control group stays', atStep(5), 5, 0.97],
    ['copies only', shadowingRollout(), 0, 0],
    ['a promoted endpoint', promotedRollout(), 6, 1],
    ['draining', evolve(atStep(4), DRAINING, START), 0, 0],
    ['the end', evolve(evolve(atStep(4), DRAINING, START), ended, START), 0, 0],
  ];
  for (const [why, rollout, step, weight] of cases) {
    it(`gives ${weight} to ${why}`, () => {
      assert.deepEqual(weights(rollout, policy), { step, weight });
    });
  }
});

describe('isActive', () => {
  it('is true until a rollout has ended, also while it is draining', () => {
    const draining = evolve(promotedRollout(), DRAINING, START);
    assert.ok(isActive(promotedRollout()));
    assert.ok(isActive(draining));
    assert.ok(!isActive(evolve(draining, { type: 'ended', outcome: 'aborted', reason: '', hint: null }, START)));
  });
});
