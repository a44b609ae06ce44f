import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decide } from '../../../src/core/decide/decide.ts';
import type { EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import { ENDPOINT_STATES } from '../../../src/core/endpoint-state.ts';
import { endpointShare } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  backAtStep,
  observation,
  promotedRollout,
  routePolicy,
  START,
  verdictOn,
  WARM,
} from '../../support/samples.ts';

const NOW = START + 600_000;
/** States that end an endpoint, whatever calls say. */
const ENDS = ['failed', 'updateFailed', 'paused', 'scaledToZero'];

function reading(changes: Partial<EndpointSeen> = {}): EndpointSeen {
  const replicas = { readyReplica: 1, targetReplica: 1, scaling: null };
  const well = { state: 'running' as const, isHealthy: true, badReadings: 0, isOurs: true, message: null };
  return { at: NOW, url: WARM.url, ...well, ...replicas, ...changes };
}

/** An observation; the endpoint has answered a call five seconds ago. */
function answering(state: EndpointSeen['state'], badReadings: number, changes: Partial<Observation> = {}): Observation {
  const url = state === 'absent' ? null : WARM.url;
  return observation({
    now: NOW,
    endpoint: reading({ state, url, badReadings, isHealthy: badReadings === 0 }),
    endpointAnsweredAt: NOW - 5_000,
    verdict: verdictOn(3),
    ...changes,
  });
}

describe('a reading that calls contradict', () => {
  const kept: readonly [what: string, seen: Observation][] = [
    ['a state that nobody knows', answering('updating', 30)],
    ['a step backward', answering('initializing', 30)],
    ['an endpoint that is not scheduled', answering('pending', 30)],
    ['an endpoint that is missing', answering('absent', 30)],
    ['a health route that does not answer', answering('running', 30)],
    ['an endpoint that is missing, and a call that failed', answering('absent', 2, { canaryFaultsInRow: 1 })],
  ];
  for (const [what, seen] of kept) {
    it(`moves no call: ${what}`, () => {
      for (const rollout of [promotedRollout(), atStep(3)]) {
        const decided = decide(rollout, seen);
        assert.equal(decided.action, 'wait', `${decided.action} ${decided.reason}`);
        assert.match(decided.detail, /but it answers calls/);
      }
    });
  }

  const left: readonly [what: string, seen: Observation, reason: string][] = [
    ['it persists and calls fail', answering('absent', 3, { canaryFaultsInRow: 1 }), 'endpoint_absent'],
    ['it persists and calls fail', answering('initializing', 3, { canaryFaultsInRow: 1 }), 'endpoint_unhealthy'],
    [
      'no call was answered lately',
      answering('updating', 3, { endpointAnsweredAt: NOW - 61_000 }),
      'endpoint_unhealthy',
    ],
    [
      'its address is another',
      { ...answering('running', 0), endpoint: reading({ url: 'https://x.y' }) },
      'endpoint_moved',
    ],
    ...ENDS.map((state): [string, Observation, string] => [
      `its state is ${state}`,
      answering(state as EndpointSeen['state'], 1),
      { paused: 'endpoint_paused', scaledToZero: 'endpoint_scaled_to_zero' }[state] ?? 'endpoint_failed',
    ]),
  ];
  for (const [what, seen, reason] of left) {
    it(`is believed if ${what}: ${reason}`, () => {
      for (const rollout of [promotedRollout(), atStep(3)]) {
        const decided = decide(rollout, seen);
        assert.deepEqual([decided.action, decided.reason], ['roll_back', reason]);
      }
    });
  }

  it('keeps the step as it is: nothing is asked, and an approval is refused', () => {
    const seen = answering('absent', 30);
    assert.equal(decide(atStep(3), seen).action, 'wait');
    const ask = { step: 4, at: START, verdict: null };
    const request = { id: 1, kind: 'approve' as const, rolloutId: atStep(3).id, askId: 7, step: 4, reason: null };
    const asked = decide({ ...atStep(3), ask }, { ...seen, openAskId: 7, request: { ...request, by: 'a@b', uid: 1 } });
    assert.deepEqual([asked.action, asked.reason], ['refuse', 'endpoint_absent']);
  });

  it('never takes calls from an endpoint that has answered since, whatever else is seen', () => {
    const states = [...ENDPOINT_STATES, 'absent' as const].filter((state) => !ENDS.includes(state));
    const law = fc.property(
      fc.constantFrom(...states),
      fc.nat(100),
      fc.nat(60_000),
      fc.constantFrom(promotedRollout(), atStep(1), atStep(3), backAtStep(1)),
      fc.boolean(),
      (state, badReadings, ageMs, rollout, isOut) => {
        const seen = answering(state, badReadings, {
          endpointAnsweredAt: NOW - ageMs,
          verdict: null,
          policy: routePolicy({ approval: 'automatic' }),
          ...(isOut && { outage: { since: NOW - 9_000, until: NOW } }),
        });
        const decided = decide(rollout, seen);
        const moved = ['roll_back', 'leave_endpoint', 'fail', 'begin_detour', 'enter_step', 'promote'];
        assert.ok(!moved.includes(decided.action), `${decided.action} ${decided.reason}`);
        assert.equal(decided.events.length, 0);
        assert.ok(endpointShare(rollout, seen.policy) > 0);
      },
    );
    fc.assert(law);
  });
});

describe('faults of both sides at once', () => {
  const FAULTS = { canaryFaultsInRow: 9, endpointFaultsInRow: 9 };
  const FINE = { attempts: 600, faults: 4, connectFailures: 4 };

  it('are an incident of the network: no retreat while serverless has failed in a row as well', () => {
    for (const rollout of [promotedRollout(), atStep(3)]) {
      const seen = answering('running', 0, { ...FAULTS, stableRecent: { ...FINE, faultsInRow: 3 } });
      const decided = decide(rollout, seen);
      assert.deepEqual([decided.action, decided.reason], ['wait', 'both_unhealthy']);
      assert.match(decided.detail, /the endpoint failed 9 times in a row, but serverless has failed 3 times in a row/);
    }
  });

  it('are no retreat to a serverless that is out', () => {
    for (const rollout of [promotedRollout(), atStep(3)]) {
      const outage = { since: NOW - 2_000, until: NOW };
      const decided = decide(rollout, answering('running', 0, { ...FAULTS, outage, stableRecent: FINE }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'stable_unable']);
      assert.match(decided.detail, /serverless is out: the traffic stays where it is/);
    }
  });

  it('leave the endpoint of a way back where it is', () => {
    const seen = answering('running', 0, { endpointFaultsInRow: 9, stableRecent: { ...FINE, faultsInRow: 3 } });
    assert.deepEqual([decide(backAtStep(1), seen).reason], ['both_unhealthy']);
  });

  it('are told from faults of the endpoint alone, which roll back at once', () => {
    for (const faultsInRow of [0, 1, 2]) {
      const seen = answering('running', 0, { ...FAULTS, stableRecent: { ...FINE, faultsInRow } });
      assert.equal(decide(atStep(3), seen).action, 'roll_back');
    }
  });

  it('are over as soon as an outage is: then the endpoint is left if it still fails', () => {
    const outage = { since: NOW - 9_000, until: NOW - 1_000 };
    assert.equal(
      decide(atStep(3), answering('running', 0, { ...FAULTS, outage, stableRecent: FINE })).action,
      'roll_back',
    );
  });
});
