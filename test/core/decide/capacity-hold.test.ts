import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decide } from '../../../src/core/decide/decide.ts';
import type { EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import { stopWeight, weights } from '../../../src/core/rollout/rollout.ts';
import { capacityHold, saturatedHold } from '../../../src/core/decide/capacity-hold.ts';
import type { Capacity } from '../../../src/core/scaling/capacity.ts';
import { ENDPOINT_POLICY, START, WARM, atStep, observation, routePolicy, verdictOn } from '../../support/samples.ts';
import { concurrencyOf } from '../../support/concurrency.ts';

const MINUTE = 60_000;

function endpoint(readyReplica: number): EndpointSeen {
  const seen = { at: START, state: 'running' as const, url: WARM.url, isHealthy: true, badReadings: 0, isOurs: true };
  return { ...seen, message: null, readyReplica, targetReplica: readyReplica, scaling: null };
}

/** At a step after its bake time, with this concurrency on so many ready replicas. */
function at(
  step: number,
  concurrency: { mean: number; p95?: number; ready?: number; capacity: Capacity | null },
  change: Partial<Observation> = {},
): Observation {
  const { mean, p95 = mean, ready = 2, capacity } = concurrency;
  return observation({
    now: START + 31 * MINUTE,
    verdict: verdictOn(step),
    endpoint: endpoint(ready),
    concurrency: concurrencyOf({ capacity, endpoint: { mean, p95, peak: p95 } }),
    policy: routePolicy({ endpoint: { ...ENDPOINT_POLICY, maxReplica: 4 } }),
    ...change,
  });
}

describe('the next weight', () => {
  it('waits if it would bring more calls than the ready replicas carry, and gives the figures', () => {
    const seen = at(2, { mean: 18, p95: 20.5, capacity: { carried: 12, isLimit: true } });
    const decided = decide(atStep(2), seen);
    assert.deepEqual([decided.action, decided.reason], ['wait', 'capacity']);
    const expected = 'step 3 would bring 41 calls at once; 2 replicas were seen to carry 24; waits for 4 replicas';
    assert.equal(decided.detail, expected);
  });

  it('takes the endpoint at its word for how many it takes, unless answers took too long before that', () => {
    const capacity = { carried: 4, isLimit: true };
    const seen = at(2, { mean: 9, p95: 10, ready: 1, capacity }, { endpointFullAt: 24 });
    assert.equal(capacityHold(atStep(2), seen), null);
    const more = at(2, { mean: 12, p95: 13, ready: 1, capacity }, { endpointFullAt: 24 });
    const expected = 'step 3 would bring 26 calls at once; 1 replica was seen to carry 24; waits for 2 replicas';
    assert.equal(capacityHold(atStep(2), more), expected);
    const slow = at(2, { mean: 9, p95: 10, ready: 1, capacity: { ...capacity, mayCarry: 4 } }, { endpointFullAt: 24 });
    assert.match(capacityHold(atStep(2), slow) ?? '', /seen to carry 4;/);
  });

  it('says which setting to raise if more replicas are not allowed', () => {
    const policy = routePolicy();
    const seen = at(2, { mean: 18, p95: 20.5, capacity: { carried: 12, isLimit: true } }, { policy });
    assert.match(capacityHold(atStep(2), seen) ?? '', /needs 4 replicas: raise endpoint\.maxReplica \(1\)$/);
  });

  it('is entered once enough replicas are ready', () => {
    const seen = at(2, { mean: 18, p95: 20.5, ready: 4, capacity: { carried: 12, isLimit: true } });
    assert.equal(decide(atStep(2), seen).action, 'ask');
  });

  it('may grow to two and a half times what was carried well, as long as no limit was seen', () => {
    const one = { capacity: { carried: 4, isLimit: false }, ready: 1 };
    assert.equal(capacityHold(atStep(1), at(1, { mean: 4, p95: 9, ...one })), null);
    assert.match(
      capacityHold(atStep(1), at(1, { mean: 4.5, ...one })) ?? '',
      /^step 2 would bring 11 calls at once; 1 replica was seen to carry 4, and at most 2\.5 times that/,
    );
  });

  it('may grow by as much as the longest step of the policy, if that is more', () => {
    const policy = routePolicy({ steps: [0.05, 0.5, 1] });
    const seen = at(1, { mean: 4, ready: 1, capacity: { carried: 4, isLimit: false } }, { policy });
    assert.equal(capacityHold(atStep(1), seen), null);
  });

  const unknown: readonly (readonly [string, Partial<Observation>])[] = [
    ['nothing was measured', { concurrency: concurrencyOf({ capacity: null }) }],
    ['there is no reading of the endpoint', { endpoint: null }],
  ];
  for (const [when, change] of unknown) {
    it(`does not wait for capacity if ${when}`, () => {
      assert.equal(
        capacityHold(atStep(2), at(2, { mean: 500, capacity: { carried: 1, isLimit: true } }, change)),
        null,
      );
    });
  }

  it('causes the withdrawal of a question only if it is clearly too much', () => {
    const asked = atStep(2, { type: 'asked', step: 3, verdict: null });
    const concurrency = (p95: number) => ({ mean: 5, p95, capacity: { carried: 12, isLimit: true } });
    assert.equal(decide(atStep(2), at(2, concurrency(12.5))).reason, 'capacity');
    assert.equal(decide(asked, at(2, concurrency(12.5))).reason, 'awaiting_approval');
    assert.equal(decide(asked, at(2, concurrency(14))).action, 'withdraw_ask');
  });

  it('can be approved as long as the question is open, unless it is clearly too much', () => {
    const asked = atStep(2, { type: 'asked', step: 3, verdict: null });
    const request = {
      id: 1,
      kind: 'approve' as const,
      rolloutId: 'aaaabbbb',
      askId: 3,
      step: 3,
      reason: null,
      by: 'ann@desk',
      uid: 1_001,
    };
    const answered = (p95: number) => {
      const concurrency = { mean: 5, p95, capacity: { carried: 12, isLimit: true } };
      const { action, reason } = decide(asked, at(2, concurrency, { request, openAskId: 3 }));
      return [action, reason];
    };
    assert.deepEqual(answered(12.5), ['enter_step', 'approved']);
    assert.deepEqual(answered(14), ['refuse', 'capacity']);
  });

  it('never brings more calls than the measured capacity allows', () => {
    const figures = fc.record({
      step: fc.integer({ min: 1, max: 5 }),
      mean: fc.double({ min: 0, max: 100, noNaN: true }),
      over: fc.double({ min: 1, max: 3, noNaN: true }),
      carried: fc.double({ min: 0.1, max: 60, noNaN: true }),
      isLimit: fc.boolean(),
      ready: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(figures, ({ step, mean, over, carried, isLimit, ready }) => {
        const policy = routePolicy({ approval: 'automatic' });
        const seen = at(step, { mean, p95: mean * over, ready, capacity: { carried, isLimit } }, { policy });
        const rollout = atStep(step);
        const { action } = decide(rollout, seen);
        if (action !== 'enter_step' && action !== 'promote') return assert.equal(action, 'wait');
        const next = action === 'promote' ? 1 : stopWeight(step + 1, policy, 'dedicated');
        const ratio = next / weights(rollout, policy).weight;
        const expected = isLimit ? mean * over * ratio : mean * ratio;
        assert.ok(expected <= ready * carried * (isLimit ? 1 : 2.5) + 1e-9);
      }),
    );
  });
});

describe('an endpoint that says that it is full', () => {
  const busy = concurrencyOf({ route: { mean: 80, p95: 96, peak: 96 }, endpoint: { mean: 11, p95: 11, peak: 11 } });
  const full = (change: Partial<Observation> = {}) =>
    observation({
      now: START + 31 * MINUTE,
      verdict: verdictOn(2),
      endpoint: endpoint(1),
      concurrency: busy,
      endpointFullAt: 11,
      ...change,
    });

  it('holds its step with the figures and what helps, whatever the verdict', () => {
    for (const verdict of [verdictOn(2), { ...verdictOn(2), status: 'inconclusive' as const }]) {
      const { action, reason, detail } = decide(atStep(2), full({ verdict }));
      assert.deepEqual([action, reason], ['wait', 'saturated']);
      assert.equal(
        detail,
        'carries 11 calls at once, the step brings 24; needs 3 replicas: raise endpoint.maxReplica (1)',
      );
    }
  });

  it('is no reason to go back, however late the step is', () => {
    const policy = routePolicy({ approval: 'automatic' });
    const decided = decide(atStep(2), full({ policy, now: START + 7 * 86_400_000 }));
    assert.deepEqual([decided.action, decided.events], ['wait', []]);
    assert.match(decided.detail, /carries 11 calls at once/);
  });

  it('is no reason to hold if the step brings no more than it takes, or on a way back', () => {
    assert.notEqual(decide(atStep(2), full({ endpointFullAt: 24 })).reason, 'saturated');
    assert.equal(saturatedHold({ ...atStep(2), toward: 'serverless' }, full()), null);
    assert.equal(saturatedHold(atStep(0), full()), null);
  });

  it('is no reason to hold if the proposal said how much would overflow, unless that is not allowed', () => {
    const rollout = atStep(2);
    const told = { ...rollout, instance: { ...rollout.instance, overflowShare: 0.2 } };
    const capacity = { carried: 5, isLimit: true };
    const small = full({ concurrency: concurrencyOf({ capacity, endpoint: { mean: 11, p95: 12, peak: 12 } }) });
    assert.match(capacityHold(rollout, small) ?? '', /would bring/);
    assert.equal(capacityHold(told, small), null);
    assert.equal(saturatedHold(told, full()), null);
    assert.equal(decide(told, full()).action, 'ask');
    const policy = routePolicy({ overflow: { enabled: false, maxPerDay: null } });
    assert.match(saturatedHold(told, full({ policy })) ?? '', /^carries 11/);
  });

  it('is compared with some slack once the next step is asked about', () => {
    assert.match(saturatedHold(atStep(2), full({ endpointFullAt: 23 })) ?? '', /^carries 23/);
    assert.equal(saturatedHold(atStep(2), full({ endpointFullAt: 23 }), 1.1), null);
  });
});
