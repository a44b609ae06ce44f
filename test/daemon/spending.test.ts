import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../src/core/clock.ts';
import type { EndpointSeen } from '../../src/core/observation.ts';
import type { Rollout } from '../../src/core/rollout.ts';
import { evolve } from '../../src/core/rollout.ts';
import { drainPatienceMs, SpendingEstimate, wayBackMs } from '../../src/daemon/spending.ts';
import { RouteWatch } from '../../src/daemon/watch.ts';
import { MODEL, promotedRollout, rolloutAfter, routePolicy, START, TO_WARM } from '../support/samples.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const clockAt = (scale: number): Clock => ({ now: () => START, sleep: () => Promise.resolve(), scale });

function watchOf(rollout: Rollout | null): RouteWatch {
  const watch = new RouteWatch(MODEL, routePolicy());
  watch.setRollout(rollout, routePolicy());
  return watch;
}

const looked = (state: EndpointSeen['state'], at: number): EndpointSeen => {
  return { at, state, url: null, isHealthy: true, badLooks: 0, isOurs: true, message: null };
};

describe('the way back', () => {
  it('takes five minutes for calls to end, or as long as the longest call took, and a little to look and pause', () => {
    const watch = watchOf(promotedRollout());
    assert.equal(wayBackMs(watch, clockAt(1)), 310_000);
    watch.longestOnEndpointMs = 12 * MINUTE;
    assert.equal(wayBackMs(watch, clockAt(1)), 12 * MINUTE + 10_000);
    watch.longestOnEndpointMs = 5 * HOUR;
    assert.equal(wayBackMs(watch, clockAt(1)), 30 * MINUTE + 10_000, 'no call lasts longer than timeouts.total');
  });

  it('is in clock time, whose seconds are short on a faster clock', () => {
    assert.equal(wayBackMs(watchOf(promotedRollout()), clockAt(60)), 10 * MINUTE);
  });

  it('cuts off no call for a budget, and waits half a minute for those of a bad endpoint', () => {
    const left = (reason: string) =>
      evolve(promotedRollout(), { type: 'draining', outcome: 'aborted', reason, hint: null }, START);
    const patience = (reason: string) => drainPatienceMs(left(reason), watchOf(left(reason)), clockAt(1));
    assert.deepEqual([patience('over_budget: $4'), patience('verdict_fail: slow')], [30 * MINUTE, 30_000]);
  });
});

describe('what endpoints are thought to have cost', () => {
  it('is the price for as long as the endpoint was not seen paused', async () => {
    const spending = new SpendingEstimate();
    const watch = watchOf(rolloutAfter(...TO_WARM.slice(0, 3)));
    await spending.refresh(watch, START + MINUTE);
    watch.endpoint = looked('running', START + MINUTE);
    await spending.refresh(watch, START + HOUR);
    const running = spending.of(watch);
    assert.deepEqual(
      [running?.rolloutMicros, running?.dayMicros, running?.ratePerHourMicros],
      [1_300_000, 1_300_000, 1_300_000],
    );
    watch.endpoint = looked('paused', START + HOUR + MINUTE);
    await spending.refresh(watch, START + HOUR + MINUTE);
    await spending.refresh(watch, START + 9 * HOUR);
    const paused = spending.of(watch);
    assert.deepEqual([paused?.ratePerHourMicros, paused?.hourMicros], [0, 0]);
    assert.ok(Math.abs((paused?.dayMicros ?? 0) - (1_300_000 * 61) / 60) <= 2, `${paused?.dayMicros}`);
  });

  it('is as much as it can have been for what a former process saw', async () => {
    const spending = new SpendingEstimate();
    const watch = watchOf(promotedRollout());
    await spending.refresh(watch, START + 17 * HOUR);
    const seen = spending.of(watch);
    assert.deepEqual([seen?.rolloutMicros, seen?.dayMicros, seen?.hourMicros], [17 * 1_300_000, 1_300_000, 1_300_000]);
  });

  it('is nothing of a rollout that was only proposed', async () => {
    const spending = new SpendingEstimate();
    const watch = watchOf(null);
    watch.lastRollout = evolve(
      rolloutAfter(),
      { type: 'ended', outcome: 'aborted', reason: 'rejected: step 0 rejected by ann@desk', hint: null },
      START + HOUR,
    );
    await spending.refresh(watch, START + 2 * HOUR);
    assert.equal(spending.of(watch)?.dayMicros, 0);
  });
});
