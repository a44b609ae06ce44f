import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../../src/core/clock.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { TalliedCall } from '../../../src/core/rollout/step-figures.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Spending } from '../../../src/core/money/spending.ts';
import { RETURNED } from '../../../src/core/decide/stepping.ts';
import { BookedSpending, drainPatienceMs, rollbackMs } from '../../../src/daemon/money/spending.ts';
import { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { routeState } from '../../support/route-state.ts';
import { backAtStep, MODEL, promotedRollout, routePolicy, START } from '../../support/samples.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const clockAt = (scale: number): Clock => ({ now: () => START, sleep: () => Promise.resolve(), scale });

function watchOf(rollout: Rollout | null): RouteWatch {
  const watch = new RouteWatch(MODEL, routePolicy());
  watch.enter(routeState(rollout, routePolicy()));
  return watch;
}

/** A call that the endpoint answered after this time. */
function calledFor(ms: number): TalliedCall {
  return { outcome: 'ok', servedBy: 'dedicated', durationUs: ms * 1_000, firstByteUs: 1, firstTokenUs: null };
}

describe('the way back', () => {
  it('takes five minutes for calls to end, or as long as the longest call took, and a little to look and pause', () => {
    const watch = watchOf(promotedRollout());
    assert.equal(rollbackMs(watch, clockAt(1)), 310_000);
    watch.measures.restore(1, 'canary', calledFor(12 * MINUTE));
    assert.equal(rollbackMs(watch, clockAt(1)), 12 * MINUTE + 10_000);
    watch.measures.restore(1, 'canary', calledFor(5 * HOUR));
    assert.equal(rollbackMs(watch, clockAt(1)), 30 * MINUTE + 10_000, 'no call lasts longer than timeouts.total');
  });

  it('is in clock time, whose seconds are short on a faster clock', () => {
    assert.equal(rollbackMs(watchOf(promotedRollout()), clockAt(60)), 10 * MINUTE);
  });

  it('cuts off no call for a budget, and waits half a minute for those of a bad endpoint', () => {
    const left = (reason: string) =>
      evolve(promotedRollout(), { type: 'draining', outcome: 'aborted', reason, hint: null }, START);
    const patience = (reason: string) => drainPatienceMs(left(reason), watchOf(left(reason)), clockAt(1));
    assert.deepEqual([patience('over_budget: $4'), patience('verdict_fail: slow')], [30 * MINUTE, 30_000]);
    assert.deepEqual([patience(RETURNED), patience('endpoint_unhealthy: it is')], [30 * MINUTE, 30_000]);
  });
});

describe('what the books say', () => {
  const spent = (rolloutMicros: number): Spending => {
    return { hourMicros: 1, dayMicros: 2, rolloutMicros, ratePerHourMicros: 3, at: START };
  };

  it('is asked for under the rollout that made the endpoint, also on a way back', async () => {
    const asked: (string | null)[] = [];
    const books = new BookedSpending({
      spending: (_, rolloutId) => {
        asked.push(rolloutId);
        return Promise.resolve(spent(asked.length));
      },
    });
    for (const rollout of [null, promotedRollout(), backAtStep(1)]) await books.refresh(watchOf(rollout), START);
    assert.deepEqual(asked, [null, promotedRollout().id, promotedRollout().id]);
  });

  it('stands where they cannot be read, and not for another rollout', async () => {
    let isLocked = false;
    const books = new BookedSpending({
      spending: () => (isLocked ? Promise.reject(new Error('locked')) : Promise.resolve(spent(7))),
    });
    const watch = watchOf(promotedRollout());
    assert.equal(books.of(watch), null);
    await books.refresh(watch, START);
    isLocked = true;
    await books.refresh(watch, START + MINUTE);
    assert.deepEqual(books.of(watch), spent(7));
    watch.enter(routeState({ ...promotedRollout(), id: 'another1' }, routePolicy()));
    assert.equal(books.of(watch), null);
  });
});
