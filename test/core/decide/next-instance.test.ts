import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Observation } from '../../../src/core/decide/observation.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { INSTANCE, NO_REPLICAS, observation, PROPOSED, routePolicy, START } from '../../support/samples.ts';

const ABSENT = { state: 'absent', url: null, isHealthy: false, badReadings: 1, isOurs: true, message: null } as const;

/** A rollout that leaves its first instance; $2 and $1 an hour come next. */
function leaving(): Rollout {
  assert.ok(PROPOSED.type === 'proposed');
  const alternatives = [2, 1].map((dollars) => ({
    instance: { ...INSTANCE, instanceType: `at-${dollars}` },
    pricePerHourMicros: dollars * 1e6,
  }));
  return [
    { ...PROPOSED, rollout: { ...PROPOSED.rollout, alternatives } },
    { type: 'provisioning_started' as const },
    { type: 'instance_left' as const, instance: 'x', cause: 'capacity_exhausted' as const, message: 'none' },
  ].reduce<Rollout | null>((rollout, event) => evolve(rollout, event, START), null) as Rollout;
}

function next(perRollout: number, spentDollars: number, changes: Partial<Observation> = {}): string {
  const spending = { hourMicros: 0, dayMicros: 0, rolloutMicros: spentDollars * 1e6, ratePerHourMicros: 0, at: START };
  const policy = routePolicy({ budget: { ...NO_BUDGET, perRollout } });
  const endpoint = { ...ABSENT, ...NO_REPLICAS, at: START + 1 };
  const { action, reason, detail, events } = decide(
    leaving(),
    observation({ now: START + 1, policy, spending, endpoint, ...changes }),
  );
  const [event] = events;
  return `${action} ${reason}: ${event?.type === 'instance_next' ? event.instance.instanceType : detail}`;
}

describe('the next instance', () => {
  it('is the first that the budget still pays for an hour, with what the others have cost', () => {
    assert.equal(next(5, 0), 'next_instance capacity_exhausted: at-2');
    assert.equal(next(5, 3.5), 'next_instance capacity_exhausted: at-1');
    assert.match(next(5, 4.5), /^fail capacity_exhausted: \$2\.00\/h: \$5\.00 .* a rollout takes at least an hour/);
  });

  it('waits while the rollout is paused, for a reading from after it left, and for effects under way', () => {
    const paused = decide(
      { ...leaving(), isPaused: true },
      observation({ now: START, endpoint: { ...ABSENT, ...NO_REPLICAS, at: START } }),
    );
    assert.equal(`${paused.action} ${paused.reason}`, 'wait paused');
    assert.match(
      next(5, 0, { endpoint: { ...ABSENT, ...NO_REPLICAS, at: START - 1 } }),
      /^leave_instance capacity_exhausted/,
    );
    assert.match(next(5, 0, { effects: ['delete'] }), /^wait capacity_exhausted: .* is being deleted/);
  });

  it('waits until it is known what was spent today', () => {
    const policy = routePolicy({ budget: { ...NO_BUDGET, perDay: 100 } });
    assert.equal(
      next(5, 0, { policy, spending: null }),
      'wait capacity_exhausted: $2.00/h: what was spent today is not known yet',
    );
    assert.equal(next(5, 0, { policy }), 'next_instance capacity_exhausted: at-2');
  });

  it('is never tried while an endpoint of that name is somebody else’s', () => {
    const endpoint = { ...ABSENT, ...NO_REPLICAS, at: START + 1, state: 'running' as const, isOurs: false };
    assert.match(next(5, 0, { endpoint }), /^fail endpoint_not_ours/);
  });
});
